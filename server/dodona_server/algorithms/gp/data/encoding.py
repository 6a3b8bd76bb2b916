"""Search space as a flat list of axes, with its conditions.

A parameter with the same name and kind in several branches is one axis: what the model learns in one branch holds in
the other. Every point has a position on each axis; `active` says which axes are active in it. So a search may change a
parent and the children already have positions.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dodona_server.algorithms.gp.data.axes import Array, Axis, Choice, Interval, Mask, Table, axis_of
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Integer, Kind, Parameter, SearchSpace, Value

Point = Mapping[str, Value]
# Two positions nearer than this are equal.
SAME_PLACE = 1e-12
# The number of values of a kind whose positions are kept.
MOST_KNOWN = 1000


@dataclass(frozen=True, slots=True)
class _Node:
    """A parameter in the tree: its axis, its parent's node (-1: none), and the parent's positions that activate it."""

    axis: int
    parent: int
    places: Array


class _KnownPlaces:
    """Positions of a kind's values. They are kept, since each suggestion of a study encodes the same trials."""

    def __init__(self, kind: Kind) -> None:
        self._axis = axis_of(kind)
        self._known: dict[Value | None, float] = {}

    def of(self, values: Sequence[Value | None]) -> Array:
        """Return the positions; NaN for None."""
        known = self._known
        if len(known) > MOST_KNOWN:
            known.clear()
        for value in values:
            if value not in known:
                known[value] = math.nan if value is None else self._axis.place(value)
        return np.array([known[value] for value in values])


_known_places = functools.lru_cache(maxsize=128)(_KnownPlaces)


class Encoding:
    """Maps points of a space to positions on axes and back.

    Args:
        space: the space to suggest in: the study's, or the part that a context allows.
        whole: the study's space. If `space` only fixes values, the axes are those of the whole space, so that trials
            outside the part keep their own values.

    Attributes:
        free: the axes with more than one value.
        movable: those of them with more than one value in `space` too.
    """

    def __init__(self, space: SearchSpace, whole: SearchSpace | None = None) -> None:
        pins = None if whole is None else _pins(space, whole)
        self._part = space
        self.space = space = whole if whole is not None and pins is not None else space
        self.ids: list[str] = []
        self.kinds: list[Kind] = []
        self.axes: list[Axis] = []
        self._index: dict[tuple[str, Kind], int] = {}
        self._nodes: list[_Node] = []
        self._add(space.parameters, -1, ())
        self.sizes = np.array([axis.size for axis in self.axes])
        self.free = self.sizes > 1
        self.categorical = np.array([axis.categorical for axis in self.axes], dtype=bool)
        self.continuous = np.isinf(self.sizes)
        self.conditional = any(node.parent >= 0 for node in self._nodes)
        self._pins = {self._index[key]: value for key, value in (pins or {}).items()}
        self._pinned = np.array(list(self._pins), dtype=np.intp)
        self._pinned_places = np.array([self.axes[column].place(value) for column, value in self._pins.items()])
        self.movable = self.free.copy()
        self.movable[self._pinned] = False

    def _add(self, parameters: Iterable[Parameter], root: int, values: Sequence[Value]) -> None:
        stack = [(parameter, root, values) for parameter in parameters]
        while stack:
            parameter, parent, needed = stack.pop(0)
            key = (parameter.id, parameter.kind)
            if key not in self._index:
                self._index[key] = len(self.axes)
                self.ids.append(parameter.id)
                self.kinds.append(parameter.kind)
                self.axes.append(axis_of(parameter.kind))
            places = np.empty(0)
            if parent >= 0:
                above = self.axes[self._nodes[parent].axis]
                places = np.array([above.place(value) for value in needed])
            node = len(self._nodes)
            self._nodes.append(_Node(self._index[key], parent, places))
            stack[:0] = [(branch.parameter, node, branch.values) for branch in parameter.branches]

    @property
    def pinned(self) -> bool:
        """Whether points are suggested only in a part of the study's space."""
        return bool(self._pins)

    @property
    def size(self) -> int:
        """Number of axes."""
        return len(self.axes)

    def activity(self, z: Array) -> Mask:
        """Return whether each axis is active in the points `z`, m x a."""
        active = np.zeros(z.shape, dtype=bool)
        alive: list[Mask] = []
        for node in self._nodes:
            if node.parent < 0:
                on = np.ones(len(z), dtype=bool)
            else:
                above = z[:, self._nodes[node.parent].axis]
                near = np.abs(above[:, None] - node.places[None, :]) < SAME_PLACE
                on = alive[node.parent] & near.any(axis=1)
            alive.append(on)
            active[:, node.axis] |= on
        return active

    def encode(self, points: Sequence[Point]) -> tuple[Array, Mask]:
        """Return the positions (m x a) of `points`, and which axes are active (m x a).

        A parameter that a point lacks, because the space has grown since, counts as inactive, and so does a value that
        is not allowed. Other parameters of a point are ignored.
        """
        z = np.empty((len(points), self.size))
        there = np.empty(z.shape, dtype=bool)
        for column, (name, kind, axis) in enumerate(zip(self.ids, self.kinds, self.axes, strict=True)):
            places = _known_places(kind).of([point.get(name) for point in points])
            there[:, column] = places >= 0.0 if axis.categorical else ~np.isnan(places)
            z[:, column] = np.where(there[:, column], places, 0.0 if axis.categorical else 0.5)
        # Of axes with equal names, only the one in the active branch.
        if len(set(self.ids)) < len(self.ids):
            there &= self.activity(self._nearest(z))
        return z, there

    def snap(self, z: Array) -> Array:
        """Return the points of the part nearest to `z`, m x a."""
        snapped = self._nearest(z)
        snapped[:, self._pinned] = self._pinned_places
        return snapped

    def _nearest(self, z: Array) -> Array:
        """Return the points of the whole space nearest to `z`, m x a."""
        snapped = np.clip(z, 0.0, 1.0)
        for column in np.flatnonzero(~self.continuous):
            snapped[:, column] = self.axes[column].snap(z[:, column])
        return snapped

    def spread(self, u: Array) -> Array:
        """Return points as random search draws them, from uniform `u`, m x a."""
        z = u.copy()
        for column in np.flatnonzero(~self.continuous):
            z[:, column] = self.axes[column].spread(u[:, column])
        z[:, self._pinned] = self._pinned_places
        return z

    def decode(self, z: Array) -> dict[str, Value]:
        """Return the values of one point, a: a value for each active parameter."""
        values: dict[str, Value] = {}
        pending = list(reversed(self.space.parameters))
        while pending:
            parameter = pending.pop()
            column = self._index[parameter.id, parameter.kind]
            pinned = self._pins.get(column)
            # The exact value, not the one computed from its position.
            value = values[parameter.id] = self.axes[column].value(float(z[column])) if pinned is None else pinned
            pending.extend(reversed(list(parameter.active_branches(value))))
        return values

    def default(self) -> Array:
        """Return the point of the declared defaults, with the middle where there is none, a."""
        z = np.empty(self.size)
        for column, (kind, axis) in enumerate(zip(self.kinds, self.axes, strict=True)):
            if kind.default_value is not None:
                z[column] = axis.place(kind.default_value)
            else:
                z[column] = axis.spread(np.array([0.5]))[0]
        z[self._pinned] = self._pinned_places
        return z

    def points(self, most: int) -> int | None:
        """Return the number of points in the part; None if more than `most`."""
        return _count(self._part.parameters, most, {})

    def all_points(self) -> list[dict[str, Value]]:
        """Return every point of the part, which must be finite: call `points` first."""
        return _all(self._part.parameters)


