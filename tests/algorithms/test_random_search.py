"""Random search: reproducible, and spread as the scales say."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.algorithms.space.grid import count_points
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from tests.support.spaces import spaces

DRAWS = 4000


def drawn(kind):
    rng = random.Random(7)
    space = SearchSpace((Parameter("x", kind),))
    return [sample(space, rng)["x"] for _ in range(DRAWS)]


@given(spaces(), st.integers(1, 4), st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_suggestions(space, count, seed):
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), space)
    search = algorithm_for("RANDOM_SEARCH")
    first, second = (search.suggest(Request(Problem(spec), (), (), count, random.Random(seed))) for _ in range(2))
    assert first == second
    size = count_points(space)
    assert len(first.parameters) == (count if size is None else min(count, size))
    for values in first.parameters:
        assert space.check(values) == values


@pytest.mark.parametrize(
    ("scale", "median"),
    [
        (Scale.LINEAR, 0.5 * (1e-4 + 1.0)),
        (Scale.LOG, math.sqrt(1e-4 * 1.0)),
        (Scale.REVERSE_LOG, 1.0 + 1e-4 - math.sqrt(1e-4 * 1.0)),
    ],
)
def test_half_of_a_double_lies_below_the_middle_of_its_scale(scale, median):
    below = sum(value < median for value in drawn(Double(1e-4, 1.0, scale))) / DRAWS
    assert below == pytest.approx(0.5, abs=0.03)


def test_a_log_integer_is_spread_over_its_octaves_and_reaches_both_ends():
    values = drawn(Integer(1, 255, Scale.LOG))
    octaves = [int(math.log2(value)) for value in values]
    for octave in range(8):
        assert octaves.count(octave) / DRAWS == pytest.approx(1 / 8, abs=0.03)
    for scale in (Scale.LOG, Scale.REVERSE_LOG):
        assert set(drawn(Integer(2, 4, scale))) == {2, 3, 4}


@pytest.mark.parametrize(
    "kind", [Integer(-2, 2), Categorical(("a", "b", "c", "d", "e")), Discrete((8, 1, 0.5, 4, 2), Scale.LOG)]
)
def test_a_finite_linear_choice_is_uniform(kind):
    values = drawn(kind)
    counts = [values.count(value) for value in set(values)]
    assert len(counts) == 5
    assert statistics.mean(counts) == DRAWS / 5
    assert max(counts) < 1.15 * DRAWS / 5


def test_an_unknown_algorithm_is_named_with_those_there_are():
    with pytest.raises(InvalidArgument, match=r"ASK_THE_ORACLE is not available; available are .*RANDOM_SEARCH"):
        algorithm_for("ASK_THE_ORACLE")
