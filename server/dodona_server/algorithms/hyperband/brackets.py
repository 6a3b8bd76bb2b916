"""Hyperband's brackets, reconstructed from a study's trials.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization" (2018); sizes, epochs and the time of a promotion are KerasTuner's.

A bracket runs many trials for a few epochs, then promotes the best to the next round, where they train further.
Bracket b has rounds 0 to b; the highest b discards most and comes first. An iteration runs all brackets once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dodona_server.domain.continuation import Budget
from dodona_server.domain.space import Value


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of the brackets.

    Args:
        max_epochs: the number of epochs up to which the last round of each bracket trains.
        factor: the ratio of the trials, and of the epochs, of successive rounds.
    """

    max_epochs: int
    factor: int

    @property
    def brackets(self) -> int:
        """The number of brackets in an iteration."""
        count, epochs = 0, float(self.max_epochs)
        while epochs >= 1:
            epochs /= self.factor
            count += 1
        return count

    def size(self, bracket: int, round_number: int) -> int:
        """Return the number of trials in a round."""
        last = math.ceil(1 + math.log(self.max_epochs, self.factor)) / (bracket + 1)
        return math.ceil(last * float(self.factor) ** (bracket - round_number))

    def epochs(self, bracket: int, round_number: int) -> int:
        """Return the epoch up to which a round trains."""
        return math.ceil(self.max_epochs / float(self.factor) ** (bracket - round_number))


@dataclass(slots=True, eq=False)
class BracketTrial:
    """A trial in a bracket.

    Args:
        number: the trial's; None for one that is being suggested.
        values: its parameters.
        budget: its place in the plan; None for a trial that is not Hyperband's.
        parent: the number of the trial that it continues.
        merit: its sort key, lower is better; None while it runs, and if it is infeasible.
        finished: whether it is finished.
        promoted: whether another trial continues it.
    """

    number: int | None
    values: Mapping[str, Value]
    budget: Budget | None
    parent: int | None = None
    merit: tuple[float, float] | None = None
    finished: bool = False
    promoted: bool = False


@dataclass(slots=True, eq=False)
class Bracket:
    """One bracket of one iteration, with its trials so far."""

    plan: Plan
    number: int
    rounds: list[list[BracketTrial]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rounds = self.rounds or [[] for _ in range(self.number + 1)]

    @property
    def opens(self) -> bool:
        """Whether its first round needs more trials."""
        return len(self.rounds[0]) < self.plan.size(self.number, 0)

    def promotions(self) -> Iterator[tuple[int, BracketTrial]]:
        """Yield the trials that may be promoted now, best first, with the round they go to.

        A trial is promoted as soon as it is certain to be among the best of its round, whatever the results of the
        unfinished trials. Infeasible trials count as finished, so no worker waits for them.
        """
        for number in range(1, self.number + 1):
            before, places = self.rounds[number - 1], self._places_left(number)
            unknown = self._final_size(number - 1) - sum(trial.finished for trial in before)
            candidates = sorted(
                (trial for trial in before if trial.merit is not None and not trial.promoted),
                key=lambda trial: trial.merit or (),
            )
            for trial in candidates[: max(0, places - unknown)]:
                yield number, trial

    @property
    def closed(self) -> bool:
        """Whether no trial will be added."""
        return all(self._is_closed(number) for number in range(self.number + 1))

    def _places_left(self, number: int) -> int:
        return self.plan.size(self.number, number) - len(self.rounds[number])

    def _is_closed(self, number: int) -> bool:
        """Return whether a round gets no more trials: it is full, or the round before has none left to promote."""
        if self._places_left(number) <= 0:
            return True
        if number == 0 or not self._is_closed(number - 1):
            return False
        return all(trial.finished and (trial.promoted or trial.merit is None) for trial in self.rounds[number - 1])

    def _final_size(self, number: int) -> int:
        """Return the largest number of trials that a round can have at its end."""
        return len(self.rounds[number]) if self._is_closed(number) else self.plan.size(self.number, number)


def brackets_of(plan: Plan, trials: Iterable[BracketTrial], iterations: int) -> list[Bracket]:
    """Return the brackets begun so far, in order.

    Args:
        plan: the study's.
        iterations: the number of iterations; 0 for no limit.
        trials: the study's, in the order of their numbers. Those that are not Hyperband's, such as points that a user
            queued, and those whose parent has been deleted belong to no bracket.

    Returns:
        All brackets up to the last one with a trial. The trials of first rounds fill the brackets with their number one
        after another, so the brackets of a later iteration come after those of an earlier one.
    """
    begun: dict[int, list[Bracket]] = {number: [] for number in range(plan.brackets)}
    home: dict[int | None, tuple[Bracket, BracketTrial]] = {}
    for trial in trials:
        budget = trial.budget
        if budget is None or budget.bracket not in begun:
            continue
        if budget.round == 0:
            ours = begun[budget.bracket]
            # A surplus trial, which a worker may get while the study changes, begins no unplanned bracket.
            if not ours or (not ours[-1].opens and len(ours) != iterations):
                ours.append(Bracket(plan, budget.bracket))
            bracket = ours[-1]
        elif (parent := home.get(trial.parent)) is not None:
            bracket = parent[0]
            parent[1].promoted = True
        else:
            continue
        if budget.round <= bracket.number:
            bracket.rounds[budget.round].append(trial)
            home[trial.number] = bracket, trial
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
