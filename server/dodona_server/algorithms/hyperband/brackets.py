"""Hyperband's brackets, read back from a study's trials.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization" (2018); sizes, epochs and the moment of a promotion are KerasTuner's.

A bracket runs many trials for a few epochs, then promotes the best into the next round, where they go on for more.
Bracket b has rounds 0 to b; the highest b halves most aggressively and comes first. One iteration is all brackets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dodona_server.domain.space import Value

BRACKET, ROUND, PARENT = "tuner/bracket", "tuner/round", "tuner/trial_id"
EPOCHS, INITIAL_EPOCH = "tuner/epochs", "tuner/initial_epoch"


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes that all brackets have.

    Args:
        max_epochs: how long the last round of each bracket trains.
        factor: by how much each round has fewer trials and more epochs.
    """

    max_epochs: int
    factor: int

    @property
    def brackets(self) -> int:
        """How many brackets an iteration has."""
        count, epochs = 0, float(self.max_epochs)
        while epochs >= 1:
            epochs /= self.factor
            count += 1
        return count

    def size(self, bracket: int, round_number: int) -> int:
        """How many trials a round has."""
        last = math.ceil(1 + math.log(self.max_epochs, self.factor)) / (bracket + 1)
        return math.ceil(last * float(self.factor) ** (bracket - round_number))

    def epochs(self, bracket: int, round_number: int) -> int:
        """Up to which epoch a round trains."""
        return math.ceil(self.max_epochs / float(self.factor) ** (bracket - round_number))


@dataclass(slots=True, eq=False)
class Run:
    """A trial as Hyperband sees it.

    Args:
        trial_id: the trial's number in text, as KerasTuner names trials; empty for one suggested just now.
        values: its parameters.
        merit: what ranks it, the least being the best; None while it runs, and if it is infeasible.
        finished: whether it is.
        promoted: whether another trial goes on from it.
    """

    trial_id: str
    values: Mapping[str, Value]
    merit: tuple[float, float] | None = None
    finished: bool = False
    promoted: bool = False


@dataclass(slots=True, eq=False)
class Bracket:
    """One bracket of one iteration, with the trials that it has so far."""

    plan: Plan
    number: int
    rounds: list[list[Run]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rounds = self.rounds or [[] for _ in range(self.number + 1)]

    @property
    def opens(self) -> bool:
        """Whether its first round lacks trials."""
        return len(self.rounds[0]) < self.plan.size(self.number, 0)

    def promotions(self) -> Iterator[tuple[int, Run]]:
        """The trials that may be promoted now, best first, with the round they go to.

        A trial is promoted as soon as it is sure to be among the best that its round sends on: whatever becomes of
        those that are still to finish. Infeasible trials count as finished, so nobody waits for them in vain.
        """
        for number in range(1, self.number + 1):
            before, places = self.rounds[number - 1], self._places_left(number)
            unknown = self._final_size(number - 1) - sum(run.finished for run in before)
            candidates = sorted(
                (run for run in before if run.merit is not None and not run.promoted),
                key=lambda run: run.merit or (),
            )
            for run in candidates[: max(0, places - unknown)]:
                yield number, run

    @property
    def closed(self) -> bool:
        """Whether no trial will ever be added."""
        return all(self._is_closed(number) for number in range(self.number + 1))

    def _places_left(self, number: int) -> int:
        return self.plan.size(self.number, number) - len(self.rounds[number])

    def _is_closed(self, number: int) -> bool:
        """Whether a round gets no more trials: it is full, or the one before has finished and has none to promote."""
        if self._places_left(number) <= 0:
            return True
        if number == 0 or not self._is_closed(number - 1):
            return False
        return all(run.finished and (run.promoted or run.merit is None) for run in self.rounds[number - 1])

    def _final_size(self, number: int) -> int:
        """How many trials a round will have had at its end, at most."""
        return len(self.rounds[number]) if self._is_closed(number) else self.plan.size(self.number, number)


def brackets_of(plan: Plan, runs: Iterable[Run], iterations: int) -> list[Bracket]:
    """The brackets begun so far, in their order.

    Args:
        plan: the study's.
        iterations: how often all brackets are run; 0 for without end.
        runs: its trials, in the order of their numbers. Those that are not Hyperband's, such as points that a user
            queued, and those whose parent has been deleted belong to no bracket.

    Returns:
        All brackets up to the last one that has a trial. The trials of the first rounds fill the brackets of their
        number one after another, so those of a later iteration come after those of an earlier one.
    """
    begun: dict[int, list[Bracket]] = {number: [] for number in range(plan.brackets)}
    home: dict[str, tuple[Bracket, Run]] = {}
    for run in runs:
        number, round_number = run.values.get(BRACKET), run.values.get(ROUND)
        if number not in begun or not isinstance(round_number, int | float):
            continue
        if round_number == 0:
            ours = begun[int(number)]
            # One too many, which a worker may get while the study changes, begins no bracket that is not planned.
            if not ours or (not ours[-1].opens and len(ours) != iterations):
                ours.append(Bracket(plan, int(number)))
            bracket = ours[-1]
        elif (parent := home.get(str(run.values.get(PARENT)))) is not None:
            bracket = parent[0]
            parent[1].promoted = True
        else:
            continue
        if round_number <= bracket.number:
            bracket.rounds[int(round_number)].append(run)
            home[run.trial_id] = bracket, run
    return _in_order(plan, begun)


def _in_order(plan: Plan, begun: Mapping[int, list[Bracket]]) -> list[Bracket]:
    ordered: list[Bracket] = []
    missing: list[Bracket] = []
    for iteration in range(max(map(len, begun.values()), default=0)):
        for number in range(plan.brackets - 1, -1, -1):
            if iteration < len(begun[number]):
                ordered += [*missing, begun[number][iteration]]
                missing = []
            else:
                missing.append(Bracket(plan, number))
    return ordered
