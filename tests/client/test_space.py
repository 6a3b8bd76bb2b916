"""Spaces as users write them, and their way to the wire and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona import Boolean, Categorical, Discrete, Float, Int, near
from dodona._codec import decode, encode, names_in, space_of, specs_of
from dodona._space import Parameter, Scale, Space, Value
from dodona_schemas.vertex import AddParametersRequest, TrialContext, TrialParameter

EXAMPLE: dict[str, Parameter] = {
    "lr": Float(1e-5, 1e-1, scale="log", default=1e-3),
    "layers": Int(1, 4, children={(3, 4): {"skip": Boolean()}}),
    "optimizer": Categorical(
        ["adam", "sgd"],
        children={"sgd": {"momentum": Float(0, 0.99), "nesterov": Boolean(children={True: {"warm": Int(0, 9)}})}},
    ),
    "batch": Discrete([16, 32, 64], scale="log", children={64: {"accumulate": Boolean()}}),
    "augment": Boolean(default=False),
}


def over_the_wire(space: Space) -> dict[str, Parameter]:
    body = AddParametersRequest(parameters=specs_of(space)).to_json()
    return space_of(AddParametersRequest.model_validate_json(body).parameters)


def values_over_the_wire(space: Space, values: Mapping[str, Value]) -> dict[str, Value]:
    body = TrialContext(parameters=encode(space, values)).to_json()
    return decode(space, TrialContext.model_validate_json(body).parameters)


def test_the_example_travels_both_ways() -> None:
    assert over_the_wire(EXAMPLE) == EXAMPLE


def test_the_form_on_the_wire() -> None:
    batch, augment = specs_of({"batch": EXAMPLE["batch"], "augment": EXAMPLE["augment"]})
    assert json.loads(batch.to_json()) == {
        "parameterId": "batch",
        "discreteValueSpec": {"values": [16, 32, 64]},
        "scaleType": "UNIT_LOG_SCALE",
        "metadata": {},
        "conditionalParameterSpecs": [
            {
                "parentDiscreteValues": {"values": [64]},
                "parameterSpec": {
                    "parameterId": "accumulate",
                    "categoricalValueSpec": {"values": ["False", "True"]},
                    "scaleType": "SCALE_TYPE_UNSPECIFIED",
                    "conditionalParameterSpecs": [],
                    "metadata": {"dodona.type": "bool"},
                },
            }
        ],
    }
    assert json.loads(augment.to_json())["categoricalValueSpec"] == {
        "values": ["False", "True"],
        "defaultValue": "False",
    }


def test_a_single_value_in_a_tuple_is_that_value() -> None:
    one = Categorical(["a", "b"], children={("a",): {"x": Int(0, 1)}})
    assert one == Categorical(["a", "b"], children={"a": {"x": Int(0, 1)}})


def test_values_keep_their_types() -> None:
    values: dict[str, Value] = {"lr": 1e-2, "layers": 3, "skip": True, "optimizer": "sgd", "momentum": 0.5}
    values |= {"nesterov": True, "warm": 0, "batch": 32, "augment": False}
    back = values_over_the_wire(EXAMPLE, values)
    assert back == values
    assert {name: type(value) for name, value in back.items()} == {name: type(v) for name, v in values.items()}


def test_numbers_of_other_clients_get_their_types() -> None:
    came = [("lr", 0), ("layers", 3.0), ("batch", 32.0), ("augment", "True"), ("unknown", 5)]
    parameters = [TrialParameter(parameter_id=name, value=value) for name, value in came]
    values = decode(EXAMPLE, parameters)
    assert values == {"lr": 0.0, "layers": 3, "batch": 32, "augment": True, "unknown": 5}
    assert [type(value) for value in values.values()] == [float, int, int, bool, int]


def test_the_same_name_in_two_branches_is_read_by_its_own_branch() -> None:
    space = {"kind": Categorical(["a", "b"], children={"a": {"n": Int(0, 9)}, "b": {"n": Float(0, 9)}})}
    assert type(values_over_the_wire(space, {"kind": "a", "n": 3})["n"]) is int
    assert type(values_over_the_wire(space, {"kind": "b", "n": 3})["n"]) is float
    assert names_in(space) == ["kind", "n"]


def test_numpy_numbers_are_taken() -> None:
    values: dict[str, Any] = {
        "lr": np.float32(0.01),
        "layers": np.int64(2),
        "batch": np.int32(16),
        "augment": np.bool_(True),
    }
    back = values_over_the_wire(EXAMPLE, values)
    assert (back["layers"], back["batch"], back["augment"]) == (2, 16, True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 3.0}, "parameter 'lr': 3.0 is not a number from 1e-05 to 0.1"),
        ({"lr": "3"}, "parameter 'lr': '3' is not a number from 1e-05 to 0.1"),
        ({"lr": None}, "parameter 'lr': None is not a number"),
        ({"layers": 1.5}, "parameter 'layers': 1.5 is not an integer from 1 to 4"),
        ({"layers": True}, "parameter 'layers': True is not an integer from 1 to 4"),
        ({"layers": math.inf}, "parameter 'layers': inf is not an integer from 1 to 4"),
        ({"optimizer": "adamw"}, "parameter 'optimizer': 'adamw' is not one of 'adam', 'sgd'"),
        ({"batch": 48}, "parameter 'batch': 48 is not one of 16, 32, 64"),
        ({"augment": "yes"}, "parameter 'augment': 'yes' is neither True nor False"),
        ({"momentum": 0.5}, "'momentum' is not an active parameter here; the active ones are augment, batch, la"),
        ({"optimizer": "adam", "momentum": 0.5}, "'momentum' is not an active parameter here"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(EXAMPLE, values)


def test_children_follow_the_default_of_a_parent_that_is_left_out() -> None:
    space = {"use": Boolean(default=True, children={True: {"n": Int(0, 9)}})}
    assert [parameter.parameter_id for parameter in encode(space, {"n": 3})] == ["n"]


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Float(1, 0), r"Float\(min=1, max=0.*: min 1 is above max 0"),
        (lambda: Float(0, math.inf), "inf is not a finite number"),
        (lambda: Float("0", 1), "'0' is not a finite number"),  # type: ignore[arg-type]
        (lambda: Float(0, 1, scale="log"), "0 cannot be on a logarithmic scale"),
        (lambda: Float(0, 1, scale="cubic"), "scale 'cubic' is not one of 'linear', 'log', 'reverse_log'"),  # type: ignore[arg-type]
        (lambda: Float(0, 1, default=2), "2 is not a number from 0.0 to 1.0"),
        (lambda: Int(0, 1.5), "1.5 is not an integer; use Float"),  # type: ignore[arg-type]
        (lambda: Int(0, 9, children={10: {"x": Int(0, 1)}}), "10 is not an integer from 0 to 9"),
        (lambda: Int(0, 9, children={(): {"x": Int(0, 1)}}), "children under an empty tuple"),
        (lambda: Categorical([]), "the list is empty"),
        (lambda: Categorical(["a", "a"]), "'a' appears twice"),
        (lambda: Categorical("adam"), "'adam' is one string; write a list"),
        (lambda: Categorical([1, 2]), "1 is not a string; use Discrete for numbers"),  # type: ignore[list-item]
        (lambda: Categorical([True, False]), "Boolean for True and False"),  # type: ignore[list-item]
        (lambda: Categorical(["a"], default="b"), "'b' is not one of 'a'"),
        (lambda: Categorical(["a"], children={"b": {"x": Int(0, 1)}}), "'b' is not one of 'a'"),
        (lambda: Categorical(["a"], children={"a": {"x": 3}}), "parameter 'x' is 3; write it as Float"),  # type: ignore[dict-item]
        (lambda: Discrete(["a"]), "'a' is not a finite number; use Categorical"),  # type: ignore[list-item]
        (lambda: Discrete([0, 1], scale="log"), "0 cannot be on a logarithmic scale"),
        (lambda: Discrete([1, 1.0]), "1.0 appears twice"),
        (lambda: Discrete([1, 2], default=3), "3 is not one of 1, 2"),
        (lambda: Boolean(default="yes"), "'yes' is neither True nor False"),  # type: ignore[arg-type]
        (lambda: specs_of({"x": (0, 1)}), r"parameter 'x' is \(0, 1\); write it as Float"),  # type: ignore[dict-item]
        (lambda: specs_of({3: Int(0, 1)}), "3 is not a name of a parameter"),  # type: ignore[dict-item]
    ],
)
def test_a_wrong_declaration_is_refused_where_it_is_written(declare: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare()


# --- any space, and any values of it

names = st.text("abcdefg", min_size=1, max_size=3)
scales: st.SearchStrategy[Scale] = st.sampled_from(get_args(Scale))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def floats(draw: st.DrawFn) -> Float:
    scale = draw(scales)
    bounds = st.floats(1e-9 if scale != "linear" else -1e9, 1e9).map(lambda bound: bound + 0.0)  # -0.0 is 0.0
    low, high = sorted(draw(st.lists(bounds, min_size=2, max_size=2)))
    return Float(low, high, scale=scale, default=draw(maybe(st.floats(low, high))))


@st.composite
def branches(draw: st.DrawFn, values: st.SearchStrategy[Any], depth: int) -> dict[Any, Space]:
    if depth == 0:
        return {}
    key = st.lists(values, min_size=1, max_size=3, unique=True).map(tuple)
    return draw(st.dictionaries(key, st.dictionaries(names, parameters(depth - 1), min_size=1, max_size=2), max_size=2))


@st.composite
def nests(draw: st.DrawFn, depth: int) -> Parameter:
    match draw(st.sampled_from(["int", "categorical", "discrete", "boolean"])):
        case "int":
            low, high = sorted(draw(st.lists(st.integers(1, 2**62), min_size=2, max_size=2)))
            inside = st.integers(low, high)
            return Int(
                low, high, scale=draw(scales), default=draw(maybe(inside)), children=draw(branches(inside, depth))
            )
        case "categorical":
            choices = draw(st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True))
            inside = st.sampled_from(choices)
            return Categorical(choices, default=draw(maybe(inside)), children=draw(branches(inside, depth)))
        case "discrete":
            number = st.integers(1, 10**6) | st.floats(1e-3, 1e6)
            values = draw(st.lists(number, min_size=1, max_size=4, unique=True))
            inside = st.sampled_from(values)
            children = draw(branches(inside, depth))
            return Discrete(values, scale=draw(scales), default=draw(maybe(inside)), children=children)
        case _:
            return Boolean(default=draw(maybe(st.booleans())), children=draw(branches(st.booleans(), depth)))


def parameters(depth: int) -> st.SearchStrategy[Parameter]:
    return floats() | nests(depth)


def spaces(depth: int = 2) -> st.SearchStrategy[dict[str, Parameter]]:
    return st.dictionaries(names, parameters(depth), max_size=4)


def _value(parameter: Parameter, data: st.DataObject) -> Value:
    match parameter:
        case Float(low, high):
            return data.draw(st.floats(low, high))
        case Int(low, high):
            return data.draw(st.integers(low, high))
        case Categorical(values) | Discrete(values):
            return data.draw(st.sampled_from(values))
        case _:
            return data.draw(st.booleans())


@given(spaces())
def test_every_space_comes_back_as_it_went(space: dict[str, Parameter]) -> None:
    assert over_the_wire(space) == space


@given(spaces(), st.data())
def test_every_value_comes_back_as_it_went(space: dict[str, Parameter], data: st.DataObject) -> None:
    values: dict[str, Value] = {}
    pending: list[Space] = [space]
    while pending:
        for name, parameter in pending.pop().items():
            if name in values:
                # The server refuses a space in which one name may stand for two parameters at once.
                return
            values[name] = _value(parameter, data)
            pending += parameter.active_children(values[name])
    back = values_over_the_wire(over_the_wire(space), values)
    assert back == values
    assert {name: type(value) for name, value in back.items()} == {name: type(v) for name, v in values.items()}


def test_a_computed_value_is_the_declared_one() -> None:
    space = {"rate": Discrete([0.1, 0.2, 0.3], children={0.1 + 0.2: {"child": Int(1, 3)}})}
    (rate, child) = encode(space, {"rate": 3 * 0.1, "child": 2})
    assert (rate.value, child.value) == (0.3, 2)
    assert decode(space, [TrialParameter(parameter_id="rate", value=0.1 + 0.2)]) == {"rate": 0.3}
    with pytest.raises(ValueError, match="is not one of"):
        Discrete([0.1, 0.3]).check(0.2999)


def test_a_prior_is_checked_like_a_value():
    rate = Float(1e-5, 1e-1, scale="log", prior=near(3e-4, 1e-3, sure="very"))
    assert space_of(specs_of({"rate": rate})) == {"rate": rate}
    flip = Boolean(prior=near(True))
    assert space_of(specs_of({"flip": flip})) == {"flip": flip}
    assert Int(1, 9, prior=near(3.0)).prior == near(3)
    with pytest.raises(ValueError, match=r"2 is not a number from 0\.0 to 1\.0"):
        Float(0, 1, prior=near(2))
    with pytest.raises(ValueError, match=r"write dodona\.near\(0\.5\)"):
        Float(0, 1, prior=0.5)
    with pytest.raises(ValueError, match="sure='quite' is not one of 'vaguely', 'fairly', 'very'"):
        near(1, sure="quite")
    with pytest.raises(ValueError, match="at least one value"):
        near()
