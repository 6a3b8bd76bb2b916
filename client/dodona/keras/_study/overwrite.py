"""`overwrite=True`, by a rule that harms no other worker.

Every worker of a search runs the same script, so all of them may say overwrite=True, and the second must not throw away
what the first has begun. A study is started over only if nobody can be using it:

- it has trials, and this very process ran all of them, or began and handed them back: a cell of a notebook that is run
  again; or
- it has trials, all are finished, and the last one ended more than a minute ago.

Otherwise the worker joins the study and says so. A program that was started anew after some trials joins without a
word.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from dodona import NotFound, Study, TrialRecord
from dodona.keras._compat import files
from dodona.keras._mapping.trials import UNFINISHED
from dodona.keras._process.restart import goes_on

logger = logging.getLogger("dodona")

# Longer than workers that one person starts together are apart, shorter than a change of a script takes.
QUIET = timedelta(minutes=1)

# The ids under which this process has asked for trials.
workers_of_this_process: set[str] = set()
# The trials that it has handed back unfinished, by study and number; the server names no worker for them.
handed_back: set[tuple[str, int]] = set()


def start_over(study: Study) -> list[TrialRecord] | None:
    """Deletes the study if nobody can be using it.

    Args:
        study: the one there is.

    Returns:
        The trials that were deleted; None if the study is to be joined.

    """
    if goes_on(study):
        return None
    trials = study.trials()
    reason = _in_use(study.name, trials, datetime.now(UTC))
    if reason:
        logger.warning(
            "overwrite=True: joining the study %r instead of starting it over: %s. To start over all the same: "
            "dodona.Client().delete_study(%r)",
            study.display_name,
            reason,
            study.display_name,
        )
        return None
    created = study.create_time
    try:
        study.refresh()
        if study.create_time != created:
            return None
        study.delete()
        handed_back.difference_update([(study.name, trial.number) for trial in trials])
    except NotFound:
        # Another worker was quicker; its study is the one to join.
        return None
    return trials


def _in_use(study: str, trials: list[TrialRecord], now: datetime) -> str:
    """Why somebody may be using a study with these trials; empty if nobody can be."""
    if not trials:
        return "it has no trial yet, so somebody may have just made it"
    others = [trial for trial in trials if trial.worker or (study, trial.number) not in handed_back]
    if {trial.worker for trial in others} <= workers_of_this_process:
        return ""
    unfinished = [trial for trial in trials if trial.state in UNFINISHED]
    if unfinished:
        return f"trial {unfinished[0].number} is {unfinished[0].state} with {unfinished[0].worker or 'nobody'}"
    idle = now - max(trial.end for trial in trials if trial.end is not None)
    if idle < QUIET:
        return f"its last trial ended {idle.total_seconds():.0f} s ago, so others may still be at it"
    return ""


def remove_folders(project_dir: str, trials: Iterable[TrialRecord]) -> None:
    """Removes the folders of deleted trials, lest a new trial's weights be mistaken for theirs.

    Args:
        project_dir: where they are; what else is in it stays.
        trials: the deleted ones.
    """
    for trial in trials:
        folder = os.path.join(project_dir, f"trial_{trial.number}")
        if files.exists(folder):
            files.rmtree(folder)
