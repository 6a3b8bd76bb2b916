"""KerasTuner's conditions in Vizier's tree, growth, and the values of a trial."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_tuner import HyperParameters
from keras_tuner.engine.hyperparameters import HyperParameter, Int

from dodona.keras._compat import Parent
from dodona.keras._mapping.parameter import value_of
from dodona.keras._mapping.search_space import Space, filled, hyperparameters_in
from dodona_schemas.vertex import ParameterSpec
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.api.vertex.space import read_parameters, write_parameter
from dodona_server.domain.space import SearchSpace


def tree(specs: Iterable[ParameterSpec]) -> dict[str, Any]:
    """The names in their tree: {"a": {"1": {"b": {}}}}."""
    found: dict[str, Any] = {}
    for spec in specs:
        branches = found.setdefault(spec.parameter_id, {})
        for child in spec.conditional_parameter_specs:
            condition = child.parent_int_values or child.parent_discrete_values or child.parent_categorical_values
            assert condition is not None
            branches.setdefault(",".join(map(str, condition.values)), {}).update(tree([child.parameter_spec]))
    return found


def sent(hp: HyperParameters) -> list[ParameterSpec]:
    """The parameters of a space, as the server would have them; it accepts them."""
    specs = Space().grown(hp.space).specs
    SearchSpace(read_parameters(specs))
    return [ParameterSpec.model_validate_json(spec.to_json()) for spec in specs]


def declared(hps: Iterable[HyperParameter]) -> list[tuple[str, list[tuple[str, list[Any]]]]]:
    return [(hp.name, [(condition.name, condition.values) for condition in hp.conditions]) for hp in hps]


def nested() -> HyperParameters:
    hp = HyperParameters()
    hp.Choice("model", ["mlp", "cnn"])
    with hp.conditional_scope("model", ["mlp"]):
        hp.Int("layers", 1, 3)
        with hp.conditional_scope("layers", [2, 3]):
            hp.Int("units", 4, 16, step=4)
    with hp.conditional_scope("model", ["cnn"]):
        hp.Boolean("pool")
        with hp.conditional_scope("pool", [True]):
            hp.Choice("size", [2, 4])
            with hp.conditional_scope("size", [4]):
                hp.Fixed("stride", 2)
    hp.Float("lr", 1e-4, 1e-1, sampling="log")
    return hp


def test_nested_scopes_are_a_tree() -> None:
    assert tree(sent(nested())) == {
        "model": {
            "mlp": {"layers": {"2,3": {"units": {}}}},
            "cnn": {"pool": {"True": {"size": {"4": {"stride": {}}}}}},
        },
        "lr": {},
    }


def test_every_worker_has_the_same_space_in_the_same_order() -> None:
    hp = nested()
    again = Space(sent(hp)).hyperparameters
    assert again.get_config()["space"] == hp.get_config()["space"]
    assert again.values == {"model": "mlp", "layers": 1, "lr": 1e-4}


def test_names_with_scopes() -> None:
    hp = HyperParameters()
    with hp.name_scope("encoder"):
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", "b"):
            hp.Float("rate", 0, 1)
    assert tree(sent(hp)) == {"encoder/kind": {"b": {"encoder/rate": {}}}}


def test_a_name_in_two_branches() -> None:
    hp = HyperParameters()
    hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("lr", 1e-5, 1e-2)
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("lr", 1e-3, 1.0)
    space = Space(sent(hp))
    assert tree(space.specs) == {"optimizer": {"adam": {"lr": {}}, "sgd": {"lr": {}}}}
    assert filled(space.hyperparameters, {"optimizer": "adam", "lr": 0.005}).values == {
        "optimizer": "adam",
        "lr": 0.005,
    }
    assert filled(space.hyperparameters, {"optimizer": "sgd"}).values == {"optimizer": "sgd", "lr": 1e-3}


def test_a_name_under_values_that_overlap() -> None:
    hp = HyperParameters()
    hp.Int("layers", 1, 3)
    for values in ([3], [2, 3], [1, 2, 3]):
        with hp.conditional_scope("layers", values):
            hp.Choice("activation", ["relu", "tanh"])
    specs = sent(hp)
    assert tree(specs) == {"layers": {"3": {"activation": {}}, "2": {"activation": {}}, "1": {"activation": {}}}}
    for layers in (1, 2, 3):
        values = filled(Space(specs).hyperparameters, {"layers": layers, "activation": "tanh"}).values
        assert values == {"layers": layers, "activation": "tanh"}


def test_a_name_that_two_unrelated_conditions_may_hold_at_once() -> None:
    hp = HyperParameters()
    hp.Boolean("a")
    hp.Boolean("b")
    for parent in ("a", "b"):
        with hp.conditional_scope(parent, [True]):
            hp.Int("n", 1, 9, default=5)
    space = Space()
    grown = space.grown(hp.space)
    assert tree(grown.specs) == {"a": {"True": {"n": {}}}, "b": {}}
    space.update(grown.specs, hp.space)
    assert space.missing(hp) == []
    assert filled(space.hyperparameters, {"a": "True", "b": "True", "n": 7}).values == {"a": True, "b": True, "n": 7}
    assert filled(space.hyperparameters, {"a": "False", "b": "True"}).values == {"a": False, "b": True, "n": 5}


def test_conditions_on_unrelated_parents() -> None:
    hp = HyperParameters()
    hp.Boolean("a")
    hp.Boolean("b")
    hp.merge([Int("n", 1, 9, conditions=[Parent("a", [True]), Parent("b", [True])])])
    specs = sent(hp)
    assert tree(specs) == {"a": {}, "b": {"True": {"n": {}}}}
    space = Space(specs).hyperparameters
    assert filled(space, {"a": "True", "b": "True", "n": 7}).values == {"a": True, "b": True, "n": 7}
    assert filled(space, {"a": "False", "b": "True", "n": 7}).values == {"a": False, "b": True}


def test_a_condition_on_a_parent_that_stands_in_two_branches() -> None:
    hp = HyperParameters()
    hp.Choice("kind", ["a", "b", "c"])
    for kind in ("a", "b"):
        with hp.conditional_scope("kind", [kind]):
            hp.Boolean("deep")
    hp.merge([Int("depth", 2, 5, conditions=[Parent("deep", [True])])])
    with hp.conditional_scope("kind", ["b"]), hp.conditional_scope("deep", [False]):
        hp.Int("width", 2, 5)
    assert tree(sent(hp)) == {
        "kind": {
            "a": {"deep": {"True": {"depth": {}}}},
            "b": {"deep": {"True": {"depth": {}}, "False": {"width": {}}}},
        }
    }


@pytest.mark.parametrize("values", [[0.25], [0.5]])
def test_a_parent_that_can_have_no_children(values: list[float]) -> None:
    hp = HyperParameters()
    hp.Float("x", 0, 1, default=0.5)
    with hp.conditional_scope("x", values):
        hp.Int("n", 1, 9)
    specs = sent(hp)
    assert tree(specs) == {"x": {}, "n": {}}
    active = {"n": 3} if values == [0.5] else {}
    assert filled(Space(specs).hyperparameters, {"x": 0.5, "n": 3}).values == {"x": 0.5, **active}


def test_a_space_grows_by_what_it_lacks_alone() -> None:
    space = Space(sent(nested()))
    hp = nested()
    assert space.missing(hp) == []
    with hp.conditional_scope("model", ["cnn"]), hp.conditional_scope("pool", [True]):
        hp.Float("dropout", 0, 0.5)
    hp.Boolean("augment")
    with hp.conditional_scope("augment", [True]):
        hp.Int("angle", 0, 90)
    new = space.missing(hp)
    assert [found.name for found in new] == ["dropout", "augment", "angle"]
    additions = space.grown(new).additions
    assert tree(additions) == {
        "model": {"cnn": {"pool": {"True": {"dropout": {}}}}},
        "augment": {"True": {"angle": {}}},
    }
    # The server joins what is sent with what it has.
    grown = SearchSpace(read_parameters(space.specs)).grow(read_parameters(additions))
    assert grown == SearchSpace(read_parameters(space.grown(new).specs))
    space.update(space.grown(new).specs, new)
    assert declared(space.hyperparameters.space) == declared(hp.space)


def test_two_workers_that_grow_a_space_at_once() -> None:
    base = HyperParameters()
    base.Boolean("a")
    server = SearchSpace(read_parameters(sent(base)))
    one, other = base.copy(), base.copy()
    one.Int("p", 1, 3)
    other.Int("first", 1, 3)
    other.Int("p", 1, 3)
    with one.conditional_scope("p", [3]):
        one.Int("child", 1, 3)
    for worker in (other, one):
        space = Space(sent(base))
        server = server.grow(read_parameters(space.grown(space.missing(worker)).additions))
    names = [hp.name for hp in hyperparameters_in(map(write_parameter, server.parameters))]
    assert sorted(names) == ["a", "child", "first", "p"]
    assert names.index("p") < names.index("child")


def test_a_tree_that_others_made() -> None:
    wire = {
        "parameterId": "layers",
        "integerValueSpec": {"minValue": "1", "maxValue": "3"},
        "conditionalParameterSpecs": [
            {
                "parentIntValues": {"values": ["2", "3"]},
                "parameterSpec": {
                    "parameterId": "norm",
                    "categoricalValueSpec": {"values": ["True", "False"]},
                    "conditionalParameterSpecs": [
                        {
                            "parentCategoricalValues": {"values": ["True"]},
                            "parameterSpec": {"parameterId": "eps", "doubleValueSpec": {"minValue": 0, "maxValue": 1}},
                        }
                    ],
                },
            }
        ],
    }
    space = Space([ParameterSpec.model_validate(wire)])
    hp = HyperParameters()
    hp.Int("layers", 1, 3)
    with hp.conditional_scope("layers", [2, 3]):
        hp.Boolean("norm")
        with hp.conditional_scope("norm", [True]):
            hp.Float("eps", 0, 1)
    assert space.missing(hp) == []
    assert declared(space.hyperparameters.space) == declared(hp.space)
    values = filled(space.hyperparameters, {"layers": 2, "norm": "True", "eps": 0.5}).values
    assert values == {"layers": 2, "norm": True, "eps": 0.5}


def test_values_are_filled_and_cut_to_what_is_active() -> None:
    hp = nested()
    values = filled(hp, {"model": "cnn", "pool": True, "units": 8, "unknown": 1}).values
    assert values == {"model": "cnn", "pool": True, "size": 2, "lr": 1e-4}
    assert hp.values["model"] == "mlp", "the space itself is left as it is"


def declare(hp: HyperParameters, rng: Random, depth: int = 0) -> None:
    """Declares a random space; the same rng gives the same one. Names may stand in several branches."""
    kinds: list[Callable[[str], Any]] = [
        lambda name: hp.Int(name, 1, 4),
        lambda name: hp.Int(name, 2, 32, step=2, sampling="log"),
        lambda name: hp.Float(name, 0.5, 1.0, step=0.25),
        lambda name: hp.Float(name, 0.1, 1.0, sampling="log"),
        lambda name: hp.Choice(name, ["a", "b", "c"]),
        lambda name: hp.Choice(name, [1e-12, 1e-13]),
        lambda name: hp.Boolean(name),
        lambda name: hp.Fixed(name, 3),
    ]
    for _ in range(rng.randint(1, 3)):
        number = rng.randint(0, 3)
        name = f"{depth}/{number}"
        kinds[(4 * depth + number) % len(kinds)](name)
        hps = [one for one in hp.space if one.name == name and one.conditions == hp._conditions]
        values = list(hps[0].values)
        for value in rng.sample(values, min(len(values), rng.randint(0, 2))) if depth < 3 else ():
            with hp.conditional_scope(name, [value]):
                declare(hp, rng, depth + 1)


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_any_space_is_understood_and_any_suggestion_has_the_declared_values(seed: int, drawn: int) -> None:
    hp = HyperParameters()
    declare(hp, Random(seed))
    specs = sent(hp)
    known = Space(specs)
    known.update(specs, hp.space)
    space = known.hyperparameters
    assert sorted(map(str, declared(space.space))) == sorted(map(str, declared(hp.space)))
    suggestion = sample(SearchSpace(read_parameters(specs)), Random(drawn))
    trial = filled(space, json.loads(json.dumps(suggestion)))
    for one in space.space:
        if space.is_active(one) and trial.is_active(one):
            assert type(trial.values[one.name]) is type(one.default)
    # The hypermodel sees every active hyperparameter with a value that it may have, and finds nothing new.
    before = dict(trial.values)
    declare(trial, Random(seed))
    assert trial.values == before
    for name, value in before.items():
        active = [one for one in trial.space if one.name == name and trial.is_active(one)]
        assert any(value_of(one, value) == value for one in active)
        assert name in suggestion or value == active[0].default
