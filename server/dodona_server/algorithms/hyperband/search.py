"""Hyperband: many short trainings, of which the best continue (Li et al., 2018), with KerasTuner's semantics.

See `brackets` for the rules.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.contract.results import ResultReader
from dodona_server.algorithms.hyperband.brackets import (
    BRACKET,
    EPOCHS,
    INITIAL_EPOCH,
    PARENT,
    ROUND,
    Bracket,
    BracketTrial,
    Plan,
    brackets_of,
)
from dodona_server.algorithms.shared.seen import SeenPoints, without_tuner_values
from dodona_server.algorithms.simple.random_search import sample
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial

DEFAULT_MAX_EPOCHS = 100
DEFAULT_FACTOR = 3
MAX_EPOCHS = 1_000_000
MAX_ITERATIONS = 1_000_000


class Hyperband:
    """Suggests random points for first rounds and promotions for later ones, each with the epochs to train.

    While a bracket waits for its trials the next one begins, so that no worker is idle before the last bracket. Only
    there the answer says that workers should `wait`. In a part of the space only the trials inside it are promoted.
    """

    inline = False
    one_by_one = False

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("max_epochs", "factor", "hyperband_iterations"))
        _plan(spec)
        _iterations(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """Return the next `count` points, each with its `tuner/` values; see `Algorithm.suggest`."""
        spec = problem.spec
        tried = SeenPoints(spec.space, completed, pending)
        plan, iterations = _plan(spec), _iterations(spec)
        brackets = brackets_of(plan, _bracket_trials(spec, completed, pending), iterations)
        suggested: list[Mapping[str, Value]] = []
        while len(suggested) < count:
            promotion = next(_promotions(brackets, spec.space, rng), None)
            opened = next((bracket for bracket in brackets if bracket.opens), None)
            if opened is None and promotion is None and (not iterations or len(brackets) < iterations * plan.brackets):
                opened = Bracket(plan, plan.brackets - 1 - len(brackets) % plan.brackets)
                brackets.append(opened)
            # As in KerasTuner, the bracket that began first comes first.
            if opened is not None and (promotion is None or brackets.index(opened) <= promotion[0]):
                values = dict(tried.new(lambda: sample(spec.space, rng), rng))
                suggested.append(_start(opened, values))
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


def _start(bracket: Bracket, values: Mapping[str, Value]) -> Mapping[str, Value]:
    values = {
        **values,
        EPOCHS: bracket.plan.epochs(bracket.number, 0),
        INITIAL_EPOCH: 0,
        BRACKET: bracket.number,
        ROUND: 0,
    }
    bracket.rounds[0].append(BracketTrial("", values))
    return values


def _promote(
    bracket: Bracket, round_number: int, trial: BracketTrial, values: Mapping[str, Value]
) -> Mapping[str, Value]:
    values = {
        **values,
        EPOCHS: bracket.plan.epochs(bracket.number, round_number),
        INITIAL_EPOCH: bracket.plan.epochs(bracket.number, round_number - 1),
        BRACKET: bracket.number,
        ROUND: round_number,
        PARENT: trial.trial_id,
    }
    trial.promoted = True
    bracket.rounds[round_number].append(BracketTrial("", values))
    return values


def _adapted(space: SearchSpace, trial: BracketTrial, rng: random.Random) -> Mapping[str, Value] | None:
    """Return the values of a trial to promote; if the space has grown since, with the defaults of new parameters.

    None if the trial is outside the space, which may be a part of the study's.
    """
    values = without_tuner_values(trial.values)
    drawn: dict[str, Value] = {}
    waiting = list(reversed(space.parameters))
    while waiting:
        parameter = waiting.pop()
        kind = parameter.kind
        value = values.get(parameter.id)
        if value is None:
            default = kind.default_value
            value = default if default is not None else sample(SearchSpace((parameter,)), rng)[parameter.id]
        drawn[parameter.id] = value
        waiting.extend(reversed(list(parameter.active_branches(value))))
    try:
        return space.check(drawn)
    except InvalidArgument:
        return None


def _bracket_trials(spec: StudySpec, completed: Sequence[Trial], pending: Sequence[Trial]) -> list[BracketTrial]:
    trials = [(trial.number, BracketTrial(str(trial.number), trial.parameters)) for trial in pending]
    for trial, merit in zip(completed, ResultReader(spec).merits(completed), strict=True):
        ranked = merit if math.isfinite(merit[1]) else None
        trials.append((trial.number, BracketTrial(str(trial.number), trial.parameters, ranked, finished=True)))
    return [trial for _, trial in sorted(trials, key=lambda numbered: numbered[0])]


def _plan(spec: StudySpec) -> Plan:
    return Plan(
        integer(spec, "max_epochs", DEFAULT_MAX_EPOCHS, 1, MAX_EPOCHS),
        integer(spec, "factor", DEFAULT_FACTOR, 2, MAX_EPOCHS),
    )


def _iterations(spec: StudySpec) -> int:
    """Return the number of iterations over all brackets; 0 for no limit."""
    return integer(spec, "hyperband_iterations", 1, 0, MAX_ITERATIONS)
