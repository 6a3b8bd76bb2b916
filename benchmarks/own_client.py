"""Dodona's own client as a load, called as users call it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import dodona
from load import REPORTS, Call, timed


class ClientSession:
    """A worker with its own client.

    Args:
        port: the server's, on loopback.
        study: the study's path, from /v1 on.
        worker: the worker's id.

    """

    def __init__(self, port: int, study: str, worker: str) -> None:
        self._study = dodona.Client(f"http://127.0.0.1:{port}", worker=worker).get_study(study.rpartition("/")[2])

    def cycle(self) -> Iterator[Call]:
        """See `load.Session`."""
        call, trial = timed("ask", self._study.ask)
        yield call
        loss = random.random()
        for step in range(1, REPORTS + 1):
            loss *= 0.9
            yield timed("report", lambda at=step, value=loss: (trial.report(value, at), trial.should_stop))[0]
        yield timed("complete", lambda: trial.complete(loss))[0]
