"""Brackets, reconstructed from a study's trials.

A bracket runs many trials with a small resource, then promotes the best to the next round, where they continue with a
larger one (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dodona_server.algorithms.contract.algorithm import Suggestion, Suggestions
from dodona_server.algorithms.multi_fidelity.trials import Rungs, RungTrial


@dataclass(frozen=True, slots=True)
class Rung:
    """A round of a bracket: how many trials it has, and how much of the resource each."""

    size: int
    resource: float


# The rounds of each bracket, by its number.
Plan = Sequence[Sequence[Rung]]


@dataclass(slots=True, eq=False)
class Bracket:
    """One bracket of one iteration, with its trials so far."""

    number: int
    rungs: Sequence[Rung]
    rounds: list[list[RungTrial]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rounds = self.rounds or [[] for _ in self.rungs]

    @property
    def opens(self) -> bool:
        """Whether its first round needs more trials."""
        return len(self.rounds[0]) < self.rungs[0].size

    def promotions(self) -> Iterator[tuple[int, RungTrial]]:
        """Yield the trials that may be promoted now, best first, with the round they go to.

        A trial is promoted as soon as it is certain to be among the best of its round, whatever the results of the
        unfinished trials. Infeasible trials count as finished, so no worker waits for them.
        """
        for number in range(1, len(self.rungs)):
            before, places = self.rounds[number - 1], self._places_left(number)
            unknown = self._final_size(number - 1) - sum(trial.finished for trial in before)
            candidates = [trial for trial in best_first(before) if not trial.promoted]
            for trial in candidates[: max(0, places - unknown)]:
                yield number, trial

    def early_promotions(self) -> Iterator[tuple[int, RungTrial]]:
        """Yield the trials that are among the best of their round so far, from the highest round down.

        They go to workers that would otherwise wait for others, of which one may be dead.
        """
        for number in range(len(self.rungs) - 1, 0, -1):
            before, places = self.rounds[number - 1], self._places_left(number)
            finished = sum(trial.finished for trial in before)
            share = self.rungs[number].size / self.rungs[number - 1].size
            best = best_first(before)[: math.floor(finished * share + 0.5)]
            for trial in [trial for trial in best if not trial.promoted][: max(0, places)]:
                yield number, trial

    @property
    def closed(self) -> bool:
        """Whether no trial will be added."""
        return all(self._is_closed(number) for number in range(len(self.rungs)))

    def _places_left(self, number: int) -> int:
        return self.rungs[number].size - len(self.rounds[number])

    def _is_closed(self, number: int) -> bool:
        """Return whether a round gets no more trials: it is full, or the round before has none left to promote."""
        if self._places_left(number) <= 0:
            return True
        if number == 0 or not self._is_closed(number - 1):
            return False
        return all(trial.finished and (trial.promoted or trial.merit is None) for trial in self.rounds[number - 1])

    def _final_size(self, number: int) -> int:
        """Return the largest number of trials that a round can have at its end."""
        return len(self.rounds[number]) if self._is_closed(number) else self.rungs[number].size


def best_first(trials: Iterable[RungTrial]) -> list[RungTrial]:
    """Return the trials with a result, best first."""
    return sorted((trial for trial in trials if trial.merit is not None), key=lambda trial: trial.merit or ())


def brackets_of(plan: Plan, trials: Iterable[RungTrial], iterations: int) -> list[Bracket]:
    """Return the brackets begun so far, in order.

    Args:
        plan: the study's.
        iterations: the number of iterations; 0 for no limit.
        trials: the study's, in the order of their numbers. Those that the algorithm did not suggest, such as points
            that a user queued, and those whose parent has been deleted belong to no bracket.

    Returns:
        All brackets up to the last one with a trial. The trials of first rounds fill the brackets with their number one
        after another, so the brackets of a later iteration come after those of an earlier one.
    """
    begun: dict[int, list[Bracket]] = {number: [] for number in range(len(plan))}
    home: dict[int | None, tuple[Bracket, RungTrial]] = {}
    for trial in trials:
        budget = trial.budget
        if budget is None or budget.bracket not in begun:
            continue
        if budget.round == 0:
            ours = begun[budget.bracket]
            # A surplus trial, which a worker may get while the study changes, begins no unplanned bracket.
            if not ours or (not ours[-1].opens and len(ours) != iterations):
                ours.append(Bracket(budget.bracket, plan[budget.bracket]))
            bracket = ours[-1]
        elif (parent := home.get(trial.parent)) is not None:
            bracket = parent[0]
            parent[1].promoted = True
        else:
            continue
        if budget.round < len(bracket.rungs):
            bracket.rounds[budget.round].append(trial)
            home[trial.number] = bracket, trial
    return _in_order(plan, begun)


def _in_order(plan: Plan, begun: Mapping[int, list[Bracket]]) -> list[Bracket]:
    ordered: list[Bracket] = []
    missing: list[Bracket] = []
    for iteration in range(max(map(len, begun.values()), default=0)):
        for number in range(len(plan) - 1, -1, -1):
            if iteration < len(begun[number]):
                ordered += [*missing, begun[number][iteration]]
                missing = []
            else:
                missing.append(Bracket(number, plan[number]))
    return ordered


def suggest_in(plan: Plan, rungs: Rungs, count: int, iterations: int) -> Suggestions:
    """Return up to `count` suggestions: promotions, and points for first rounds.

    Where there would be none, trials are promoted early, so that no worker waits for another one, which may be dead.

    Args:
        plan: the study's; its last bracket comes first.
        rungs: has the study's trials, and makes the suggestions.
        count: how many are requested.
        iterations: how often all brackets run; 0 for no limit.
    """
    brackets = brackets_of(plan, rungs.trials, iterations)
    suggested: list[Suggestion] = []
    while len(suggested) < count:
        promotion = next(_promotions(brackets, rungs, Bracket.promotions), None)
        opened = next((bracket for bracket in brackets if bracket.opens), None)
        if opened is None and promotion is None and (not iterations or len(brackets) < iterations * len(plan)):
            number = len(plan) - 1 - len(brackets) % len(plan)
            opened = Bracket(number, plan[number])
            brackets.append(opened)
        if opened is None and promotion is None:
            promotion = next(_promotions(brackets, rungs, Bracket.early_promotions), None)
        # As in KerasTuner, the bracket that began first comes first.
        if opened is not None and (promotion is None or brackets.index(opened) <= brackets.index(promotion.bracket)):
            suggested.append(_start(opened, rungs))
        elif promotion is not None:
            suggested.append(promotion.place())
        else:
            break
    waits = len(suggested) < count and any(not bracket.closed for bracket in brackets)
    return Suggestions(suggested, rungs.note, wait=waits)


@dataclass(frozen=True, slots=True)
class _Promotion:
    """A trial that goes to a round of its bracket, and the suggestion that continues it."""

    bracket: Bracket
    round: int
    trial: RungTrial
    suggestion: Suggestion

    def place(self) -> Suggestion:
        """Add it to the round, and return the suggestion."""
        self.trial.promoted = True
        continued = RungTrial(None, self.trial.values, self.suggestion.budget, None, self.trial.number)
        self.bracket.rounds[self.round].append(continued)
        return self.suggestion


def _promotions(
    brackets: Sequence[Bracket], rungs: Rungs, of: Callable[[Bracket], Iterator[tuple[int, RungTrial]]]
) -> Iterator[_Promotion]:
    """Yield the promotions that the space allows."""
    for bracket in brackets:
        for number, trial in of(bracket):
            suggestion = rungs.promote(trial, bracket.rungs[number].resource, bracket.number, number)
            if suggestion is not None:
                yield _Promotion(bracket, number, trial, suggestion)


def _start(bracket: Bracket, rungs: Rungs) -> Suggestion:
    suggestion = rungs.start(bracket.number, bracket.rungs[0].resource)
    bracket.rounds[0].append(RungTrial(None, suggestion.parameters, suggestion.budget, None))
    return suggestion
