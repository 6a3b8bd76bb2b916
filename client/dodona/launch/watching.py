"""State of the study of a `dodona run`, from the server."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from dodona import Client, DodonaError, NotFound, Retry, Study
from dodona._text import line_of
from dodona.launch.scaling import Demand

# The workers are checked in the same thread, so no look may take long.
TIMEOUT_SECONDS = 5.0
RETRY = Retry(patience_seconds=0.0, first_patience_seconds=0.0)
UNFINISHED = 'state == "active" or state == "stopping" or state == "requested"'


class Watcher:
    """Looks at a study again and again.

    Args:
        study: its name, or the address of its page; asked for until it is known.
        say: tells people a line.
    """

    def __init__(self, study: Callable[[], str | None], say: Callable[[str], None]) -> None:
        self._find = study
        self._say = say
        self._named: str | None = None
        self._study: Study | None = None
        self._problem = ""

    def look(self) -> Demand | None:
        """Return the study's demand for workers; None while there is no study, or the server cannot say."""
        named = self._find()
        if named is None:
            return None
        try:
            if named != self._named or self._study is None:
                self._study, self._named = _opened(named), named
            found = demand_of(self._study)
        except NotFound:
            return None
        except DodonaError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._say(f"the number of workers stays as it is: {line_of(self._problem)}")
            return None
        self._problem = ""
        return found


def demand_of(study: Study) -> Demand:
    """Fetch what the number of the study's workers depends on, and return it."""
    # In this order, nobody who works is taken for idle, and a study that has just been completed is seen as such.
    workers = [one for one in study.workers(alive=True) if one.state in ("RUNNING", "WAITING")]
    workers.sort(key=lambda one: (not one.running, str(one.first), one.worker))
    states = [trial.state for trial in study.trials(UNFINISHED)]
    queued = states.count("REQUESTED")
    study.refresh()
    stopping, wire = study.spec.study_stopping_config, study.wire
    limit = stopping.max_num_trials if stopping else None
    return Demand(
        state=study.state,
        left=None if limit is None else max(0, limit - (wire.trial_count or 0)),
        running=len(states) - queued,
        queued=queued,
        wanted=wire.wanted_workers,
        workers=[one.worker for one in workers],
        busy=frozenset(one.worker for one in workers if one.running),
    )


def _opened(named: str) -> Study:
    """Return the study with that name or page."""
    url, at, place = named.rpartition("/studies/")
    if not at or "://" not in url:
        return Client(timeout=TIMEOUT_SECONDS, retry=RETRY).get_study(named)
    project, location, study = map(unquote, place.split("/"))
    return Client(url, project=project, location=location, timeout=TIMEOUT_SECONDS, retry=RETRY).get_study(study)
