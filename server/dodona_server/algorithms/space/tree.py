"""Search space as numbered dimensions, one for each position in the tree of conditions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from dodona_server.algorithms.space.unit_interval import Axis
from dodona_server.domain.space import Parameter, SearchSpace, Value

# The part of the unit interval that represents a value: from, to.
Cell = tuple[float, float]
# The cells of a trial's values, by dimension.
Cells = Mapping[int, Cell]


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """A parameter at one position in the tree; a name in two branches is two dimensions.

    Args:
        index: its number: parents before children, all roots first.
        name: the parameter's.
        axis: its values on the unit interval.
        children: the dimensions below, each with the values of this one under which it is active.
    """

    index: int
    name: str
    axis: Axis
    children: list[tuple[tuple[Value, ...], Dimension]] = field(default_factory=list)

    def active(self, value: Value) -> Iterator[Dimension]:
        """Return the children that are active when this dimension has `value`."""
        return (child for values, child in self.children if value in values)


class Tree:
    """All dimensions of a space.

    Args:
        space: the study's.

    Attributes:
        dimensions: all of them by their index.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.dimensions: list[Dimension] = []
        self._roots = [self._add(parameter) for parameter in space.parameters]
        waiting = deque(zip(space.parameters, self._roots, strict=True))
        while waiting:
            parameter, dimension = waiting.popleft()
            for branch in parameter.branches:
                child = self._add(branch.parameter)
                dimension.children.append((branch.values, child))
                waiting.append((branch.parameter, child))

    def _add(self, parameter: Parameter) -> Dimension:
        dimension = Dimension(len(self.dimensions), parameter.id, Axis(parameter.kind))
        self.dimensions.append(dimension)
        return dimension

    def point(self, choose: Callable[[Dimension], Value]) -> dict[str, Value]:
        """Return the values of all active parameters, chosen one after another, parents before children."""
        values: dict[str, Value] = {}
        pending = self._roots[::-1]
        while pending:
            dimension = pending.pop()
            value = values[dimension.name] = choose(dimension)
            if dimension.children:
                pending.extend(reversed(list(dimension.active(value))))
        return values

    def read(self, values: Mapping[str, Value]) -> dict[int, Value]:
        """Return the values of a trial by dimension, only those that are active and possible.

        Values that are missing (the space has grown since) or out of range are left out, and all that depend on them.
        """
        return {dimension.index: value for dimension, value, _ in self._walk(values)}

    def cells(self, values: Mapping[str, Value]) -> Cells:
        """Return the cells of a trial's values in the unit interval, by dimension; see `read`."""
        return {dimension.index: cell for dimension, _, cell in self._walk(values)}

    def cells_of(self, name: str, value: Value) -> list[tuple[int, Cell]]:
        """Return the cell of a parameter's value by dimension: of each branch that has it."""
        found = [(one.index, one.axis.cell(value)) for one in self.dimensions if one.name == name]
        return [(index, cell) for index, cell in found if cell is not None]

    def _walk(self, values: Mapping[str, Value]) -> Iterator[tuple[Dimension, Value, Cell]]:
        pending = self._roots[::-1]
        while pending:
            dimension = pending.pop()
            value = values.get(dimension.name)
            cell = None if value is None else dimension.axis.cell(value)
            if value is None or cell is None:
                continue
            yield dimension, value, cell
            if dimension.children:
                pending.extend(reversed(list(dimension.active(value))))
