"""A Float or Int with a step has exactly the values that its decimals say, the end of the range among them."""

from __future__ import annotations

import math
from typing import Any

import keras_tuner
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_tuner.engine.hyperparameters import Choice, Float, HyperParameter, Int

from dodona.keras._mapping.hyperparameters import HyperParameters
from dodona.keras._mapping.parameter import encoded, spec_of, value_of
from dodona.keras._mapping.search_space import Space, filled
from dodona.keras._mapping.steps import grid_size, grid_value, snapped


def values(hp: HyperParameter) -> list[Any]:
    return [grid_value(hp, index) for index in range(grid_size(hp))]


@pytest.mark.parametrize(
    ("hp", "expected"),
    [
        (Float("x", 0, 0.3, 0.1), [0.0, 0.1, 0.2, 0.3]),
        (Float("x", 0.1, 0.7, 0.1), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        (Float("x", -0.3, 0.3, 0.1), [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
        (Float("x", 0, 1, 0.3), [0.0, 0.3, 0.6, 0.9]),
        (Float("x", 0, 1, 1 / 3), [0.0, 1 / 3, 0.6666666666666666, 1.0]),
        (Float("x", 0.1, 0.1 + 0.2, 0.1), [0.1, 0.2, 0.1 + 0.2]),
        (Float("x", 0.5, 0.5, 0.1), [0.5]),
        (Float("x", 1e-5, 1e-1, 10, "log"), [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        (Float("x", 1, 2, 2**0.5, "log"), [1.0, 2**0.5, 2.0]),
        (Float("x", 1e-3, 1e-1, 10, "reverse_log"), [0.1, 0.091, 0.001]),
        (Int("x", 6, 13, 3), [6, 9, 12]),
        (Int("x", 2, 32, 2, "log"), [2, 4, 8, 16, 32]),
        (Int("x", 1, 1000, 10, "reverse_log"), [1000, 991, 901, 1]),
    ],
)
def test_the_values(hp: HyperParameter, expected: list[Any]) -> None:
    assert values(hp) == expected
    assert [snapped(hp, value) for value in expected] == expected


@given(st.integers(-500, 500), st.integers(1, 99), st.integers(1, 300), st.integers(0, 4))
def test_every_step_that_ends_at_the_maximum_reaches_it(low: int, step: int, count: int, digits: int) -> None:
    ten = 10**digits
    hp = Float("x", low / ten, (low + step * count) / ten, step / ten)
    assert values(hp) == [(low + step * index) / ten for index in range(count + 1)]
    for index in range(count + 1):
        # The way that KerasTuner, and most programs, come to a value.
        assert snapped(hp, low / ten + index * (step / ten)) == (low + step * index) / ten


@pytest.mark.parametrize("hp", [Float("x", 0, 0.3, 0.1), Choice("x", [0.1, 0.2, 0.3])])
def test_a_computed_value_is_the_declared_one(hp: HyperParameter) -> None:
    spec = spec_of(hp, 0)
    assert encoded(spec, 0.1 + 0.2) == 0.3
    assert value_of(hp, 0.1 + 0.2) == 0.3
    assert encoded(spec, 0.31) is None


@pytest.mark.parametrize("values", [[0.3], [0.1 + 0.2], 0.1 + 0.2, (0.1 + 0.2,)])
@pytest.mark.parametrize(
    "declare", [lambda hp: hp.Float("a/rate", 0, 0.3, step=0.1), lambda hp: hp.Choice("a/rate", [0.1, 0.3])]
)
def test_a_condition_on_a_computed_value(values: Any, declare: Any) -> None:
    hp = HyperParameters()
    declare(hp)
    with hp.name_scope("a"), hp.conditional_scope("rate", values):
        hp.Int("child", 1, 3)
    space = Space()
    space.update(space.grown(hp.space).specs)
    assert filled(space.hyperparameters, {"a/rate": 0.3, "a/child": 2}).values == {"a/rate": 0.3, "a/child": 2}
    assert filled(space.hyperparameters, {"a/rate": 0.1}).values.keys() == {"a/rate"}


def test_a_step_too_fine_for_a_list_is_rounded_on_the_worker() -> None:
    hp = keras_tuner.engine.hyperparameters.Float("x", 0, 1, step=1e-4)
    assert value_of(hp, 0.12344) == 0.1234
    assert value_of(hp, 1.0) == 1.0
    assert all(math.isclose(grid_value(hp, index), index / 10_000, rel_tol=1e-15) for index in range(0, 10_001, 37))
