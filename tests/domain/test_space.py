"""The search space: what is valid, what is active, how it grows."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import (
    Branch,
    Categorical,
    Discrete,
    Double,
    Integer,
    Parameter,
    Scale,
    SearchSpace,
    agrees,
)
from tests.support.spaces import spaces

OPTIMIZERS = Parameter(
    "optimizer",
    Categorical(("sgd", "adam", "none")),
    (
        Branch(("sgd",), Parameter("momentum", Double(0.0, 1.0, default_value=0.9))),
        Branch(("sgd", "adam"), Parameter("rate", Double(1e-5, 1.0, Scale.LOG))),
    ),
)
SPACE = SearchSpace((OPTIMIZERS, Parameter("layers", Integer(1, 3)), Parameter("batch", Discrete((64, 32, 0.5)))))


@pytest.mark.parametrize(
    ("make", "field", "problem"),
    [
        (lambda: Double(1.0, 0.0), "min_value", "1.0 exceeds max_value 0.0"),
        (lambda: Double(0.0, math.inf), "max_value", "inf is not a finite number"),
        (lambda: Double(math.nan, 1.0), "min_value", "nan is not a finite number"),
        (lambda: Double(0.0, 1.0, Scale.LOG), "min_value", "must be above 0"),
        (lambda: Integer(0, 9, Scale.REVERSE_LOG), "min_value", "must be above 0"),
        (lambda: Integer(0, 2**63), "max_value", "does not fit into 64 bits"),
        (lambda: Double(0.0, 1.0, default_value=2.0), "default_value", "2.0 is not a number from 0.0 to 1.0"),
        (lambda: Integer(1, 4, default_value=5), "default_value", "5 is not an integer from 1 to 4"),
        (lambda: Categorical(()), "values", "is empty"),
        (lambda: Categorical(("a", "b", "a")), "values", "'a' appears twice"),
        (lambda: Categorical(("a",), "b"), "default_value", "'b' is not one of 'a'"),
        (lambda: Discrete((1.0, 1.0 + 1e-12)), "values", "less than 1e-10 apart"),
        (lambda: Discrete((0, 1), Scale.LOG), "values", "must be above 0"),
        (lambda: Discrete(tuple(range(1001))), "values", "1001 values; 1000 are allowed"),
        (lambda: Discrete((1, math.inf)), "values", "inf is not a finite number"),
        (lambda: Parameter("", Integer(1, 2)), "parameter_id", "is empty"),
        (lambda: Parameter("x" * 257, Integer(1, 2)), "parameter_id", "257 characters; 256 are allowed"),
    ],
)
def test_a_kind_that_makes_no_sense_names_the_field(make, field, problem):
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert caught.value.field == field
    assert problem in caught.value.message


def test_a_condition_must_name_values_of_its_parent():
    with pytest.raises(InvalidArgument, match=r"conditional_parameter_specs\[0\]: 'x' is not one of 'a', 'b'"):
        Parameter("p", Categorical(("a", "b")), (Branch(("x",), Parameter("q", Integer(1, 2))),))
    with pytest.raises(InvalidArgument, match="names no value"):
        Parameter("p", Categorical(("a", "b")), (Branch((), Parameter("q", Integer(1, 2))),))
    with pytest.raises(InvalidArgument, match="'p' is a DOUBLE"):
        Parameter("p", Double(0.0, 1.0), (Branch((0.5,), Parameter("q", Integer(1, 2))),))


def test_one_name_may_stand_in_branches_that_exclude_each_other():
    def under(first: str, second: str) -> SearchSpace:
        twins = [Branch((value,), Parameter("units", Integer(1, 8))) for value in (first, second)]
        return SearchSpace((Parameter("model", Categorical(("cnn", "mlp")), tuple(twins)),))

    assert len(list(under("cnn", "mlp").walk())) == 3
    with pytest.raises(InvalidArgument, match="'units' appears twice"):
        under("cnn", "cnn")
    with pytest.raises(InvalidArgument, match="'a' appears twice"):
        SearchSpace((Parameter("a", Integer(1, 2)), Parameter("a", Integer(1, 2))))


def test_check_gives_each_value_its_type_and_fills_in_defaults():
    checked = SPACE.check({"optimizer": "sgd", "rate": 1, "layers": 2.0, "batch": 32.0})
    assert checked == {"optimizer": "sgd", "momentum": 0.9, "rate": 1.0, "layers": 2, "batch": 32}
    assert [type(checked[name]) for name in ("rate", "layers", "batch")] == [float, int, int]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "none", "layers": 1}, "parameters: 'batch' has no value"),
        ({"optimizer": "lion", "layers": 1, "batch": 32}, r"parameters\['optimizer'\]: 'lion' is not one of 'sgd'"),
        ({"optimizer": "none", "layers": 4, "batch": 32}, r"parameters\['layers'\]: 4 is not an integer from 1 to 3"),
        ({"optimizer": "none", "layers": True, "batch": 32}, r"parameters\['layers'\]: True is not an integer"),
        ({"optimizer": "none", "layers": 1.5, "batch": 32}, r"parameters\['layers'\]: 1.5 is not an integer"),
        ({"optimizer": "none", "layers": 1, "batch": 32, "rate": 0.1}, "parameters: 'rate' is not an active parameter"),
    ],
)
def test_check_says_what_is_wrong_with_a_point(values, message):
    with pytest.raises(InvalidArgument, match=message):
        SPACE.check(values)


@given(spaces(), st.integers(0, 2**32))
def test_every_sampled_point_of_any_space_is_valid_as_it_stands(space, seed):
    values = sample(space, random.Random(seed))
    checked = space.check(values)
    assert checked == values
    assert [type(value) for value in checked.values()] == [type(value) for value in values.values()]


@given(spaces())
def test_growing_by_what_is_there_changes_nothing(space):
    assert space.grow(space.parameters) == space


def test_growing_adds_parameters_and_branches_but_never_changes_a_range():
    child = Parameter("beta", Double(0.0, 1.0))
    grown = SPACE.grow(
        [Parameter("optimizer", OPTIMIZERS.kind, (Branch(("adam",), child),)), Parameter("new", Integer(1, 2))]
    )
    assert [parameter.id for _, parameter in grown.walk()] == [
        "optimizer", "momentum", "rate", "beta", "layers", "batch", "new",
    ]  # fmt: skip
    assert grown.grow(SPACE.parameters) == grown
    with pytest.raises(InvalidArgument, match="'layers' is in the study already"):
        SPACE.grow([Parameter("layers", Integer(1, 4))])


@given(spaces(), st.integers(0, 2**32), st.data())
def test_a_restricted_space_holds_the_fixed_values_and_nothing_that_the_whole_does_not(space, seed, data):
    point = sample(space, random.Random(seed))
    names = data.draw(st.sets(st.sampled_from(sorted(point))))
    fixed = {name: point[name] for name in names}
    values = sample(space.restrict(fixed), random.Random(seed + 1))
    assert space.check(values) == values
    assert all(values[name] == fixed[name] for name in names if name in values)


def test_restricting_to_what_is_not_there_is_refused():
    with pytest.raises(InvalidArgument, match="'nothing' is not a parameter of the study"):
        SPACE.restrict({"nothing": 1})
    with pytest.raises(InvalidArgument, match=r"parameters\['layers'\]: 9 is not an integer from 1 to 3"):
        SPACE.restrict({"layers": 9})


def test_a_name_in_two_branches_is_restricted_where_its_range_has_the_value():
    def branch(value, low, high):
        return Branch((value,), Parameter("x", Double(low, high)))

    model = Parameter("model", Categorical(("a", "b", "c", "d"), "b"), (branch("a", 0, 1), branch("b", 10, 20)))
    space = SearchSpace((model,))
    for fixed in ({"model": "a", "x": 0.5}, {"x": 0.5, "model": "a"}):
        assert sample(space.restrict(fixed), random.Random(1)) == fixed
    found = [sample(space.restrict({"x": 0.5}), random.Random(seed)) for seed in range(30)]
    assert {values["model"] for values in found} == {"a", "c", "d"}
    for values in found:
        assert space.check(values) == values
        assert values.get("x", 0.5) == 0.5
    for fixed in ({"model": "b", "x": 0.5}, {"x": 5}, {"model": "c", "x": 5}):
        with pytest.raises(InvalidArgument, match=r"parameters\['x'\]: (0.5|5) is not a number from 10"):
            space.restrict(fixed)


def test_a_value_that_no_branch_of_a_fixed_parent_needs_drops_those_branches_only():
    inner = Parameter(
        "n", Integer(1, 9), tuple(Branch((value,), Parameter("x", Integer(value, 9))) for value in (2, 7))
    )
    space = SearchSpace((Parameter("top", Categorical(("on", "off")), (Branch(("on",), inner),)),))
    restricted = space.restrict({"x": 5})
    points = [sample(restricted, random.Random(seed)) for seed in range(60)]
    assert {values["n"] for values in points if "n" in values} == {1, 2, 3, 4, 5, 6}
    assert {values["x"] for values in points if values.get("n") == 2} == {5}
    assert all(space.check(values) == values for values in points)
    twins = tuple(Branch((value,), Parameter("x", Integer(value, value))) for value in (1, 2))
    space = SearchSpace((Parameter("top", Integer(1, 2), (*twins, Branch((1, 2), Parameter("y", Integer(0, 1))))),))
    assert sample(space.restrict({"x": 2, "y": 1}), random.Random(1)) == {"top": 2, "x": 2, "y": 1}


@pytest.mark.parametrize("value", [0.3, 0.1 + 0.2, 3 * 0.1])
def test_a_computed_value_is_the_declared_one(value):
    assert Discrete((0.1, 0.2, 0.3)).check(value) == 0.3
    assert agrees({"x": 0.3, "y": "a"}, {"x": value})


def test_declared_values_stay_apart():
    near = Discrete((1.0, 1.0 + 1e-9, 1e-10, 0.0, 2**53 + 1, 2**53))
    for value in near.values:
        assert near.check(value) == value
    assert near.check(-0.3 + 3 * 0.1) == 0.0
    for value in (0.31, 1.5e-10, 2**53 + 2, 1.0 + 1e-6):
        with pytest.raises(InvalidArgument, match="is not one of"):
            near.check(value)
    assert not agrees({"x": 0.3}, {"x": 0.31})
    assert not agrees({"x": 0.3}, {"y": 0.3})


def test_a_condition_on_a_computed_value_means_the_declared_one():
    rate = Parameter("rate", Discrete((0.1, 0.3)), (Branch((0.1 + 0.2,), Parameter("child", Integer(1, 3))),))
    space = SearchSpace((rate,))
    assert space.check({"rate": 0.1 + 0.2, "child": 2}) == {"rate": 0.3, "child": 2}
    assert space.restrict({"rate": 3 * 0.1}).parameters[0].kind.values == (0.3,)
