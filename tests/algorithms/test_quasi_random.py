"""Quasi-random search: even, scrambled by the study's seed, without repeats in small spaces."""

from __future__ import annotations

import itertools
import random

import pytest

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sobol import Sobol
from dodona_server.domain.space import Categorical, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec


def searched(space, count, seed=5, start=0, step=1, name="QUASI_RANDOM_SEARCH"):
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), space, name)
    algorithm = algorithm_for(name)
    found = []
    for position in range(start, start + count, step):
        rng = random.Random(f"{seed}/{position}")
        found += algorithm.suggest(Request(Problem(spec, position, (), seed), (), (), step, rng)).parameters
    return found


CUBE = SearchSpace(tuple(Parameter(f"x{n}", Double(0, 1)) for n in range(3)))


def test_one_sequence_however_it_is_asked_for():
    assert searched(CUBE, 24) == searched(CUBE, 24, step=8)
    assert searched(CUBE, 24)[10:] == searched(CUBE, 14, start=10)
    assert searched(CUBE, 24) != searched(CUBE, 24, seed=6)


@pytest.mark.parametrize("dimension", [0, 1, 2, 17, 63, 64, 130])
def test_each_interval_of_a_net_has_one_point(dimension):
    sequence = Sobol("study")
    for start in (0, 64, 256):
        cells = {int(sequence.coordinate(start + index, dimension) * 64) for index in range(64)}
        assert len(cells) == 64


@pytest.mark.parametrize("seed", range(5))
def test_the_first_two_dimensions_are_a_net_together(seed):
    sequence = Sobol(str(seed))
    points = [(sequence.coordinate(index, 0), sequence.coordinate(index, 1)) for index in range(64)]
    for columns in (2, 4, 8, 16, 32):
        rows = 64 // columns
        assert len({(int(x * columns), int(y * rows)) for x, y in points}) == 64


def test_the_dimensions_beyond_the_table_are_independent_of_those_they_repeat():
    sequence = Sobol("study")
    count = 256
    for first, second in itertools.combinations((0, 64, 128), 2):
        pairs = [(sequence.coordinate(index, first), sequence.coordinate(index, second)) for index in range(count)]
        correlation = sum((x - 0.5) * (y - 0.5) for x, y in pairs) / count * 12
        assert abs(correlation) < 0.2


@pytest.mark.parametrize("name", ["QUASI_RANDOM_SEARCH", "RANDOM_SEARCH"])
def test_a_small_space_is_gone_through_before_anything_repeats(name):
    space = SearchSpace((Parameter("n", Integer(1, 6)), Parameter("c", Categorical(("a", "b", "c")))))
    found = [frozenset(values.items()) for values in searched(space, 36, name=name)]
    assert len(set(found[:18])) == 18
    if name == "RANDOM_SEARCH":
        assert len(found) == 18, "random search ends, as KerasTuner's does"
    else:
        assert len(set(found[18:])) == 18
        assert found[:18] != found[18:]


def test_where_points_are_not_alike_the_sequence_keeps_to_the_scales():
    space = SearchSpace((Parameter("n", Integer(1, 512, Scale.LOG)),))
    below = sum(values["n"] < 23 for values in searched(space, 64))
    assert below == pytest.approx(32, abs=1)
