"""Initial design, before there is a model: the defaults, then a sequential Latin hypercube.

Each new point is, on every axis, in a part that was tried least. It is the draw farthest from all other points out of a
few such draws. Unlike a fixed sequence it takes the points of users and other workers into account.

Source: McKay, Beckman and Conover, A Comparison of Three Methods for Selecting Values of Input Variables (1979), for
the hypercube; Mitchell, Spectrally Optimal Sampling for Distribution Ray Tracing (1991), for the farthest draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.data.call import Search
from dodona_server.algorithms.gp.data.encoding import Encoding, Point
from dodona_server.domain.space import Value, agrees

DRAWS = 64
# Of more pending trials than this, the oldest are ignored.
MOST_PENDING = 64
# Trust in the hints from which every second point is drawn from them.
TRUSTED = 0.5
REASON = "initial design"


def size(dimensions: float) -> int:
    """Return the number of points before the first model, for that many active dimensions."""
    return int(min(max(np.ceil(dimensions) + 1, 4), 10))


def point(search: Search, waiting: Sequence[Point]) -> dict[str, Value] | None:
    """Return the next point that was not tried yet; None if there is none.

    Args:
        search: the study.
        waiting: points of trials without results.
    """
    return search.first_new(_proposals(search, waiting))


def _proposals(search: Search, waiting: Sequence[Point]) -> Iterator[Array]:
    """Yield the defaults, what hints and earlier studies propose, and Latin hypercube draws; positions, each a."""
    encoding, finished = search.encoding, len(search.history.trials)
    latest = search.history.points(np.arange(max(0, finished - MOST_PENDING), finished))
    known = [*latest, *search.stopped[-MOST_PENDING:], *waiting[-MOST_PENDING:]]
    default = search.hints.default() if search.hints else encoding.default()
    # A worker that found the parameters while it ran used the exact defaults, not what their positions round to.
    if not any(agrees(one, encoding.decode(default)) for one in known):
        yield default
    strata = max(size(search.dimensions), len(known) + 1)
    proposed = draws(encoding, encoding.encode(known)[0], strata, search.generator)
    if len(known) % 2 and search.problem.priors:
        from dodona_server.algorithms.gp.model.transfer import best_points

        yield from best_points(search.problem.spec, encoding, search.problem.priors, proposed[0])
    if len(known) % 2 == 0 and search.trust >= TRUSTED:
        yield from search.hints.draws(proposed, search.generator)
    yield from proposed


def draws(encoding: Encoding, tried: Array, strata: int, generator: np.random.Generator) -> Array:
    """Return candidates for the next point, `DRAWS` x a, best first.

    Args:
        encoding: the space's.
        tried: positions of the trials so far, n x a.
        strata: the number of parts of each axis.
        generator: for the draws.
    """
    unit = _unit(encoding, tried)
    u = np.empty((DRAWS, encoding.size))
    for axis in range(encoding.size):
        taken = np.bincount(np.minimum(unit[:, axis] * strata, strata - 1).astype(int), minlength=strata)
        least = np.flatnonzero(taken == taken.min())
        u[:, axis] = (generator.choice(least, DRAWS) + generator.random(DRAWS)) / strata
    z = encoding.spread(u)
    if not len(tried):
        return z
    gap = ((_unit(encoding, z)[:, None, :] - unit[None, :, :]) ** 2).sum(axis=2).min(axis=1)
    return z[np.argsort(-gap, kind="stable")]


def _unit(encoding: Encoding, z: Array) -> Array:
    """Return the positions in the unit interval, including those of categories, n x a."""
    unit = np.clip(z, 0.0, None)
    unit[:, encoding.categorical] = (unit[:, encoding.categorical] + 0.5) / encoding.sizes[encoding.categorical]
    return np.clip(unit, 0.0, 1.0)
