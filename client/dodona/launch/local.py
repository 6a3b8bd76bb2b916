"""Local engine: the workers are processes of this machine, restarted when they die."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from dodona._studies.searched import SearchedFile
from dodona._trials.hardware import VISIBLE
from dodona.launch.gpus import SHARED, TooFewGpus, memory_of, of_any_number, seen
from dodona.launch.launcher import counted
from dodona.launch.packing import Packing, Progress
from dodona.launch.worker import Worker


class Seats(Protocol):
    """Places for workers on the GPUs of this machine."""

    def variables(self, seat: int, taken: Mapping[int, Mapping[str, str]]) -> dict[str, str]:
        """Return the environment variables of a worker that takes the seat; `taken` has those of the others."""


class FixedSeats:
    """A list of seats.

    Args:
        variables: of each seat.
    """

    def __init__(self, variables: Sequence[Mapping[str, str]]) -> None:
        self._variables = variables

    def variables(self, seat: int, taken: Mapping[int, Mapping[str, str]]) -> dict[str, str]:  # noqa: ARG002
        """See `Seats`."""
        return dict(self._variables[seat])


class PackedSeats:
    """Any number of seats on the GPUs; each worker gets the GPU with the fewest.

    Args:
        gpus: by CUDA's names.
    """

    def __init__(self, gpus: Sequence[str]) -> None:
        self._gpus = gpus

    def variables(self, seat: int, taken: Mapping[int, Mapping[str, str]]) -> dict[str, str]:  # noqa: ARG002
        """See `Seats`."""
        loads = Counter(one[VISIBLE] for one in taken.values())
        return seen(min(self._gpus, key=lambda gpu: loads[gpu])) | of_any_number()


class LocalLauncher:
    """Workers on this machine.

    Args:
        prefix: of their names.
        command: the command line of each.
        seats: their places on the GPUs.
        logs: the folder for their output; None for the output of this process.
        folder: for files of this run.
        grace: how many seconds a worker has to exit.
        say: tells people a line.
        crew: where to put the workers, by their numbers.
        packing: how many workers share the GPUs; None if none do.
    """

    poll_seconds: ClassVar[float] = 0.1
    last_first: ClassVar[bool] = False
    outlives: ClassVar[bool] = False

    def __init__(
        self,
        prefix: str,
        command: Sequence[str],
        seats: Seats,
        logs: Path | None,
        folder: Path,
        grace: float,
        say: Callable[[str], None],
        crew: list[Worker],
        packing: Packing | None = None,
    ) -> None:
        self._crew = crew
        self._prefix = prefix
        self._command = command
        self._seats = seats
        self._given: dict[int, dict[str, str]] = {}
        self._logs = logs
        self._folder = folder
        self._searched = SearchedFile(folder / "searched")
        self._grace = grace
        self._say = say
        self._packing = packing
        # The shortages of memory that are counted, and until when the workers that were asked to exit have time.
        self._shortages: Counter[str] = Counter()
        self._deadlines: dict[str, float] = {}

    def start(self, count: int) -> None:
        """See `Launcher`."""
        for _ in range(count):
            ended = (number for number, worker in enumerate(self._crew) if worker.ended)
            self._start(next(ended, len(self._crew)))

    def stop(self, names: Collection[str], *, now: bool = False) -> None:
        """See `Launcher`."""
        for worker in self._crew:
            if worker.name not in names:
                continue
            if now:
                worker.kill()
            else:
                worker.interrupt()
                self._deadlines[worker.name] = time.monotonic() + self._grace

    def alive(self) -> list[str]:
        """See `Launcher`."""
        for worker in self._crew:
            if worker.name in self._deadlines:
                self._wait_for(worker)
            else:
                worker.check()
            if self._packing is not None and worker.shortages > self._shortages[worker.name]:
                self._shortages[worker.name] = worker.shortages
                self._packing.out_of_memory()
                self._say(
                    f"{worker.name} ran out of memory and gave its trial back; room for {counted(self._packing.room)}"
                )
        return [worker.name for worker in self._crew if not worker.ended]

    def logs(self) -> str:
        """See `Launcher`."""
        workers = counted(len(self._crew))
        place = f"{self._logs}/*.log" if self._logs else "here"
        return f"{workers}; their output: {place}; to end them: Ctrl-C"

    def _start(self, number: int) -> None:
        name = f"{self._prefix}-{number + 1}"
        self._deadlines.pop(name, None)
        taken = {other: self._given[other] for other, one in enumerate(self._crew) if other != number and not one.ended}
        given = self._given[number] = self._seats.variables(number, taken)

        def variables() -> Mapping[str, str]:
            shared = self._packing is not None and not self._packing.alone
            return given | ({SHARED: "1"} if shared else {})

        log = self._logs and self._logs / f"{name}.log"
        worker = Worker(name, self._command, variables, log, self._folder / f"{name}.json", self._searched)
        self._shortages[name] = 0
        self._crew[number : number + 1] = [worker]
        if VISIBLE in given:
            self._say(f"{name}: {VISIBLE}={given[VISIBLE]}")
        worker.start()

    def _wait_for(self, worker: Worker) -> None:
        if worker.has_exited():
            del self._deadlines[worker.name]
        elif time.monotonic() >= self._deadlines[worker.name]:
            self._say(f"{worker.name} did not exit in time and is killed")
            worker.kill()


class PackingWatch:
    """Shows the policy of packing the GPUs' memory and the workers' progress.

    Args:
        packing: the policy.
        gpus: by CUDA's names.
        crew: the workers.
        say: tells people a line.
    """

    def __init__(self, packing: Packing, gpus: list[str], crew: Sequence[Worker], say: Callable[[str], None]) -> None:
        self._packing = packing
        self._gpus = gpus
        self._crew = crew
        self._say = say

    def room(self) -> int:
        """Read the GPUs' memory, and return the number of workers that there is room for."""
        packing, before = self._packing, self._packing.room
        if packing.settled:
            return before
        running = [worker for worker in self._crew if not worker.ended]
        statuses = {worker.name: worker.status for worker in running}
        done = {name: Progress(one.finished, one.steps) if one else Progress() for name, one in statuses.items()}
        try:
            packing.see(time.monotonic(), memory_of(self._gpus), done)
        except TooFewGpus as error:
            packing.settled = True
            self._say(f"room for {counted(before)}, since {error}")
            return before
        if packing.room != before or packing.settled:
            settled = ", settled" if packing.settled else ""
            self._say(f"room for {counted(packing.room)} on {counted(len(self._gpus), 'GPU')}{settled}")
        return packing.room
