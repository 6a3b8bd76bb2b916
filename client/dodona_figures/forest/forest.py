"""A forest of regression trees on coded columns; with NumPy.

    rows, columns   of the codes; a code is a small integer from 0
    trees           grown at once, level by level, so that NumPy does the work

Breiman, "Random Forests", 2001. A split sends a set of codes to the left: those up to a code, of an ordered column; any
set, of a column of names, as in "Classification and Regression Trees" (Breiman et al., 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DEPTH = 8
LEAST_WEIGHT = 2.0
# The share of the columns that a split may choose from.
SHARE = 0.7
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class _Level:
    """Nodes of one depth, of all trees: the column of each split, -1 for a leaf; its left codes; its left child."""

    columns: Codes
    left: Flags
    children: Codes
    means: Floats


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees; `levels` have the nodes of all of them, from the roots down."""

    trees: int
    levels: Sequence[_Level]

    def predict(self, codes: Codes) -> Floats:
        """Return what each tree (rows) says of each row of `codes` (columns)."""
        count = len(codes)
        found = np.empty(self.trees * count)
        places = np.arange(self.trees * count)
        nodes, rows = np.repeat(np.arange(self.trees), count), np.tile(np.arange(count), self.trees)
        for level in self.levels:
            inner = level.columns[nodes] >= 0
            found[places[~inner]] = level.means[nodes[~inner]]
            nodes, rows, places = nodes[inner], rows[inner], places[inner]
            left = level.left[nodes, codes[rows, level.columns[nodes]]]
            nodes = level.children[nodes] + ~left
        return found.reshape(self.trees, count)


def grow(codes: Codes, values: Floats, weights: Floats, names: Sequence[bool], chance: np.random.Generator) -> Forest:
    """Return a forest.

    Args:
        codes: rows x columns.
        values: trees x rows.
        weights: trees x rows; 0 for a row that a tree does not see.
        names: whether each column is of names, without an order.
        chance: decides which columns a split may choose from.
    """
    width = int(codes.max()) + 1
    nodes, rows = np.nonzero(weights)
    weight = weights[nodes, rows]
    value = weight * values[nodes, rows]
    slots, levels = len(weights), list[_Level]()
    for depth in range(DEPTH + 1):
        totals = _sums(nodes, weight, slots), _sums(nodes, value, slots)
        means = totals[1] / np.maximum(totals[0], _TINY)
        columns, left = np.full(slots, -1), np.zeros((slots, width), dtype=np.bool_)
        if depth < DEPTH:
            columns, left = _splits(codes, names, (nodes, rows, weight, value), totals, width, chance)
        inner = columns >= 0
        children = np.full(slots, -1)
        slots = 2 * int(inner.sum())
        children[inner] = np.arange(0, slots, 2)
        levels.append(_Level(columns, left, children, means))
        if not slots:
            break
        kept = inner[nodes]
        nodes, rows, weight, value = nodes[kept], rows[kept], weight[kept], value[kept]
        nodes = children[nodes] + ~left[nodes, codes[rows, columns[nodes]]]
    return Forest(len(weights), levels)


def _splits(
    codes: Codes,
    names: Sequence[bool],
    seen: tuple[Codes, Codes, Floats, Floats],
    totals: tuple[Floats, Floats],
    width: int,
    chance: np.random.Generator,
) -> tuple[Codes, Flags]:
    """Return the column of each node's best split, -1 if no split makes it better, and its left codes."""
    nodes, rows, weight, value = seen
    slots = len(totals[0])
    allowed = _some_columns(slots, len(names), chance)
    best, columns, left = np.full(slots, _TINY), np.full(slots, -1), np.zeros((slots, width), dtype=np.bool_)
    for column, is_names in enumerate(names):
        keys = nodes * width + codes[rows, column]
        weights = _sums(keys, weight, slots * width).reshape(slots, width)
        sums = _sums(keys, value, slots * width).reshape(slots, width)
        order = None
        if is_names:
            # The best set of names is the first ones by their mean.
            order = np.argsort(np.where(weights > 0, sums / np.maximum(weights, _TINY), np.inf), axis=1)
            weights, sums = np.take_along_axis(weights, order, 1), np.take_along_axis(sums, order, 1)
        gains = _gains(weights, sums, totals)
        last = gains.argmax(axis=1)
        gain = gains[np.arange(slots), last]
        better = np.nonzero((gain > best) & allowed[:, column])[0]
        best[better], columns[better] = gain[better], column
        first = np.arange(width) <= last[better, None]
        if order is not None:
            placed = np.zeros_like(first)
            np.put_along_axis(placed, order[better], first, 1)
            first = placed
        left[better] = first
    return columns, left


def _sums(keys: Codes, values: Floats, count: int) -> Floats:
    """Return the sum of the values of each key below `count`."""
    return np.bincount(keys, values, count).astype(np.float64, copy=False)


def _some_columns(slots: int, columns: int, chance: np.random.Generator) -> Flags:
    """Return which columns each node may choose from."""
    drawn = chance.random((slots, columns))
    count = max(1, round(SHARE * columns))
    return drawn <= np.sort(drawn, axis=1)[:, count - 1 : count]


def _gains(weights: Floats, sums: Floats, totals: tuple[Floats, Floats]) -> Floats:
    """Return by how much the squared error falls with a split after each code; -1 where a side has too few rows."""
    weight, value = totals[0][:, None], totals[1][:, None]
    left, left_sums = weights.cumsum(axis=1)[:, :-1], sums.cumsum(axis=1)[:, :-1]
    right, right_sums = weight - left, value - left_sums
    gains = left_sums**2 / np.maximum(left, _TINY) + right_sums**2 / np.maximum(right, _TINY)
    gains -= value**2 / np.maximum(weight, _TINY)
    return np.where((left >= LEAST_WEIGHT) & (right >= LEAST_WEIGHT), gains, -1.0)
