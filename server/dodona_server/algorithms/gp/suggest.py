"""Suggest points with the models.

A call fits the models once, then chooses the points one by one, each with those before it as pending trials.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
from threadpoolctl import ThreadpoolController

from dodona_server.algorithms.contract.algorithm import Suggestion, Suggestions
from dodona_server.algorithms.gp import initial_design
from dodona_server.algorithms.gp.acquisition.acquisition import Acquisition
from dodona_server.algorithms.gp.acquisition.optimizer import Optimizer
from dodona_server.algorithms.gp.acquisition.price import ENOUGH
from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.data.call import Search
from dodona_server.algorithms.gp.data.encoding import Encoding, Point
from dodona_server.algorithms.gp.explain import explain
from dodona_server.algorithms.gp.model.likelihood import NoisePrior
from dodona_server.algorithms.gp.models import StudyModels, build
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import Noise

# In a finite space of at most this many points the acquisition is evaluated at each of them.
FEW_POINTS = 2000

NOISE = {
    Noise.UNSPECIFIED: NoisePrior(),
    Noise.LOW: NoisePrior(median=1e-5, spread=1.5, high=1e-3),
    Noise.HIGH: NoisePrior(median=0.1, spread=1.5, low=1e-4),
}


def suggest_by_model(search: Search, waiting: Sequence[Point], count: int) -> Suggestions:
    """Return the next points.

    Args:
        search: the study.
        waiting: points of trials without results.
        count: the number of points.
    """
    # One thread: for matrices this small more threads cost time, and their number changes the last digits.
    with _libraries().limit(limits=1, user_api="blas"):
        return _suggest_by_model(search, waiting, count)


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _suggest_by_model(search: Search, waiting: Sequence[Point], count: int) -> Suggestions:
    models, note, found = None, "", list[Suggestion]()
    while len(found) < count:
        ahead = [*waiting, *(one.parameters for one in found)]
        try:
            # With several objectives each point has its own weights and so its own models.
            if not found or (models is not None and len(search.problem.spec.objectives) > 1):
                models = _models(search)
            one = _most_promising(search, models, ahead) if models is not None else _space_filling(search, ahead, note)
        except np.linalg.LinAlgError as error:
            note = f"space-filling points, since no model could be fitted: {error}"
            models, one = None, _space_filling(search, ahead, note)
        if one is None or _is_late(search, one):
            break
        found.append(one)
        search.tried.add(one.parameters)
    late = len(found) < count and one is not None
    return Suggestions(found, note, late=late)


def _is_late(search: Search, suggestion: Suggestion) -> bool:
    """Return whether a trial will hardly end before the study's time is over; then none will."""
    left = None if search.time is None else search.time.seconds
    return left is not None and suggestion.seconds is not None and suggestion.seconds > ENOUGH * left


def _models(search: Search) -> StudyModels:
    return build(search, NOISE[search.problem.spec.noise])


def _space_filling(search: Search, waiting: Sequence[Point], reason: str) -> Suggestion | None:
    point = initial_design.point(search, waiting)
    return None if point is None else Suggestion(point, reason)


def _most_promising(search: Search, models: StudyModels, waiting: Sequence[Point]) -> Suggestion | None:
    """Return the point with the best acquisition that was not tried yet; None if there is none."""
    acquisition = models.acquisition(waiting[-initial_design.MOST_PENDING :], search.generator)
    left = search.tried.left(FEW_POINTS)
    if left is not None:
        point = _best_of(left, search.encoding, acquisition)
    else:
        proposals = Optimizer(search.encoding, search.generator).best_first(acquisition, models.seeds, models.pace)
        point = search.first_new(_in_time(proposals, models))
    if point is None:
        return None
    known = explain(search, models, acquisition, point)
    seconds = None
    if models.price is not None:
        seconds = float(models.price.durations.least_seconds(*models.encoding.encode([point]))[0])
    return Suggestion(point, models.criterion, explanation=known, seconds=seconds)


def _best_of(points: list[dict[str, Value]], encoding: Encoding, acquisition: Acquisition) -> dict[str, Value] | None:
    if not points:
        return None
    z, active = encoding.encode(points)
    value = acquisition(z, active)
    if acquisition.price and (in_time := acquisition.price.in_time(z, active)).any():
        value = np.where(in_time, value, -np.inf)
    return points[int(np.argmax(value))]


def _in_time(proposals: Iterator[Array], models: StudyModels) -> Iterator[Array]:
    """Return the proposals that may end before the study's time is over; all if none may."""
    if models.price is None:
        return proposals
    z = np.array(list(proposals))
    in_time = models.price.in_time(z, models.encoding.activity(z))
    return iter(z[in_time] if in_time.any() else z)
