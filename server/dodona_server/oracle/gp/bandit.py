"""The Gaussian-process bandit: from trials to suggestions.

A call fits the model once, then picks the points one by one, each as if those before it were pending trials.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import ThreadpoolController

from dodona_server.domain.space import Value
from dodona_server.domain.study import Noise
from dodona_server.domain.trial import Trial
from dodona_server.oracle.algorithm import Problem, Suggestions
from dodona_server.oracle.gp import start
from dodona_server.oracle.gp.acquisition import Acquisition
from dodona_server.oracle.gp.axes import Array
from dodona_server.oracle.gp.encoding import Encoding, Point
from dodona_server.oracle.gp.history import History, objectives, read
from dodona_server.oracle.gp.likelihood import NoisePrior
from dodona_server.oracle.gp.models import Models, build
from dodona_server.oracle.gp.optimizer import Optimizer
from dodona_server.oracle.gp.transfer import best_points
from dodona_server.oracle.gp.tried import Tried

# Pending trials beyond this many, the oldest, are not fantasised.
MOST_PENDING = 64
# A finite space of at most this many points is searched by trying the acquisition at each of them.
FEW_POINTS = 2000
# How many proposals that were tried before are passed over until the points left are looked at one by one.
PATIENCE = 200

NOISE = {
    Noise.UNSPECIFIED: NoisePrior(),
    Noise.LOW: NoisePrior(median=1e-5, spread=1.5, high=1e-3),
    Noise.HIGH: NoisePrior(median=0.1, spread=1.5, low=1e-4),
}


@dataclass(frozen=True, slots=True)
class _Search:
    """What stays the same over the points of one call."""

    problem: Problem
    encoding: Encoding
    history: History
    tried: Tried
    generator: np.random.Generator


def suggest(
    problem: Problem,
    completed: Sequence[Trial],
    pending: Sequence[Trial],
    count: int,
    rng: random.Random,
) -> Suggestions:
    """The next points; see `Algorithm.suggest`."""
    # On one thread: for matrices this small more threads cost time, and their number would show in the last digits.
    with _libraries().limit(limits=1, user_api="blas"):
        return _suggest(problem, completed, pending, count, rng)


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _suggest(
    problem: Problem,
    completed: Sequence[Trial],
    pending: Sequence[Trial],
    count: int,
    rng: random.Random,
) -> Suggestions:
    generator = np.random.default_rng(rng.getrandbits(64))
    encoding = Encoding(problem.spec.space)
    tried = Tried(encoding, [trial.parameters for trial in (*completed, *pending)])
    search = _Search(problem, encoding, read(problem.spec, completed), tried, generator)
    waiting: list[Point] = [trial.parameters for trial in pending]
    models, note, found = None, "", list[dict[str, Value]]()
    while len(found) < count:
        try:
            # With several objectives each point has weights, and so a model, of its own.
            if not found or (models is not None and len(objectives(problem.spec)) > 1):
                models = _models(search)
            point = _next(search, models, waiting)
        except np.linalg.LinAlgError as error:
            note = f"space-filling points, since no model could be fitted: {error}"
            models, point = None, _next(search, None, waiting)
        if point is None:
            note = "every point of the space has been tried"
            break
        found.append(point)
        tried.add(point)
        waiting.append(point)
    return Suggestions(found, note)


def _models(search: _Search) -> Models | None:
    """The fitted models; none while too little is known."""
    encoding, dimensions = search.encoding, _dimensions(search.encoding)
    if len(search.tried) < start.size(dimensions) or len(search.history.trials) < 2 or not encoding.free.any():
        return None
    noise = NOISE[search.problem.spec.noise]
    return build(search.problem, encoding, search.history, noise, dimensions, search.generator)


def _dimensions(encoding: Encoding) -> float:
    """How many axes with a choice are active in a point, on average over the space."""
    if not encoding.conditional:
        return float(encoding.free.sum())
    u = np.random.default_rng(0).random((128, encoding.size))
    return float((encoding.activity(encoding.spread(u)) & encoding.free).sum(axis=1).mean())


def _next(search: _Search, models: Models | None, waiting: Sequence[Point]) -> dict[str, Value] | None:
    """A point that was not tried yet; None if there is none."""
    if models is not None:
        acquisition = models.acquisition(waiting[-MOST_PENDING:], search.generator)
        left = search.tried.left(FEW_POINTS)
        if left is not None:
            return _best_of(left, search.encoding, acquisition) if left else None
        optimizer = Optimizer(search.encoding, search.generator)
        proposals = optimizer.best_first(acquisition, models.seeds, models.pace)
    else:
        proposals = _first_points(search, waiting)
    for z in itertools.islice(proposals, PATIENCE):
        point = search.encoding.decode(z)
        if point not in search.tried:
            return point
    return search.tried.another(search.generator)


def _best_of(points: list[dict[str, Value]], encoding: Encoding, acquisition: Acquisition) -> dict[str, Value]:
    return points[int(np.argmax(acquisition(*encoding.encode(points))))]


def _first_points(search: _Search, waiting: Sequence[Point]) -> Iterator[Array]:
    """Proposals from before there is a model: the defaults, what was best in earlier studies, and what lies between."""
    encoding, finished = search.encoding, len(search.history.trials)
    yield encoding.default()
    known = [*search.history.points(np.arange(max(0, finished - MOST_PENDING), finished)), *waiting[-MOST_PENDING:]]
    strata = max(start.size(_dimensions(encoding)), len(known) + 1)
    draws = start.draws(encoding, encoding.encode(known)[0], strata, search.generator)
    if len(known) % 2 and search.problem.priors:
        yield from best_points(search.problem.spec, encoding, search.problem.priors, draws[0])
    yield from draws
