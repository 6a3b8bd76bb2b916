"""Number of workers that share a GPU: a pure function of their memory and their progress.

The number is doubled while the memory suffices and the workers together become faster by at least a part `PAYS`. When
it no longer pays, the number before it is the last. When a worker runs out of memory, there is one worker less, and the
number never grows again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dodona.launch.gpus import USABLE, Memory

PAYS = 1.1


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a worker since it began; both numbers only grow.

    Args:
        finished: its finished trials.
        steps: its reported steps.
    """

    finished: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class _Window:
    """A measurement: from when all workers had made progress, to when there were enough trials."""

    time: float
    progress: Mapping[str, Progress]


class Packing:
    """Number of workers that there is room for on the GPUs.

    Args:
        gpus: how many there are; at least one.
        most: the most workers on all of them.
        room: the number to begin with; None for one worker on each GPU.
        grows: whether the number may grow.

    Attributes:
        room: how many workers there is room for now, on all GPUs.
        settled: whether the number no longer grows.
    """

    def __init__(self, gpus: int, most: int, *, room: int | None = None, grows: bool = True) -> None:
        self.room = min(gpus if room is None else room, most)
        self.settled = not grows or self.room >= most
        self._gpus = gpus
        self._most = most
        # The largest part of a GPU's memory that was in use at this number.
        self._peak = 0.0
        self._first: Mapping[str, Progress] | None = None
        self._window: _Window | None = None
        self._before: tuple[int, float] | None = None

    @property
    def alone(self) -> bool:
        """Whether no worker shares its GPU, now or later: a trial that lacks memory will always lack it."""
        return self.settled and self.room <= self._gpus

    def out_of_memory(self) -> None:
        """Record that a worker has run out of memory."""
        self.room = max(min(self._gpus, self.room), self.room - 1)
        self.settled = True

    def see(self, time: float, memory: Sequence[Memory], workers: Mapping[str, Progress]) -> None:
        """Record the present state, and perhaps change the number.

        Args:
            time: in seconds.
            memory: of each GPU.
            workers: the progress of each worker that runs now.
        """
        if self.settled:
            return
        self._peak = max([self._peak, *(one.used / one.total for one in memory)])
        if len(workers) < self.room:
            self._first = self._window = None
            return
        if self._first is None or workers.keys() != self._first.keys():
            self._first, self._window = dict(workers), None
        if self._window is None:
            # Loading, building and compiling is over when all have got on.
            if all(workers[name] != before for name, before in self._first.items()):
                self._window = _Window(time, dict(workers))
            return
        if (rate := _rate(self._window, time, workers)) is not None:
            self._decide(rate)

    def _decide(self, rate: float) -> None:
        self._first = self._window = None
        if self._before is not None and rate < PAYS * self._before[1]:
            self.room, self.settled = self._before[0], True
            return
        on_each = max(1, -(-self.room // self._gpus))
        fit = int(USABLE * on_each / self._peak) if self._peak else 2 * on_each
        larger = min(self._most, self._gpus * min(2 * on_each, fit))
        if larger <= self.room:
            self.settled = True
            return
        self._before = (self.room, rate)
        self.room = larger


def _rate(window: _Window, time: float, workers: Mapping[str, Progress]) -> float | None:
    """Return the work of all workers in a second; None before they have finished as many trials as they are."""
    finished = sum(workers[name].finished - before.finished for name, before in window.progress.items())
    steps = sum(workers[name].steps - before.steps for name, before in window.progress.items())
    if finished < len(workers) or time <= window.time:
        return None
    return (steps or finished) / (time - window.time)
