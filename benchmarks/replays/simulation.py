"""A search in simulated time: each epoch of a trial takes its configuration's own time, or 1, on one of the workers."""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from curves.tables import CurveTable
from dodona_server.curve_model.curves import Progress


class Verdict(enum.Enum):
    """What a policy decides after an epoch of a trial."""

    GO = "go"
    PAUSE = "pause"
    STOP = "stop"


@dataclass
class Board:
    """The trials of a search so far. A trial is its index in `rows`.

    Args:
        table: of the curves.
        limit: the number of trials that the search may have.
        rows: the configuration of each trial.
        reached: the number of epochs that each trial has reported.
        over: whether each trial is stopped or trained to the end.
        bests: the best value that each trial has reported; minus infinity if none was finite.
    """

    table: CurveTable
    limit: int
    rows: list[int] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)
    over: npt.NDArray[np.bool_] = field(init=False)
    bests: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.over = np.zeros(self.limit, bool)

    @property
    def epochs(self) -> int:
        """The epochs of a whole training."""
        return int(self.table.values.shape[1])

    @property
    def may_add(self) -> bool:
        """Whether the search may have another trial."""
        return len(self.rows) < self.limit

    def add(self, row: int) -> None:
        """Add a trial."""
        self.rows.append(row)
        self.reached.append(0)
        self.bests.append(-np.inf)

    def value(self, trial: int) -> float:
        """Return the latest value of a trial, oriented so that larger is better; NaN if it diverged."""
        return float(self.table.values[self.rows[trial], self.reached[trial] - 1])

    def progress(self, trial: int) -> Progress:
        """Return what comes after a trial's last epoch."""
        if not self.over[trial]:
            return Progress.RUNNING
        return Progress.ENDED if self.reached[trial] == self.epochs else Progress.STOPPED

    def train(self, trial: int) -> float:
        """Train a trial for an epoch, and return its value."""
        self.reached[trial] += 1
        value = self.value(trial)
        self.bests[trial] = max(self.bests[trial], value) if np.isfinite(value) else self.bests[trial]
        return value


class Policy(Protocol):
    """What runs next, and which trials stop."""

    def start(self, board: Board) -> int | None:
        """Return the trial that a free worker trains, `len(board.rows)` for a new one; None if there is none now."""

    def report(self, board: Board, trial: int) -> Verdict:
        """Return what happens to a trial that has reported; after its last epoch the answer has no effect."""


# Returns the configuration of a new trial.
Choose = Callable[[Board], int]


@dataclass
class Outcome:
    """What a search used and found.

    Args:
        board: at the end.
        steps: the epochs of all trials.
        time: when the last epoch ended.
        idle: the share of the workers' time until then in which they had nothing to do.
        improvements: the number of epochs, and the best value so far, each time that it improved.
    """

    board: Board
    steps: int = 0
    time: float = 0.0
    idle: float = 0.0
    improvements: list[tuple[int, float]] = field(default_factory=list)

    def best_at(self, steps: int) -> float:
        """Return the best value that the search reported within a number of epochs."""
        found = [value for at, value in self.improvements if at <= steps]
        return found[-1] if found else -np.inf

    def steps_to(self, value: float) -> int | None:
        """Return the epochs until a value at least as good; None if the search did not reach it."""
        return next((at for at, found in self.improvements if found >= value), None)


def simulate(
    table: CurveTable,
    policy: Policy,
    choose: Choose,
    *,
    workers: int = 1,
    trials: int | None = None,
    steps: int | None = None,
    timed: bool = False,
) -> Outcome:
    """Return the outcome of a search.

    Args:
        table: the curves to replay.
        policy: of the search.
        choose: the configuration of each new trial.
        workers: the number of trials that train at once.
        trials: the most trials that it may have; as many as the table has configurations if not given.
        steps: the most epochs; no limit if not given.
        timed: whether an epoch takes its configuration's own time.
    """
    outcome = Outcome(board := Board(table, trials or len(table.values)))
    running: list[tuple[float, int, int]] = []
    free, waited, started = workers, 0.0, 0

    def go_on(trial: int) -> None:
        nonlocal started
        started += 1
        cost = float(table.seconds[board.rows[trial]]) if timed else 1.0
        heapq.heappush(running, (outcome.time + cost, started, trial))

    while True:
        while free and (trial := policy.start(board)) is not None:
            if trial == len(board.rows):
                board.add(choose(board))
            free -= 1
            go_on(trial)
        if not running or outcome.steps == steps:
            break
        time, _, trial = heapq.heappop(running)
        waited, outcome.time = waited + free * (time - outcome.time), time
        value = board.train(trial)
        outcome.steps += 1
        if np.isfinite(value) and (not outcome.improvements or value > outcome.improvements[-1][1]):
            outcome.improvements.append((outcome.steps, value))
        verdict = policy.report(board, trial)
        board.over[trial] = verdict is Verdict.STOP or board.reached[trial] == board.epochs
        if verdict is Verdict.GO and not board.over[trial]:
            go_on(trial)
        else:
            free += 1
    outcome.idle = waited / (workers * outcome.time) if outcome.time else 0.0
    return outcome
