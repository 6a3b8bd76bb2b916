"""Where a hyperparameter stands in Vizier's tree of conditions.

KerasTuner's conditions are a list that must hold all together, on parents that may have nothing to do with each other.
Vizier has a tree: a parameter stands under some values of one parent. So a hyperparameter is put under the innermost of
its conditions; those that the tree then does not tell are checked by the client, which leaves inactive values out.

A name may stand at two places if they can never be active together. Where KerasTuner has a name twice and both can be,
the places that are taken already give the value for both.
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
class Place:
    """A parameter where it stands."""

    path: Path
    spec: ParameterSpec


class Tree:
    """A search space that grows.

    Args:
        specs: the parameters there are.
    """

    def __init__(self, specs: Iterable[ParameterSpec]) -> None:
        self.specs = [spec.model_copy(deep=True) for spec in specs]
        self._places: dict[str, list[Place]] = {}
        self._added: set[int] = set()
        self._next_position = 0
        for place in walk(self.specs):
            self._remember(place)

    def add(self, hp: HyperParameter) -> bool:
        """Puts a hyperparameter into the tree; whether it has got a place that was not taken."""
        found = False
        position = self._next_position
        for path, parent in self._spots(hp.conditions):
            open_path = self._still_open(hp.name, path)
            if open_path is None:
                continue
            spec = spec_of(hp, position)
            if parent is None:
                self.specs.append(spec)
            else:
                parent.conditional_parameter_specs.append(_child(parent, open_path[-1][1], spec))
            self._remember(Place(open_path, spec))
            self._added.add(id(spec))
            found = True
        return found

    @property
    def additions(self) -> list[ParameterSpec]:
        """What was added, with the parents that it stands under and nothing else."""
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

    def _remember(self, place: Place) -> None:
        self._places.setdefault(place.spec.parameter_id, []).append(place)
        position = position_of(place.spec)
        self._next_position = max(self._next_position, self._next_position if position is None else position) + 1

    def _spots(self, conditions: Sequence[Parent]) -> list[tuple[Path, ParameterSpec | None]]:
        """Where a hyperparameter with these conditions belongs: under each twin of its innermost fitting parent."""
        for condition in reversed(conditions):
            spots: list[tuple[Path, ParameterSpec | None]] = []
            for place in self._places.get(condition.name, []):
                values = _encoded_all(place.spec, condition.values)
                if values and not self._contradicts(place.path, conditions):
                    spots.append(((*place.path, (condition.name, values)), place.spec))
            if spots:
                return spots
        return [((), None)]

    def _contradicts(self, path: Path, conditions: Sequence[Parent]) -> bool:
        """Whether a place can never be active when all of the conditions hold."""
        for name, values in path:
            parent = self._places[name][0].spec
            for condition in conditions:
                if condition.name == name and not set(values) & set(_encoded_all(parent, condition.values)):
                    return True
        return False

    def _still_open(self, name: str, path: Path) -> Path | None:
        """The path, less those values of the last parent under which the name stands already; None if none is left."""
        for place in self._places.get(name, []):
            if _exclusive(path, place.path):
                continue
            if not path or not place.path or path[:-1] != place.path[:-1] or path[-1][0] != place.path[-1][0]:
                return None
            parent, values = path[-1]
            left = tuple(value for value in values if value not in place.path[-1][1])
            if not left:
                return None
            path = (*path[:-1], (parent, left))
        return path


def walk(specs: Iterable[ParameterSpec], path: Path = ()) -> Iterable[Place]:
    """Every parameter with its place, parents before children."""
    for spec in specs:
        yield Place(path, spec)
        for child in spec.conditional_parameter_specs:
            yield from walk([child.parameter_spec], (*path, (spec.parameter_id, values_of(child))))


def values_of(child: ConditionalParameterSpec) -> tuple[Value, ...]:
    """The parent's values under which a child is active."""
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
    """Whether two places part at a common parent into branches that share no value: the server's own rule."""
    for (parent, values), (other_parent, other_values) in zip(path, other, strict=False):
        if parent != other_parent:
            return False
        if not set(values) & set(other_values):
            return True
    return False
