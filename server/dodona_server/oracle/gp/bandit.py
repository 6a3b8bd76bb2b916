"""The Gaussian-process bandit: from trials to suggestions.

A call fits the model once, then picks the points one by one, each as if those before it were pending trials.
"""

from __future__ import annotations

import functools
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
from dodona_server.oracle.gp.history import History, read
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
    models: Models | None
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
    history = read(problem.spec, completed)
    tried = Tried(encoding, [trial.parameters for trial in (*completed, *pending)])
    waiting: list[Point] = [trial.parameters for trial in pending]
    models, note = _models(problem, encoding, history, len(completed) + len(pending), generator)
    search = _Search(problem, encoding, history, tried, models, generator)
    found: list[dict[str, Value]] = []
    while len(found) < count:
        point = _next(search, waiting)
        if point is None:
            note = note or "every point of the space has been tried"
            break
        found.append(point)
        tried.add(point)
        waiting.append(point)
    return Suggestions(found, note)


def _models(
    problem: Problem, encoding: Encoding, history: History, begun: int, generator: np.random.Generator
) -> tuple[Models | None, str]:
    """The fitted models; none while too little is known, or if the numbers allow none."""
    if not encoding.free.any() or begun < start.size(_dimensions(encoding)) or len(history.trials) < 2:
        return None, ""
    try:
        return build(problem, encoding, history, NOISE[problem.spec.noise], _dimensions(encoding), generator), ""
    except np.linalg.LinAlgError as error:
        return None, f"a space-filling point, since no model could be fitted: {error}"


def _dimensions(encoding: Encoding) -> float:
    """How many axes with a choice are active in a point, on average over the space."""
    if not encoding.conditional:
        return float(encoding.free.sum())
    u = np.random.default_rng(0).random((128, encoding.size))
    return float((encoding.activity(encoding.spread(u)) & encoding.free).sum(axis=1).mean())


def _next(search: _Search, waiting: Sequence[Point]) -> dict[str, Value] | None:
    """A point that was not tried yet; None if there is none."""
    left = search.tried.left(FEW_POINTS)
    if left is not None and search.models is not None:
        return _best_of(left, search.models, waiting, search) if left else None
    for _, z in zip(range(PATIENCE), _proposals(search, waiting), strict=False):
        point = search.encoding.decode(z)
        if point not in search.tried:
            return point
    return search.tried.another(search.generator)


def _best_of(
    points: list[dict[str, Value]], models: Models, waiting: Sequence[Point], search: _Search
) -> dict[str, Value]:
    z, active = search.encoding.encode(points)
    return points[int(np.argmax(_acquisition(models, waiting, search.generator)(z, active)))]


def _proposals(search: _Search, waiting: Sequence[Point]) -> Iterator[Array]:
    encoding, generator, models = search.encoding, search.generator, search.models
    if models is not None:
        acquisition = _acquisition(models, waiting, generator)
        yield from Optimizer(encoding, generator).best_first(acquisition, models.seeds, models.pace)
        return
    yield encoding.default()
    finished = len(search.history.trials)
    known = [*search.history.points(np.arange(max(0, finished - MOST_PENDING), finished)), *waiting[-MOST_PENDING:]]
    strata = max(start.size(_dimensions(encoding)), len(known) + 1)
    draws = start.draws(encoding, encoding.encode(known)[0], strata, generator)
    if len(known) % 2 and search.problem.priors:
        yield from best_points(search.problem.spec, encoding, search.problem.priors, draws[0])
    yield from draws


def _acquisition(models: Models, waiting: Sequence[Point], generator: np.random.Generator) -> Acquisition:
    return models.acquisition(waiting[-MOST_PENDING:], generator)
