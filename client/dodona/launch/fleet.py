"""Workers of a `dodona run` from their start to their end, on any engine."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from dodona.launch.launcher import BackendFailed, Launcher, counted
from dodona.launch.scaling import Bounds, Demand, Target, surplus, target
from dodona.launch.watching import Watcher

LOOK_SECONDS = 3.0


class Fleet:
    """Workers, and how many there should be.

    Args:
        launcher: starts and stops them.
        bounds: how many there may be.
        watcher: looks at their study.
        say: tells people a line.
        check: is called again and again; returns an error that ends everything, or None.
        room: how many workers there is room for now.

    Attributes:
        signals: those that this process got.
    """

    def __init__(
        self,
        launcher: Launcher,
        bounds: Bounds,
        watcher: Watcher,
        say: Callable[[str], None],
        *,
        check: Callable[[], str | None] = lambda: None,
        room: Callable[[], int] | None = None,
    ) -> None:
        self.signals: list[int] = []
        self._launcher = launcher
        self._bounds = bounds
        self._watcher = watcher
        self._say = say
        self._check = check
        self._room = room or (lambda: bounds.most)
        self._demand: Demand | None = None
        # The workers, those of them that were asked to stop, and the number of those that have left by themselves.
        self._alive: list[str] = []
        self._stopping: set[str] = set()
        self._ever: set[str] = set()
        self._left = 0
        self._problem = ""

    def until_done(self) -> str | None:
        """Run the workers to their end; return the error that ended them, if one did."""
        before = {number: signal.signal(number, self._on_signal) for number in exit_signals()}
        error = None
        try:
            error = self._work()
            if (error or self.signals) and not self._launcher.outlives:
                self._stop_all()
        finally:
            if not self._launcher.outlives and (left := self._launcher.alive()):
                self._launcher.stop(left, now=True)
            for number, handler in before.items():
                signal.signal(number, handler)
        return error

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signals.append(number)

    def _work(self) -> str | None:
        self._demand = self._watcher.look()
        if (first := self._first_count()) > 0:
            self._launcher.start(first)
            self._say(self._launcher.logs())
        looked = time.monotonic()
        while not self.signals:
            self._count()
            if not self._alive and self._is_over():
                return None
            time.sleep(self._launcher.poll_seconds)
            if (error := self._check()) is not None:
                return error
            if time.monotonic() - looked >= LOOK_SECONDS:
                self._demand = self._watcher.look() or self._demand
                self._count()
                self._scale()
                looked = time.monotonic()
        return None

    def _first_count(self) -> int:
        demand, bounds = self._demand, self._bounds
        if demand is not None and not demand.is_over:
            first = target(demand, [], bounds).count
        elif not bounds.follows:
            first = bounds.most
        else:
            # A script whose study is unknown has to begin with a worker.
            first = 0 if demand else max(1, bounds.least)
        return min(first, self._room())

    def _count(self) -> None:
        """Find out which workers live, and how many have left by themselves."""
        alive = self._launcher.alive()
        gone = set(self._alive) - set(alive)
        self._left += len(gone - self._stopping)
        self._stopping &= set(alive)
        self._ever |= set(alive)
        self._alive = alive

    def _is_over(self) -> bool:
        # Without workers on purpose, it waits until the study needs some again.
        return bool(self._left) or self._demand is None or self._demand.is_over

    def _scale(self) -> None:
        mine = [name for name in self._alive if name not in self._stopping]
        room = self._room()
        if self._demand is None:
            wanted = Target(min(len(mine), room), room) if self._bounds.follows else Target(room, room)
        elif self._demand.is_over:
            # They leave by themselves, perhaps after some last work of the script.
            return
        else:
            wanted = target(self._of_others_and(mine), mine, self._bounds)
        # One that has left by itself has no more to do; nobody replaces it.
        most = min(room, self._bounds.most - self._left)
        wanted = Target(max(0, min(wanted.count, most)), max(0, min(wanted.limit, room)))
        busy = self._demand.busy if self._demand else ()
        if chosen := surplus(mine, busy, wanted, last_first=self._launcher.last_first):
            self._say(f"{counted(len(mine))}, {len(mine) - len(chosen)} wanted: stopping {', '.join(chosen)}")
            self._try(lambda: self._launcher.stop(chosen))
            self._stopping |= set(chosen)
        elif wanted.count > len(mine):
            self._say(f"{counted(len(mine))}, {wanted.count} wanted: starting {wanted.count - len(mine)}")
            self._try(lambda: self._launcher.start(wanted.count - len(mine)))

    def _of_others_and(self, mine: list[str]) -> Demand:
        """Return the demand without the workers that have ended here, of which the server may not know yet."""
        assert self._demand is not None  # noqa: S101 - for mypy
        ended = self._ever - set(mine)
        return replace(self._demand, workers=[name for name in self._demand.workers if name not in ended])

    def _try(self, change: Callable[[], None]) -> None:
        """Make a change; an engine that refuses it is asked again at the next look."""
        try:
            change()
        except BackendFailed as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._say(self._problem)
        else:
            self._problem = ""

    def _stop_all(self) -> None:
        """Stop all workers: each releases its trial and exits; a second signal ends them at once."""
        heard = len(self.signals)
        self._launcher.stop(self._launcher.alive())
        self._say("every worker releases its trial ...")
        while self._launcher.alive() and len(self.signals) == heard:
            time.sleep(min(1.0, self._launcher.poll_seconds))


def exit_signals() -> list[signal.Signals]:
    """Return the signals that ask this process to exit."""
    signals = [signal.SIGINT, signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    # Under `nohup` the workers continue when the terminal is closed.
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        signals.append(hangup)
    return signals
