"""Search space in both forms: Vizier's parameters and KerasTuner's HyperParameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from keras_tuner.engine.hyperparameters import HyperParameter

from dodona._codec import TUNER_PREFIX
from dodona.keras._compat import Parent, has_hyperparameter
from dodona.keras._mapping.conditions import ConditionTree, values_of
from dodona.keras._mapping.hyperparameters import HyperParameters
from dodona.keras._mapping.parameter import Value, hyperparameter_of, position_of, value_of
from dodona_schemas.vertex import ParameterSpec


class Space:
    """A study's search space, as far as this process knows it.

    Args:
        specs: the study's parameters.

    Attributes:
        specs: the parameters, in Vizier's tree.
        hyperparameters: the same in KerasTuner's order; active ones have their defaults as values.
    """

    def __init__(self, specs: Iterable[ParameterSpec] = ()) -> None:
        self.specs: list[ParameterSpec] = []
        self.hyperparameters = HyperParameters()
        self.update(specs)

    def update(self, specs: Iterable[ParameterSpec], more: Iterable[HyperParameter] = ()) -> None:
        """Replace the parameters by the study's current ones; hyperparameters that only this process knows stay.

        Args:
            specs: the study's parameters.
            more: further hyperparameters that this process has found.
        """
        self.specs = list(specs)
        known = HyperParameters()
        for hp in [*hyperparameters_in(self.specs), *self.hyperparameters.space, *more]:
            known.merge([hp], overwrite=False)
        self.hyperparameters = filled(known, {})

    def missing(self, hyperparameters: HyperParameters) -> list[HyperParameter]:
        """Return the hyperparameters that the space lacks, by name and conditions."""
        return [hp for hp in hyperparameters.space if not has_hyperparameter(self.hyperparameters, hp)]

    def without(self, left_out: Iterable[HyperParameter]) -> HyperParameters:
        """Return a copy of the hyperparameters without those of these names and conditions."""
        places = [(hp.name, hp.conditions) for hp in left_out]
        rest = HyperParameters()
        rest.merge([hp for hp in self.hyperparameters.space if (hp.name, hp.conditions) not in places])
        return filled(rest, {})

    def differences(self, hyperparameters: HyperParameters) -> list[str]:
        """Return the differences between the space and the hyperparameters, for people."""
        pairs = itertools.product(self.hyperparameters.space, hyperparameters.space)
        same = [(ours, hp) for ours, hp in pairs if (ours.name, ours.conditions) == (hp.name, hp.conditions)]
        return [f"{ours!r}, not {hp!r}" for ours, hp in same if ours.get_config() != hp.get_config()]

    def grown(self, new: Iterable[HyperParameter]) -> ConditionTree:
        """Return the space with `new` added; this object changes only in `update`."""
        tree = ConditionTree(self.specs)
        for hp in new:
            tree.add(hp)
        return tree


def hyperparameters_in(specs: Iterable[ParameterSpec]) -> list[HyperParameter]:
    """Return the hyperparameters for parameters, in the order in which the hypermodels declared them."""
    found = list(_walk(specs, []))
    positions = [position_of(spec) for spec, _ in found]
    ranked = sorted(range(len(found)), key=lambda index: index if (known := positions[index]) is None else known)
    return _parents_first([found[index][1] for index in ranked])


def _walk(specs: Iterable[ParameterSpec], conditions: list[Parent]) -> Iterable[tuple[ParameterSpec, HyperParameter]]:
    for spec in specs:
        hp = hyperparameter_of(spec, conditions)
        yield spec, hp
        for child in spec.conditional_parameter_specs:
            values = [value_of(hp, value) for value in values_of(child)]
            yield from _walk([child.parameter_spec], [*conditions, Parent(spec.parameter_id, values)])


def _parents_first(hps: Sequence[HyperParameter]) -> list[HyperParameter]:
    """Return the same order, but with every parent before its children: concurrent workers may add children first."""
    pending, placed = list(hps), list[HyperParameter]()
    while pending:
        missing = {hp.name for hp in pending} - {hp.name for hp in placed}
        ready = next((hp for hp in pending if not any(one.name in missing for one in hp.conditions)), pending[0])
        pending.remove(ready)
        placed.append(ready)
    return placed


def filled(space: HyperParameters, values: Mapping[str, Value]) -> HyperParameters:
    """Return the space with a value for each active hyperparameter, and for no other: the given one, else the default.

    Hyperband's own values stay, although they are not part of the space.

    Args:
        space: the hyperparameters; it is not changed.
        values: values by name, the server's or a hypermodel's; inactive and unknown names are left out.
    """
    result = space.copy()
    result.values = {name: value for name, value in values.items() if name.startswith(TUNER_PREFIX)}
    complete = False
    # A name may have several conditions, some on hyperparameters that come later.
    while not complete:
        complete = True
        for hp in result.space:
            if hp.name not in result.values and result.is_active(hp):
                result.values[hp.name] = value_of(hp, values[hp.name]) if hp.name in values else hp.default
                complete = False
    return result
