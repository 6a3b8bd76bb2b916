"""`overwrite=True`, by a rule that does not harm other workers.

Every worker of a search runs the same script, so all of them may pass overwrite=True, and the second must not delete
what the first has begun. A study is started over only if no other worker can be using it:

- it has trials, and this process ran all of them, or began and released them: a notebook cell that is run again;
  or
- it has trials, all are finished, and the last one ended more than a minute ago.

Otherwise the worker joins the study and logs it. A program that restarted after a number of trials joins without a
message.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from dodona import NotFound, Study, TrialRecord
from dodona.keras._compat import files
from dodona.keras._mapping.trials import UNFINISHED
from dodona.keras._process.restart import was_searched_before
from dodona.keras._process.state import process_state

logger = logging.getLogger("dodona")

# Longer than the delay between workers that start together, shorter than it takes to edit a script.
QUIET = timedelta(minutes=1)


def start_over(study: Study) -> list[TrialRecord] | None:
    """Delete the study if no other worker can be using it.

    Args:
        study: the existing study.

    Returns:
        The deleted trials; None if the worker should join the study.

    """
    if was_searched_before(study):
        return None
    trials = study.trials()
    reason = _in_use(study.name, trials, datetime.now(UTC))
    if reason:
        logger.warning(
            "overwrite=True: joining the study %r instead of starting it over: %s. To start over anyway: "
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
        process_state.released.difference_update([(study.name, trial.number) for trial in trials])
    except NotFound:
        # Another worker was faster; its study is the one to join.
        return None
    return trials


def _in_use(study: str, trials: list[TrialRecord], now: datetime) -> str:
    """Return why another worker may be using a study with these trials; empty if none can be."""
    if not trials:
        return "it has no trial yet, so another worker may have just created it"
    others = [trial for trial in trials if trial.worker or (study, trial.number) not in process_state.released]
    if {trial.worker for trial in others} <= process_state.workers:
        return ""
    unfinished = [trial for trial in trials if trial.state in UNFINISHED]
    if unfinished:
        return f"trial {unfinished[0].number} is {unfinished[0].state} with {unfinished[0].worker or 'nobody'}"
    idle = now - max(trial.end for trial in trials if trial.end is not None)
    if idle < QUIET:
        return f"its last trial ended {idle.total_seconds():.0f} s ago, so other workers may still be using it"
    return ""


def remove_folders(project_dir: str, trials: Iterable[TrialRecord]) -> None:
    """Remove the folders of deleted trials, so that their weights are not mistaken for those of new trials.

    Args:
        project_dir: the folder that contains them; other content stays.
        trials: the deleted trials.
    """
    for trial in trials:
        folder = os.path.join(project_dir, f"trial_{trial.number}")
        if files.exists(folder):
            files.rmtree(folder)
