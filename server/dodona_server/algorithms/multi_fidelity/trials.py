"""A study's trials as algorithms with rungs see them, and the suggestions that continue them."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from dodona_server.algorithms.contract.algorithm import Request, Suggestion
from dodona_server.algorithms.contract.results import ResultReader
from dodona_server.algorithms.multi_fidelity.fidelity import Fidelity
from dodona_server.algorithms.multi_fidelity.sampler import Sampler
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.trials.continuation import Budget, budget_of, resumed_from, without_tuner_values
from dodona_server.domain.trials.trial import Trial


@dataclass(slots=True, eq=False)
class RungTrial:
    """A trial on a rung.

    Args:
        number: the trial's; None for one that is being suggested.
        values: its parameters that are searched.
        budget: its place in the plan; None for a trial that the algorithm did not suggest.
        resource: of the trial; None as for `budget`.
        parent: the number of the trial that it continues.
        merit: its sort key, lower is better; None while it runs, and if it is infeasible.
        finished: whether it is finished.
        promoted: whether another trial continues it.
    """

    number: int | None
    values: Mapping[str, Value]
    budget: Budget | None
    resource: float | None
    parent: int | None = None
    merit: tuple[float, float] | None = None
    finished: bool = False
    promoted: bool = False


class Rungs:
    """Trials of a study on their rungs, and the next ones.

    Args:
        request: of the service.
        fidelity: what trials get more of from rung to rung.
        sampler: the name of the algorithm that chooses new points; see `Sampler`.

    Attributes:
        trials: in the order of their numbers.
    """

    def __init__(self, request: Request, fidelity: Fidelity, sampler: str) -> None:
        self._space = request.problem.spec.space
        self._rng = request.rng
        self._fidelity = fidelity
        self._sampler = Sampler(sampler, request, fidelity)
        self.trials = self._read(request)

    @property
    def note(self) -> str:
        """See `Suggestions.note`."""
        return self._sampler.note

    def start(self, bracket: int, resource: float) -> Suggestion:
        """Return a new point for the first rung of a bracket; for no rung, if a context fixes another resource."""
        point, resource = self._sampler.point(), self._fidelity.at(resource)
        fixed = self._fidelity.fixed_in(self._space)
        if fixed is not None and fixed != resource:
            return dataclasses.replace(point, parameters=self._fidelity.with_resource(point.parameters, fixed))
        return dataclasses.replace(
            point,
            parameters=self._fidelity.with_resource(point.parameters, resource),
            reason=f"{point.reason} for round 0 of bracket {bracket}",
            budget=self._fidelity.budget(resource, 0, bracket, 0),
        )

    def promote(self, trial: RungTrial, resource: float, bracket: int, round_number: int) -> Suggestion | None:
        """Return the suggestion that continues a trial; None if it is outside the space, which may be a part."""
        reason = f"promoted: among the best of round {round_number - 1} of bracket {bracket}"
        return self.continued(trial, trial.values, resource, bracket, round_number, reason)

    def continued(
        self,
        trial: RungTrial,
        values: Mapping[str, Value],
        resource: float,
        bracket: int,
        round_number: int,
        reason: str,
    ) -> Suggestion | None:
        """Return the suggestion that continues a trial with these values; None if they are outside the space."""
        resource = self._fidelity.at(resource)
        adapted = _adapted(self._space, self._fidelity.with_resource(values, resource), self._rng)
        if adapted is None:
            return None
        budget = self._fidelity.budget(resource, trial.resource or 0, bracket, round_number)
        return Suggestion(adapted, reason, parent=trial.number, resume_from=trial.number, budget=budget)

    def _read(self, request: Request) -> list[RungTrial]:
        trials = [self._rung_trial(trial) for trial in request.pending]
        merits = ResultReader(request.problem.spec).merits(request.completed)
        for trial, merit in zip(request.completed, merits, strict=True):
            trials.append(self._rung_trial(trial))
            trials[-1].finished, trials[-1].merit = True, merit if math.isfinite(merit[1]) else None
        for trial in request.stopped:
            # It did not reach the end of its round.
            trials.append(self._rung_trial(trial))
            trials[-1].finished = True
        return sorted(trials, key=lambda trial: trial.number or 0)

    def _rung_trial(self, trial: Trial) -> RungTrial:
        stored = trial.parameters
        budget, values = budget_of(stored), self._fidelity.without_resource(without_tuner_values(stored))
        resource = self._fidelity.resource_of(trial, budget)
        return RungTrial(trial.number, values, budget, resource, resumed_from(stored))


def _adapted(space: SearchSpace, values: Mapping[str, Value], rng: random.Random) -> Mapping[str, Value] | None:
    """Return the values of a trial to promote; if the space has grown since, with the defaults of new parameters.

    None if the trial is outside the space, which may be a part of the study's.
    """
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
