"""Non-dominated sorting and crowding (Deb et al., NSGA-II, 2002).

Symbols: n trials, m objectives; `losses` is an (n, m) array, less being better; `violation` an (n,) array, 0 for
allowed trials and infinite for those without a result. Indices count the trials as given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dodona_server.algorithms.contract.results import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

# Generations of a very long history are joined, so that there are no more than this many to run again.
_MAX_GENERATIONS = 200


def survivors(outcomes: Sequence[Outcome], size: int) -> list[int]:
    """The population after all `outcomes`, best first, in generations of `size`.

    Args:
        outcomes: of the finished trials, in the order in which they finished.
        size: how many survive each generation.

    Returns:
        Up to `size` indices, ordered by front and then by crowding.
    """
    if not outcomes:
        return []
    losses, violation = arrays(outcomes)
    step = max(size, -(-len(outcomes) // _MAX_GENERATIONS))
    alive = np.empty(0, dtype=np.intp)
    for start in range(0, len(outcomes), step):
        together = np.concatenate([alive, np.arange(start, min(start + step, len(outcomes)))])
        alive = together[best(losses[together], violation[together], size)]
    return [int(index) for index in alive]


def arrays(outcomes: Sequence[Outcome]) -> tuple[Floats, Floats]:
    """The outcomes as `losses` and `violation`; losses are 0 where there is no result."""
    width = max(len(outcome.losses) for outcome in outcomes)
    empty = (0.0,) * width
    losses = np.array([outcome.losses or empty for outcome in outcomes], dtype=np.float64)
    return losses.reshape(len(outcomes), width), np.array([outcome.violation for outcome in outcomes])


def best(losses: Floats, violation: Floats, size: int) -> Ints:
    """The indices of the best `size` trials, by front and then by crowding."""
    chosen: list[Ints] = []
    missing = size
    for front in fronts(losses, violation, size):
        ordered = front[np.argsort(-crowding(losses[front]), kind="stable")]
        chosen.append(ordered[:missing])
        missing -= len(chosen[-1])
    return np.concatenate(chosen)


def fronts(losses: Floats, violation: Floats, size: int) -> list[Ints]:
    """The fronts, best first, until they hold `size` trials or all.

    A trial of less violation dominates one of more; among equals the losses decide.
    """
    dominated = _dominated(losses, violation)
    count = dominated.sum(axis=0)  # how many dominate each
    left = np.ones(len(losses), dtype=bool)
    found: list[Ints] = []
    total = 0
    while total < min(size, len(losses)):
        front = np.flatnonzero(left & (count == 0))
        found.append(front)
        total += len(front)
        left[front] = False
        count = count - dominated[front].sum(axis=0)
    return found


def _dominated(losses: Floats, violation: Floats) -> NDArray[np.bool_]:
    """(n, n): whether the row's trial dominates the column's."""
    no_worse = np.ones((len(losses), len(losses)), dtype=bool)
    better = np.zeros_like(no_worse)
    for column in losses.T:
        no_worse &= column[:, None] <= column[None, :]
        better |= column[:, None] < column[None, :]
    less = violation[:, None] < violation[None, :]
    same = violation[:, None] == violation[None, :]
    result: NDArray[np.bool_] = less | (same & no_worse & better)
    return result


def crowding(losses: Floats) -> Floats:
    """The crowding distance (n,) of the trials of one front: infinite at the ends of each objective."""
    n = len(losses)
    distance = np.zeros(n)
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        # Halves, since a difference of huge values may overflow.
        ranked = column[order] / 2
        distance[order[[0, -1]]] = np.inf
        width = ranked[-1] - ranked[0]
        if n > 2 and width > 0:
            distance[order[1:-1]] += (ranked[2:] - ranked[:-2]) / width
    return distance
