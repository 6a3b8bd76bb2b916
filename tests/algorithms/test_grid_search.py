"""Grid search: every point once, however large the grid."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.space.grid import Grid, count_points, grid_values
from dodona_server.algorithms.space.permutation import Permutation
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from tests.support.spaces import spaces

CONDITIONAL = SearchSpace(
    (
        Parameter(
            "n",
            Integer(0, 5),
            (
                Branch((2,), Parameter("a", Categorical(("x", "y")))),
                Branch((2, 4), Parameter("b", Discrete((1, 2, 3)), (Branch((3,), Parameter("c", Integer(7, 8))),))),
            ),
        ),
        Parameter("last", Categorical(("p", "q"))),
    )
)


def searched(name, space, workers=3, seed=0, **options):
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), space, name, algorithm_options=options)
    found, asked = [], workers
    while True:
        suggestions = algorithm_for(name).suggest(
            Request(Problem(spec, len(found), (), seed), (), (), asked, random.Random(1))
        )
        assert not suggestions.wait
        found += suggestions.parameters
        if len(suggestions.parameters) < asked:
            return found


@pytest.mark.parametrize("workers", [1, 2, 7, 100])
@pytest.mark.parametrize("name", ["GRID_SEARCH", "SHUFFLED_GRID_SEARCH"])
def test_every_point_of_a_conditional_space_comes_once(name, workers):
    found = searched(name, CONDITIONAL, workers)
    # n = 0, 1, 3, 5 alone; n = 2 with two a and four (b, c); n = 4 with four (b, c); all with two values of last.
    assert len(found) == 2 * (4 + 2 * 4 + 4)
    assert len({frozenset(values.items()) for values in found}) == len(found)
    for values in found:
        assert CONDITIONAL.check(values) == values


def test_the_last_parameter_changes_fastest():
    space = SearchSpace((Parameter("a", Discrete((2, 1))), Parameter("b", Categorical(("x", "y")))))
    assert [(values["a"], values["b"]) for values in searched("GRID_SEARCH", space)] == [
        (2, "x"),
        (2, "y"),
        (1, "x"),
        (1, "y"),
    ]


def test_the_shuffled_order_is_the_studys():
    first, again, other = (searched("SHUFFLED_GRID_SEARCH", CONDITIONAL, 5, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first != searched("GRID_SEARCH", CONDITIONAL)


@given(spaces(), st.data())
def test_any_number_of_a_grid_is_a_valid_point(space, data):
    grid = Grid(space, 4)
    for index in (0, grid.size - 1, data.draw(st.integers(0, grid.size - 1))):
        assert space.check(grid[index]) == grid[index]
    with pytest.raises(IndexError):
        grid[grid.size]


@given(spaces())
def test_a_small_grid_has_no_point_twice(space):
    grid = Grid(space, 2)
    if grid.size <= 2000:
        assert len({frozenset(grid[index].items()) for index in range(grid.size)}) == grid.size


def test_a_grid_of_astronomical_size_costs_nothing():
    space = SearchSpace(tuple(Parameter(f"x{n}", Double(0, 1)) for n in range(300)))
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), space)
    assert Grid(space, 10).size == 10**300
    for name in ("GRID_SEARCH", "SHUFFLED_GRID_SEARCH"):
        (values,) = algorithm_for(name).suggest(Request(Problem(spec, 10**200), (), (), 1, random.Random(1))).parameters
        assert space.check(values) == values


@pytest.mark.parametrize(
    ("kind", "points", "expected"),
    [
        (Double(0, 1), 3, [0.0, 0.5, 1.0]),
        (Double(0, 1), 1, [0.5]),
        (Double(2, 2), 5, [2.0]),
        (Double(1e-4, 1.0, Scale.LOG), 5, [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        (Integer(3, 6), 2, [3, 4, 5, 6]),
        (Integer(0, 10_000), 3, [0, 5000, 10_000]),
        (Integer(1, 10_000, Scale.LOG), 5, [1, 10, 100, 1000, 10_000]),
        (Integer(-(2**63) + 1, 2**63 - 1), 3, [-(2**63) + 1, 0, 2**63 - 1]),
        (Discrete((4, 1)), 1, [4, 1]),
    ],
)
def test_the_values_on_the_grid(kind, points, expected):
    assert list(grid_values(Parameter("x", kind), points)) == pytest.approx(expected)


def test_a_thinned_range_keeps_the_values_with_conditional_parameters():
    parameter = Parameter("n", Integer(0, 10_000), (Branch((77,), Parameter("x", Double(0, 1))),))
    assert list(grid_values(parameter, 2)) == [0, 77, 10_000]
    assert Grid(SearchSpace((parameter,)), 2).size == 1 + 2 + 1


@given(st.integers(1, 300), st.text(max_size=5))
def test_a_permutation_has_every_number_once(size, key):
    order = Permutation(size, key)
    assert sorted(order[index] for index in range(size)) == list(range(size))


def test_what_has_no_end_is_not_counted():
    assert count_points(CONDITIONAL) == 32
    assert count_points(SearchSpace((Parameter("x", Double(0, 1)),))) is None
    assert count_points(SearchSpace((Parameter("x", Double(1, 1)), Parameter("n", Integer(1, 3))))) == 3


@pytest.mark.parametrize("points", [0, 1.5, True, "3"])
def test_the_number_of_points_is_checked(points):
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), CONDITIONAL, algorithm_options={"points": points})
    with pytest.raises(InvalidArgument, match=r"is not a whole number from 1"):
        algorithm_for("GRID_SEARCH").check(spec)


def nested(depth, innermost):
    """A chain of conditions, each under two of its parent's three values."""
    parameter = Parameter("innermost", innermost)
    for level in range(depth):
        parameter = Parameter(f"p{level}", Categorical(("a", "b", "c")), (Branch(("a", "b"), parameter),))
    return SearchSpace((parameter,))


@pytest.mark.timeout(10)
def test_nested_conditions_cost_what_they_have_in_parameters():
    space = nested(31, Double(0, 1))
    # Each level has its child's points twice, and one more.
    assert Grid(space, 10).size == 2**31 * 11 - 1
    (values,) = searched_once("GRID_SEARCH", space)
    assert len(values) == 32
    assert space.check(values) == values


def searched_once(name, space, position=0, **options):
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), space, name, algorithm_options=options)
    return algorithm_for(name).suggest(Request(Problem(spec, position), (), (), 1, random.Random(1))).parameters


@pytest.mark.parametrize("kind", [Double(0, 1), Double(1e-6, 1, Scale.LOG), Integer(0, 10**12)])
def test_a_million_values_on_an_axis_are_not_written_out(kind):
    values = grid_values(Parameter("x", kind), 1_000_000)
    assert not isinstance(values, list)
    assert len(values) == 1_000_000
    assert [values[0], values[999_999]] == [kind.min_value, kind.max_value]
    assert values[499_999] < values[500_000]
    with pytest.raises(IndexError):
        values[1_000_000]
    space = SearchSpace((Parameter("x", kind),))
    (point,) = searched_once("GRID_SEARCH", space, 123_456, points=1_000_000)
    assert point == {"x": values[123_456]}


def test_a_range_with_hardly_more_integers_than_points_has_each_once():
    for points in (1000, 1001, 1002, 5000):
        values = list(grid_values(Parameter("n", Integer(1, 1001)), points))
        assert values == sorted(set(values))
        assert len(values) == min(points, 1001)
