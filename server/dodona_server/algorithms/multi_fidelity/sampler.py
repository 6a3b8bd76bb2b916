"""Points of first rungs: random ones, or those of an algorithm that learns from the results on the rungs.

Falkner, Klein and Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale" (2018): the model sees the
results with the largest resource that enough trials have had, and one in three points is random.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion
from dodona_server.algorithms.contract.options import choice
from dodona_server.algorithms.contract.results import ResultReader
from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.multi_fidelity.fidelity import Fidelity
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.simple.random_search import RANDOM
from dodona_server.algorithms.simple.sampling import half_hinted, sample
from dodona_server.algorithms.tpe.search import Tpe
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import StudySpec
from dodona_server.domain.trials.continuation import budget_of, without_tuner_values
from dodona_server.domain.trials.trial import Trial, TrialState

SAMPLER = "sampler"
_RANDOM = "RANDOM"
_MODELS: dict[str, Algorithm] = {"GP_BANDIT": GpBandit(), "TPE": Tpe()}
RANDOM_SHARE = 1 / 3
# A call may ask for many points, and each takes a model a part of a second.
MOST_MODELED = 8
# A model needs as many results as parameters and two more, and at least this many.
LEAST_RESULTS = 4


def sampler_of(spec: StudySpec) -> str:
    """Return the value of the option `sampler`.

    Raises:
        InvalidArgument: there is no such sampler, or it does not support the study's metrics.
    """
    name = choice(spec, SAMPLER, _RANDOM, (_RANDOM, *_MODELS))
    if name in _MODELS:
        _MODELS[name].check(dataclasses.replace(spec, algorithm=name, algorithm_options={}))
    return name


class Sampler:
    """Chooses new points, each different from those before.

    Args:
        name: of the algorithm: RANDOM, TPE or GP_BANDIT.
        request: of the service.
        fidelity: what trials get more of from rung to rung; its parameter is not searched.

    Attributes:
        note: why a simpler method replaced the model; empty if none did.
    """

    def __init__(self, name: str, request: Request, fidelity: Fidelity) -> None:
        self.note = ""
        self._modeled = 0
        self._rng = request.rng
        searched = _searched(request, fidelity)
        self._space = searched.problem.spec.space
        self._seen = SeenPoints(searched)
        self._model = _MODELS.get(name)
        self._request, self._reason = searched, RANDOM
        if self._model is not None and (found := _best_known(name, request, searched, fidelity)) is not None:
            self._request, resource = found
            self._reason = f"a point of {name}, by {len(self._request.completed)} results with resource {resource:g},"

    def point(self) -> Suggestion:
        """Return the next point."""
        done = self._modeled >= MOST_MODELED
        if self._model is None or self._reason == RANDOM or done or self._rng.random() < RANDOM_SHARE:
            return self._seen.new(lambda: half_hinted(self._request.problem.spec, self._rng), RANDOM)
        self._modeled += 1
        return self._seen.new(functools.partial(self._propose, self._model), self._reason)

    def _propose(self, model: Algorithm) -> Mapping[str, Value]:
        answer = model.suggest(self._request)
        self.note = answer.note or self.note
        if not answer.suggestions:
            # A small space is exhausted.
            return sample(self._space, self._rng)
        point = answer.suggestions[0].parameters
        under_way = [*self._request.pending, Trial(0, TrialState.REQUESTED, point)]
        self._request = dataclasses.replace(self._request, pending=under_way)
        return point


def _searched(request: Request, fidelity: Fidelity) -> Request:
    """Return the request for the part of the space that is searched."""
    if fidelity.parameter is None:
        return request
    problem = request.problem
    spec = dataclasses.replace(problem.spec, space=fidelity.searched(problem.spec.space))
    whole = None if problem.whole is None else fidelity.searched(problem.whole)
    return dataclasses.replace(
        request,
        problem=dataclasses.replace(problem, spec=spec, whole=whole),
        completed=_plain(request.completed, fidelity),
        stopped=_plain(request.stopped, fidelity),
        pending=_plain(request.pending, fidelity),
    )


def _best_known(name: str, request: Request, searched: Request, fidelity: Fidelity) -> tuple[Request, float] | None:
    """Return the request to a model, and the resource of the results in it: the largest that enough trials have.

    None if no resource has enough results.
    """
    spec = searched.problem.spec
    dimensions = sum(1 for _ in spec.space.walk())
    enough = max(LEAST_RESULTS, dimensions + 2)
    at: dict[float, list[Trial]] = {}
    for trial, plain in zip(request.completed, searched.completed, strict=True):
        resource = fidelity.resource_of(trial, budget_of(trial.parameters))
        if resource is not None:
            at.setdefault(resource, []).append(plain)
    reader = ResultReader(spec)
    for resource in sorted(at, reverse=True):
        if sum(loss < math.inf for _, loss in reader.merits(at[resource])) >= enough:
            options = {"n_initial_points": enough} if name == "TPE" else {}
            spec = dataclasses.replace(spec, algorithm=name, algorithm_options=options)
            known = dataclasses.replace(
                searched,
                problem=dataclasses.replace(searched.problem, spec=spec),
                completed=_plain(at[resource], fidelity),
                stopped=_plain(searched.stopped, fidelity),
                pending=_plain(searched.pending, fidelity),
                count=1,
            )
            return known, resource
    return None


def _plain(trials: Sequence[Trial], fidelity: Fidelity) -> list[Trial]:
    """Return the trials with the searched parameters alone."""
    return [
        dataclasses.replace(trial, parameters=fidelity.without_resource(without_tuner_values(trial.parameters)))
        for trial in trials
    ]
