"""Hyperband: many short trainings, of which the best go on (Li et al., 2018), with KerasTuner's semantics.

See `brackets` for the rules.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import integer, only
from dodona_server.algorithms.contract.results import Judge
from dodona_server.algorithms.hyperband.brackets import (
    BRACKET,
    EPOCHS,
    INITIAL_EPOCH,
    PARENT,
    ROUND,
    Bracket,
    Plan,
    Run,
    brackets_of,
)
from dodona_server.algorithms.shared.seen import Tried, without_tuner_values
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
    """Random points for the first rounds, promotions for the later ones, each with the epochs it is to train.

    While a bracket has to wait for its trials the next one begins, so that no worker is idle before the last bracket.
    Only there, with nothing left to begin, does the answer say that workers should `wait`. Within a part of the space
    those trials alone are promoted that lie in it; the others are left to who asks for them.
    """

    inline = False
    one_by_one = False

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        only(spec, ("max_epochs", "factor", "hyperband_iterations"))
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
        """The next `count` points, each with its `tuner/` values; see `Algorithm.suggest`."""
        spec = problem.spec
        tried = Tried(spec.space, completed, pending)
        plan, iterations = _plan(spec), _iterations(spec)
        brackets = brackets_of(plan, _runs(spec, completed, pending), iterations)
        suggested: list[Mapping[str, Value]] = []
        while len(suggested) < count:
            promotion = next(_promotions(brackets, spec.space, rng), None)
            opening = next((bracket for bracket in brackets if bracket.opens), None)
            if opening is None and promotion is None and (not iterations or len(brackets) < iterations * plan.brackets):
                opening = Bracket(plan, plan.brackets - 1 - len(brackets) % plan.brackets)
                brackets.append(opening)
            # As KerasTuner does, the bracket that began first is served first.
            if opening is not None and (promotion is None or brackets.index(opening) <= promotion[0]):
                values = dict(tried.new(lambda: sample(spec.space, rng), rng))
                suggested.append(_started(opening, values))
            elif promotion is not None:
                index, round_number, run, adapted = promotion
                suggested.append(_promoted(brackets[index], round_number, run, adapted))
            else:
                break
        waits = len(suggested) < count and any(not bracket.closed for bracket in brackets)
        return Suggestions(suggested, wait=waits)


def _promotions(
    brackets: Sequence[Bracket], space: SearchSpace, rng: random.Random
) -> Iterator[tuple[int, int, Run, Mapping[str, Value]]]:
    """The promotions that `space` allows: bracket, round, the trial to promote and the values it goes on with."""
    for index, bracket in enumerate(brackets):
        for round_number, run in bracket.promotions():
            adapted = _adapted(space, run, rng)
            if adapted is not None:
                yield index, round_number, run, adapted


def _started(bracket: Bracket, values: Mapping[str, Value]) -> Mapping[str, Value]:
    values = {
        **values,
        EPOCHS: bracket.plan.epochs(bracket.number, 0),
        INITIAL_EPOCH: 0,
        BRACKET: bracket.number,
        ROUND: 0,
    }
    bracket.rounds[0].append(Run("", values))
    return values


def _promoted(bracket: Bracket, round_number: int, run: Run, values: Mapping[str, Value]) -> Mapping[str, Value]:
    values = {
        **values,
        EPOCHS: bracket.plan.epochs(bracket.number, round_number),
        INITIAL_EPOCH: bracket.plan.epochs(bracket.number, round_number - 1),
        BRACKET: bracket.number,
        ROUND: round_number,
        PARENT: run.trial_id,
    }
    run.promoted = True
    bracket.rounds[round_number].append(Run("", values))
    return values


def _adapted(space: SearchSpace, run: Run, rng: random.Random) -> Mapping[str, Value] | None:
    """The values of a trial to promote; if the space has grown since, with the defaults of what is new.

    None if the trial lies outside the space, which may be a part of the study's.
    """
    values = without_tuner_values(run.values)
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


def _runs(spec: StudySpec, completed: Sequence[Trial], pending: Sequence[Trial]) -> list[Run]:
    runs = [(trial.number, Run(str(trial.number), trial.parameters)) for trial in pending]
    for trial, merit in zip(completed, Judge(spec).merits(completed), strict=True):
        ranked = merit if math.isfinite(merit[1]) else None
        runs.append((trial.number, Run(str(trial.number), trial.parameters, ranked, finished=True)))
    return [run for _, run in sorted(runs, key=lambda numbered: numbered[0])]


def _plan(spec: StudySpec) -> Plan:
    return Plan(
        integer(spec, "max_epochs", DEFAULT_MAX_EPOCHS, 1, MAX_EPOCHS),
        integer(spec, "factor", DEFAULT_FACTOR, 2, MAX_EPOCHS),
    )


def _iterations(spec: StudySpec) -> int:
    """How many times all brackets are run; 0 for without end."""
    return integer(spec, "hyperband_iterations", 1, 0, MAX_ITERATIONS)
