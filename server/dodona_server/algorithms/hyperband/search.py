"""Hyperband: many short trainings, of which the best continue (Li et al., 2018), with KerasTuner's semantics.

See `brackets` for the rules.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.contract.results import ResultReader
from dodona_server.algorithms.hyperband.brackets import (
    Bracket,
    BracketTrial,
    Plan,
    brackets_of,
)
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.simple.random_search import sample
from dodona_server.domain.continuation import Budget, budget_of, resumed_from, without_tuner_values
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial

DEFAULT_MAX_EPOCHS = 100
DEFAULT_FACTOR = 3
MAX_EPOCHS = 1_000_000
MAX_ITERATIONS = 1_000_000


class Hyperband(Algorithm):
    """Suggests random points for first rounds and promotions for later ones, each with the epochs to train.

    While a bracket waits for its trials the next one begins, so that no worker is idle before the last bracket. Only
    there the answer says that workers should `wait`. In a part of the space only the trials inside it are promoted.
    """

    # A trial outside the brackets would have no number of epochs.
    traits = Traits(fallback=None)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("max_epochs", "factor", "hyperband_iterations"))
        _plan(spec)
        _iterations(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points, each with its budget; see `Algorithm.suggest`."""
        spec, rng, count = request.problem.spec, request.rng, request.count
        tried = SeenPoints(request)
        plan, iterations = _plan(spec), _iterations(spec)
        brackets = brackets_of(plan, _bracket_trials(request), iterations)
        suggested: list[Suggestion] = []
        while len(suggested) < count:
            promotion = next(_promotions(brackets, spec.space, rng), None)
            opened = next((bracket for bracket in brackets if bracket.opens), None)
            if opened is None and promotion is None and (not iterations or len(brackets) < iterations * plan.brackets):
                opened = Bracket(plan, plan.brackets - 1 - len(brackets) % plan.brackets)
                brackets.append(opened)
            # As in KerasTuner, the bracket that began first comes first.
            if opened is not None and (promotion is None or brackets.index(opened) <= promotion[0]):
                reason = f"a random point for round 0 of bracket {opened.number}"
                suggested.append(_start(opened, tried.new(lambda: sample(spec.space, rng), reason)))
            elif promotion is not None:
                index, round_number, trial, adapted = promotion
                suggested.append(_promote(brackets[index], round_number, trial, adapted))
            else:
                break
        waits = len(suggested) < count and any(not bracket.closed for bracket in brackets)
        return Suggestions(suggested, wait=waits)


def _promotions(
    brackets: Sequence[Bracket], space: SearchSpace, rng: random.Random
) -> Iterator[tuple[int, int, BracketTrial, Mapping[str, Value]]]:
    """Yield the promotions that `space` allows: bracket, round, the trial to promote and its values in that round."""
    for index, bracket in enumerate(brackets):
        for round_number, trial in bracket.promotions():
            adapted = _adapted(space, trial, rng)
            if adapted is not None:
                yield index, round_number, trial, adapted


def _start(bracket: Bracket, point: Suggestion) -> Suggestion:
    budget = Budget(bracket.plan.epochs(bracket.number, 0), 0, bracket.number, 0)
    bracket.rounds[0].append(BracketTrial(None, point.parameters, budget))
    return dataclasses.replace(point, budget=budget)


def _promote(bracket: Bracket, round_number: int, trial: BracketTrial, values: Mapping[str, Value]) -> Suggestion:
    plan, number = bracket.plan, bracket.number
    budget = Budget(plan.epochs(number, round_number), plan.epochs(number, round_number - 1), number, round_number)
    trial.promoted = True
    bracket.rounds[round_number].append(BracketTrial(None, values, budget, trial.number))
    reason = f"promoted: among the best of round {round_number - 1} of bracket {number}"
    return Suggestion(values, reason, parent=trial.number, resume_from=trial.number, budget=budget)


def _adapted(space: SearchSpace, trial: BracketTrial, rng: random.Random) -> Mapping[str, Value] | None:
    """Return the values of a trial to promote; if the space has grown since, with the defaults of new parameters.

    None if the trial is outside the space, which may be a part of the study's.
    """
    drawn: dict[str, Value] = {}
    waiting = list(reversed(space.parameters))
    while waiting:
        parameter = waiting.pop()
        kind = parameter.kind
        value = trial.values.get(parameter.id)
        if value is None:
            default = kind.default_value
            value = default if default is not None else sample(SearchSpace((parameter,)), rng)[parameter.id]
        drawn[parameter.id] = value
        waiting.extend(reversed(list(parameter.active_branches(value))))
    try:
        return space.check(drawn)
    except InvalidArgument:
        return None


def _bracket_trials(request: Request) -> list[BracketTrial]:
    trials = [_bracket_trial(trial) for trial in request.pending]
    merits = ResultReader(request.problem.spec).merits(request.completed)
    for trial, merit in zip(request.completed, merits, strict=True):
        trials.append(_bracket_trial(trial))
        trials[-1].finished, trials[-1].merit = True, merit if math.isfinite(merit[1]) else None
    for trial in request.stopped:
        # It did not reach the end of its round.
        trials.append(_bracket_trial(trial))
        trials[-1].finished = True
    return sorted(trials, key=lambda trial: trial.number or 0)


def _bracket_trial(trial: Trial) -> BracketTrial:
    stored = trial.parameters
    return BracketTrial(trial.number, without_tuner_values(stored), budget_of(stored), resumed_from(stored))


def _plan(spec: StudySpec) -> Plan:
    return Plan(
        integer(spec, "max_epochs", DEFAULT_MAX_EPOCHS, 1, MAX_EPOCHS),
        integer(spec, "factor", DEFAULT_FACTOR, 2, MAX_EPOCHS),
    )


def _iterations(spec: StudySpec) -> int:
    """Return the number of iterations over all brackets; 0 for no limit."""
    return integer(spec, "hyperband_iterations", 1, 0, MAX_ITERATIONS)
