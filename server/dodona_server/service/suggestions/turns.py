"""Calls that wait for a trial take turns to look for one, so that many of them cost the database no more than one."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from dodona_server.domain.names import StudyName

# How often a call of each study looks again: another server may be the one that changes what there is.
LOOK_AGAIN_SECONDS = 0.5
# How many of them look at a time, however many studies there are.
MOST_LOOKS = 100


class Turns:
    """Whose turn it is, by study.

    Args:
        stopping: set when the server is to stop; nobody waits any longer then.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._queues: dict[StudyName, deque[asyncio.Future[None]]] = {}
        self._clock: asyncio.Task[None] | None = None

    async def wait(self, study: StudyName, seconds: float) -> None:
        """Returns when it is this call's turn, after at most that many seconds."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(study, deque()).append(turn)
        if self._clock is None or self._clock.done():
            self._clock = asyncio.create_task(self._run())
        await asyncio.wait([turn], timeout=seconds)
        turn.cancel()

    def pass_on(self, study: StudyName) -> None:
        """Lets the next call of the study look at once: there may be more where a trial was found."""
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
                # To the end: the studies take turns too.
                if queue := self._queues.pop(study):
                    self._queues[study] = queue
