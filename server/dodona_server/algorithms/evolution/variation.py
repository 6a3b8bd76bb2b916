"""Mutation and crossover of points on a tree of conditions.

Genes are a parent's values by dimension. A child takes its parents' values wherever they are active in it, so a changed
condition changes only the parameters that depend on it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from dodona_server.algorithms.space.tree import Dimension, Tree
from dodona_server.algorithms.space.unit_interval import Axis
from dodona_server.domain.space import Value

Genes = Mapping[int, Value]

# The share of mutations of an ordered parameter that ignore the old value, and the step size of the others.
_FAR = 0.1
_STEP = 0.15
_MAX_DRAWS = 20

# Deb's distribution indices, usual for NSGA-II: the larger, the closer children are to their parents.
_ETA_CROSSOVER = 15.0
_ETA_MUTATION = 20.0


def build(
    tree: Tree, genes: Genes, rng: random.Random, change: Callable[[Dimension, Value], Value]
) -> dict[str, Value]:
    """Return a point with the values of `genes`, each passed through `change`; missing values are drawn at random."""

    def choose(dimension: Dimension) -> Value:
        if dimension.index not in genes:
            return dimension.axis.value(rng.random())
        return change(dimension, genes[dimension.index])

    return tree.point(choose)


def mutated_once(tree: Tree, genes: Genes, rng: random.Random) -> dict[str, Value]:
    """Return the parent with one of its parameters changed, if any can be."""
    free = [index for index in genes if tree.dimensions[index].axis.levels != 1]
    chosen = rng.choice(free) if free else None

    def change(dimension: Dimension, value: Value) -> Value:
        return _other(dimension.axis, value, rng) if dimension.index == chosen else value

    return build(tree, genes, rng, change)


def _other(axis: Axis, value: Value, rng: random.Random) -> Value:
    """Return another value of the axis, usually a near one if the axis is ordered."""
    place = axis.place(value) or 0.0
    for _ in range(_MAX_DRAWS):
        far = not axis.ordered or rng.random() < _FAR
        u = rng.random() if far else place + rng.gauss(0.0, _STEP)
        found = axis.value(u) if 0 <= u <= 1 else value
        if found != value:
            return found
    # The neighbors in a short list may be farther away than any step.
    return axis.value(rng.random())


def crossed(tree: Tree, first: Genes, second: Genes, rng: random.Random) -> dict[int, Value]:
    """Return the genes of a child: simulated binary crossover of ordered values, one parent's value for the others.

    Deb and Agrawal, "Simulated binary crossover for continuous search space" (1995). If only one parent has a
    parameter, the child gets its value.
    """
    genes: dict[int, Value] = {}
    for index in sorted(first.keys() | second.keys()):
        if index not in first or index not in second:
            genes[index] = first[index] if index in first else second[index]
            continue
        ours, theirs = (first[index], second[index]) if rng.random() < 0.5 else (second[index], first[index])
        axis = tree.dimensions[index].axis
        blend = axis.ordered and ours != theirs and rng.random() < 0.5
        genes[index] = _between(axis, ours, theirs, rng) if blend else ours
    return genes


def _between(axis: Axis, ours: Value, theirs: Value, rng: random.Random) -> Value:
    near, far = axis.place(ours) or 0.0, axis.place(theirs) or 0.0
    u = rng.random()
    exponent = 1 / (_ETA_CROSSOVER + 1)
    beta = (2 * u) ** exponent if u <= 0.5 else (1 / (2 * (1 - u))) ** exponent
    return axis.value(min(max(((1 + beta) * near + (1 - beta) * far) / 2, 0.0), 1.0))


def mutated(tree: Tree, genes: Genes, rng: random.Random) -> dict[str, Value]:
    """Return a child with each parameter changed with probability 1 / d: polynomial mutation, or any category.

    Deb and Goyal, "A combined genetic adaptive search (GeneAS) for engineering design" (1996).
    """
    probability = 1 / max(1, len(genes))

    def change(dimension: Dimension, value: Value) -> Value:
        if rng.random() >= probability:
            return value
        if not dimension.axis.ordered:
            return dimension.axis.value(rng.random())
        return _polynomial(dimension.axis, value, rng)

    return build(tree, genes, rng, change)


def _polynomial(axis: Axis, value: Value, rng: random.Random) -> Value:
    cell = axis.cell(value) or (0.0, 1.0)
    # Start anywhere in the cell, so that steps can leave a wide one.
    place = cell[0] + rng.random() * (cell[1] - cell[0])
    u = rng.random()
    exponent = 1 / (_ETA_MUTATION + 1)
    if u < 0.5:
        reach = (2 * u + (1 - 2 * u) * (1 - place) ** (_ETA_MUTATION + 1)) ** exponent - 1
    else:
        reach = 1 - (2 * (1 - u) + (2 * u - 1) * place ** (_ETA_MUTATION + 1)) ** exponent
    return axis.value(min(max(place + reach, 0.0), 1.0))
