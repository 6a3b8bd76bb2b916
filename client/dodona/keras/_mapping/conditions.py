"""Place of a hyperparameter in Vizier's tree of conditions.

KerasTuner's conditions are a list that must hold together, on parents that may be unrelated. Vizier has a tree: a
parameter is a child of one parent, under some of its values. So a hyperparameter becomes a child of the parent in its
innermost condition. The client checks the other conditions and leaves inactive values out.

A name may have two places if they can never be active together. Where KerasTuner has a name twice and both can be
active, the existing places give the value for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_tuner.engine.hyperparameters import HyperParameter

from dodona.keras._compat import Parent
from dodona.keras._mapping.parameter import Value, encoded, position_of, spec_of
from dodona_schemas.vertex import (
    CategoricalValueCondition,
    ConditionalParameterSpec,
    DiscreteValueCondition,
    IntValueCondition,
    ParameterSpec,
)

# The (parent, values) conditions from the root to a place.
Path: TypeAlias = tuple[tuple[str, tuple[Value, ...]], ...]


@dataclass(frozen=True)
class Node:
    """A parameter and its place in the tree."""

    path: Path
    spec: ParameterSpec


class ConditionTree:
    """A search space that grows.

    Args:
        specs: the existing parameters.
    """

    def __init__(self, specs: Iterable[ParameterSpec]) -> None:
        self.specs = [spec.model_copy(deep=True) for spec in specs]
        self._nodes: dict[str, list[Node]] = {}
        self._added: set[int] = set()
        self._next_position = 0
        for node in walk(self.specs):
            self._remember(node)

    def add(self, hp: HyperParameter) -> bool:
        """Add a hyperparameter to the tree; return whether it got a new place."""
        found = False
        position = self._next_position
        for path, parent in self._parents(hp.conditions):
            open_path = self._still_open(hp.name, path)
            if open_path is None:
                continue
            spec = spec_of(hp, position)
            if parent is None:
                self.specs.append(spec)
            else:
                parent.conditional_parameter_specs.append(_child(parent, open_path[-1][1], spec))
            self._remember(Node(open_path, spec))
            self._added.add(id(spec))
            found = True
        return found

    @property
    def additions(self) -> list[ParameterSpec]:
        """Added parameters, with the parents that they need and nothing else."""
        pruned = (self._pruned(spec) for spec in self.specs)
        return [spec for spec in pruned if spec is not None]

    def _pruned(self, spec: ParameterSpec) -> ParameterSpec | None:
        if id(spec) in self._added:
            return spec
        children = []
        for child in spec.conditional_parameter_specs:
            pruned = self._pruned(child.parameter_spec)
            if pruned is not None:
                children.append(child.model_copy(update={"parameter_spec": pruned}))
        return spec.model_copy(update={"conditional_parameter_specs": children}) if children else None

    def _remember(self, node: Node) -> None:
        self._nodes.setdefault(node.spec.parameter_id, []).append(node)
        position = position_of(node.spec)
        self._next_position = max(self._next_position, self._next_position if position is None else position) + 1

    def _parents(self, conditions: Sequence[Parent]) -> list[tuple[Path, ParameterSpec | None]]:
        """Return the places for a hyperparameter with these conditions: one under each twin of its innermost parent."""
        for condition in reversed(conditions):
            parents: list[tuple[Path, ParameterSpec | None]] = []
            for node in self._nodes.get(condition.name, []):
                values = _encoded_all(node.spec, condition.values)
                if values and not self._contradicts(node.path, conditions):
                    parents.append(((*node.path, (condition.name, values)), node.spec))
            if parents:
                return parents
        return [((), None)]

    def _contradicts(self, path: Path, conditions: Sequence[Parent]) -> bool:
        """Return whether a place can never be active when all of the conditions hold."""
        for name, values in path:
            parent = self._nodes[name][0].spec
            for condition in conditions:
                if condition.name == name and not set(values) & set(_encoded_all(parent, condition.values)):
                    return True
        return False

    def _still_open(self, name: str, path: Path) -> Path | None:
        """Return the path without values of its last parent that another place covers; None if all are covered."""
        for node in self._nodes.get(name, []):
            if _exclusive(path, node.path):
                continue
            if not path or not node.path or path[:-1] != node.path[:-1] or path[-1][0] != node.path[-1][0]:
                return None
            parent, values = path[-1]
            left = tuple(value for value in values if value not in node.path[-1][1])
            if not left:
                return None
            path = (*path[:-1], (parent, left))
        return path


def walk(specs: Iterable[ParameterSpec], path: Path = ()) -> Iterable[Node]:
    """Yield every parameter with its place, parents before children."""
    for spec in specs:
        yield Node(path, spec)
        for child in spec.conditional_parameter_specs:
            yield from walk([child.parameter_spec], (*path, (spec.parameter_id, values_of(child))))


def values_of(child: ConditionalParameterSpec) -> tuple[Value, ...]:
    """Return the parent's values under which a child is active."""
    condition = child.parent_int_values or child.parent_discrete_values or child.parent_categorical_values
    return () if condition is None else tuple(condition.values)


def _child(parent: ParameterSpec, values: Sequence[Any], spec: ParameterSpec) -> ConditionalParameterSpec:
    child = ConditionalParameterSpec(parameter_spec=spec)
    if parent.integer_value_spec is not None:
        child.parent_int_values = IntValueCondition(values=list(values))
    elif parent.discrete_value_spec is not None:
        child.parent_discrete_values = DiscreteValueCondition(values=list(values))
    else:
        child.parent_categorical_values = CategoricalValueCondition(values=list(values))
    return child


def _encoded_all(spec: ParameterSpec, values: Iterable[Value]) -> tuple[Value, ...]:
    wire = (encoded(spec, value) for value in values)
    return tuple(dict.fromkeys(value for value in wire if value is not None))


def _exclusive(path: Path, other: Path) -> bool:
    """Return whether two places branch at a common parent and share none of its values: the server's own rule."""
    for (parent, values), (other_parent, other_values) in zip(path, other, strict=False):
        if parent != other_parent:
            return False
        if not set(values) & set(other_values):
            return True
    return False