def _pins(part: SearchSpace, whole: SearchSpace) -> dict[tuple[str, Kind], Value] | None:
    """Return the values that `part` fixes of parameters of `whole`; None if it differs in any other way."""
    kinds: dict[str, set[Kind]] = {}
    for _, parameter in whole.walk():
        kinds.setdefault(parameter.id, set()).add(parameter.kind)
    pins: dict[tuple[str, Kind], Value] = {}
    for _, parameter in part.walk():
        if parameter.kind in kinds[parameter.id]:
            continue
        if axis_of(parameter.kind).size > 1:
            return None
        (value,) = _values(parameter)
        for kind in kinds[parameter.id]:
            if _has(kind, value) and pins.setdefault((parameter.id, kind), value) != value:
                return None
    return pins


def _has(kind: Kind, value: Value) -> bool:
    try:
        kind.check(value)
    except InvalidArgument:
        return False
    return True


def _values(parameter: Parameter) -> list[Value]:
    axis = axis_of(parameter.kind)
    match axis:
        case Choice() | Table():
            return list(axis.values)
        case Interval(kind=Integer() as kind):
            return list(range(kind.min_value, kind.max_value + 1))
        case Interval():
            return [axis.value(0.0)]


def _count(parameters: Iterable[Parameter], most: int, known: dict[int, int | None]) -> int | None:
    """Return the number of points of `parameters` together; None if more than `most`.

    Args:
        parameters: that are active together.
        most: the limit, for the whole and for each part.
        known: counts so far by parameter object: in nested conditions many values lead to the same one.
    """
    total = 1
    for parameter in parameters:
        if id(parameter) not in known:
            known[id(parameter)] = _count_one(parameter, most, known)
        count = known[id(parameter)]
        if count is None or total * count > most:
            return None
        total *= count
    return total


def _count_one(parameter: Parameter, most: int, known: dict[int, int | None]) -> int | None:
    size = axis_of(parameter.kind).size
    if size > most:
        return None
    if not parameter.branches:
        return int(size)
    total = 0
    for value in _values(parameter):
        below = _count(parameter.active_branches(value), most, known)
        if below is None or total + below > most:
            return None
        total += below
    return total


def _all(parameters: Iterable[Parameter]) -> list[dict[str, Value]]:
    lists = []
    for parameter in parameters:
        options: list[dict[str, Value]] = []
        for value in _values(parameter):
            below = _all(parameter.active_branches(value))
            options.extend({parameter.id: value} | rest for rest in below)
        lists.append(options)
    merged = []
    for parts in itertools.product(*lists):
        point: dict[str, Value] = {}
        for part in parts:
            point |= part
        merged.append(point)
    return merged
