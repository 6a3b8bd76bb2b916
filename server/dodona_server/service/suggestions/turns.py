"""Waiting calls take turns to look for a trial, so that many of them cost the database no more than one."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from dodona_server.domain.names import StudyName

# The time between two looks for each study: another server may have created or freed a trial.
LOOK_AGAIN_SECONDS = 0.5
# The largest number of calls that look at once, of all studies together.
MOST_LOOKS = 100


class Turns:
    """Queues of waiting calls, by study.

    Args:
        stopping: set when the server is to stop; waiting then ends.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._queues: dict[StudyName, deque[asyncio.Future[None]]] = {}
        self._clock: asyncio.Task[None] | None = None

    async def wait(self, study: StudyName, seconds: float) -> None:
        """Wait until it is this call's turn, at most that many seconds."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(study, deque()).append(turn)
        if self._clock is None or self._clock.done():
            self._clock = asyncio.create_task(self._run())
        await asyncio.wait([turn], timeout=seconds)
        turn.cancel()

    def pass_on(self, study: StudyName) -> None:
        """Wake the study's next call: after one trial was found, there may be more."""
        queue = self._queues.get(study, deque())
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _run(self) -> None:
        while self._queues:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            if self._stopping.is_set():
                for study in list(self._queues):
                    while self._queues[study]:
                        self.pass_on(study)
            for study in list(self._queues)[:MOST_LOOKS]:
                self.pass_on(study)
                # Move it to the end: the studies take turns too.
                if queue := self._queues.pop(study):
                    self._queues[study] = queue
