"""Points that a model promises most of.

A call fits the model once, then picks the points one by one, each as if those before it were pending trials.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from threadpoolctl import ThreadpoolController

from dodona_server.algorithms.contract.algorithm import Suggestions
from dodona_server.algorithms.gp import initial_design
from dodona_server.algorithms.gp.acquisition import Acquisition
from dodona_server.algorithms.gp.call import Search
from dodona_server.algorithms.gp.encoding import Encoding, Point
from dodona_server.algorithms.gp.likelihood import NoisePrior
from dodona_server.algorithms.gp.models import Models, build
from dodona_server.algorithms.gp.optimizer import Optimizer
from dodona_server.domain.space import Value
from dodona_server.domain.study import Noise

# A finite space of at most this many points is searched by trying the acquisition at each of them.
FEW_POINTS = 2000

NOISE = {
    Noise.UNSPECIFIED: NoisePrior(),
    Noise.LOW: NoisePrior(median=1e-5, spread=1.5, high=1e-3),
    Noise.HIGH: NoisePrior(median=0.1, spread=1.5, low=1e-4),
}


def modelled(search: Search, waiting: Sequence[Point], count: int) -> Suggestions:
    """The next points.

    Args:
        search: the study.
        waiting: points of trials whose results are to come.
        count: how many points.
    """
    # On one thread: for matrices this small more threads cost time, and their number would show in the last digits.
    with _libraries().limit(limits=1, user_api="blas"):
        return _modelled(search, waiting, count)


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _modelled(search: Search, waiting: Sequence[Point], count: int) -> Suggestions:
    models, note, found = None, "", list[dict[str, Value]]()
    while len(found) < count:
        ahead = [*waiting, *found]
        try:
            # With several objectives each point has weights, and so a model, of its own.
            if not found or (models is not None and len(search.problem.spec.objectives) > 1):
                models = _models(search)
            point = _promising(search, models, ahead) if models is not None else initial_design.point(search, ahead)
        except np.linalg.LinAlgError as error:
            note = f"space-filling points, since no model could be fitted: {error}"
            models, point = None, initial_design.point(search, ahead)
        if point is None:
            break
        found.append(point)
        search.tried.add(point)
    return Suggestions(found, note)


def _models(search: Search) -> Models:
    noise = NOISE[search.problem.spec.noise]
    return build(search.problem, search.encoding, search.history, noise, search.dimensions, search.generator)


def _promising(search: Search, models: Models, waiting: Sequence[Point]) -> dict[str, Value] | None:
    """The most promising point that was not tried yet; None if there is none."""
    acquisition = models.acquisition(waiting[-initial_design.MOST_PENDING :], search.generator)
    left = search.tried.left(FEW_POINTS)
    if left is not None:
        return _best_of(left, search.encoding, acquisition) if left else None
    optimizer = Optimizer(search.encoding, search.generator)
    return search.first_new(optimizer.best_first(acquisition, models.seeds, models.pace))


def _best_of(points: list[dict[str, Value]], encoding: Encoding, acquisition: Acquisition) -> dict[str, Value]:
    return points[int(np.argmax(acquisition(*encoding.encode(points))))]
