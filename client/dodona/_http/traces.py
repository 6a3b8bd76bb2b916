"""Traces of trials: a server with OpenTelemetry adds its spans of all calls about one trial to one trace."""

from __future__ import annotations

import random
import re

_TRIAL = re.compile(r"studies/[^/:]+/trials/[^/:?]+")
# The traces of the latest trials are kept.
MOST_TRACES = 1000


class Traces:
    """Ids of traces by the paths of trials."""

    def __init__(self) -> None:
        self._of_trials: dict[str, str] = {}

    def keep(self, trial: str, trace: str) -> None:
        """Make the calls about the trial at that path parts of a trace."""
        self._of_trials[trial] = trace
        if len(self._of_trials) > MOST_TRACES:
            self._of_trials.pop(next(iter(self._of_trials)), None)

    def headers(self, path: str, trace: str = "") -> dict[str, str]:
        """Return the header of a call that is part of a trace: that of the trial in its path, unless one is given."""
        trial = None if trace else _TRIAL.match(path)
        trace = self._of_trials.get(trial[0], "") if trial else trace
        return {"traceparent": f"00-{trace}-{random.getrandbits(64):016x}-01"} if trace else {}


def new_trace() -> str:
    """Return the id of a new trace."""
    return f"{random.getrandbits(128):032x}"
