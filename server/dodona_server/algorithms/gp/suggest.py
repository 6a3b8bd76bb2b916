"""Suggest points with the models.

A call fits the models once, then chooses the points one by one, each with those before it as pending trials.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from threadpoolctl import ThreadpoolController

from dodona_server.algorithms.contract.algorithm import Suggestion, Suggestions
from dodona_server.algorithms.gp import initial_design
from dodona_server.algorithms.gp.acquisition import Acquisition
from dodona_server.algorithms.gp.call import Search
from dodona_server.algorithms.gp.encoding import Encoding, Point
from dodona_server.algorithms.gp.explain import explain
from dodona_server.algorithms.gp.likelihood import NoisePrior
from dodona_server.algorithms.gp.models import StudyModels, build
from dodona_server.algorithms.gp.optimizer import Optimizer
from dodona_server.domain.space import Value
from dodona_server.domain.study import Noise

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
        if one is None:
            break
        found.append(one)
        search.tried.add(one.parameters)
    return Suggestions(found, note)


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
        optimizer = Optimizer(search.encoding, search.generator)
        point = search.first_new(optimizer.best_first(acquisition, models.seeds, models.pace))
    if point is None:
        return None
    return Suggestion(point, models.criterion, explanation=explain(search, models, acquisition, point))


def _best_of(points: list[dict[str, Value]], encoding: Encoding, acquisition: Acquisition) -> dict[str, Value] | None:
    return points[int(np.argmax(acquisition(*encoding.encode(points))))] if points else None
