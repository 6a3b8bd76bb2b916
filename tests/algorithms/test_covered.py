"""Grids and random search over a space that has grown: what the trials stand for is not suggested again."""

from __future__ import annotations

import random

import pytest

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple import random_search
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Trial, TrialState

A, B = Parameter("a", Discrete((1, 2, 3))), Parameter("b", Categorical(("x", "y")))
BOTH = SearchSpace((A, B))
GRIDS = ["GRID_SEARCH", "SHUFFLED_GRID_SEARCH"]
ALL = [*GRIDS, "RANDOM_SEARCH"]


def finished(*points):
    return [Trial(number, TrialState.SUCCEEDED, point) for number, point in enumerate(points, start=1)]


def running(*points):
    return [Trial(50 + number, TrialState.ACTIVE, point) for number, point in enumerate(points)]


def suggested(name, space, completed=(), pending=(), count=20, position=0):
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), space, name)
    problem = Problem(spec, position, seed=3, has_grown=True)
    return algorithm_for(name).suggest(Request(problem, list(completed), list(pending), count, random.Random(1)))


def points(suggestions):
    return {tuple(sorted(point.items())) for point in suggestions.parameters}


@pytest.mark.parametrize("name", ALL)
def test_what_was_tried_is_left_out(name):
    found = suggested(name, BOTH, finished({"a": 1, "b": "x"}), running({"a": 3, "b": "y"}))
    assert not found.wait
    assert len(found.parameters) == 4
    assert points(found) == {
        (("a", a), ("b", b)) for a in (1, 2, 3) for b in ("x", "y") if (a, b) not in ((1, "x"), (3, "y"))
    }


@pytest.mark.parametrize("name", ALL)
def test_a_finished_trial_stands_for_all_values_of_what_it_did_not_use(name):
    found = suggested(name, BOTH, finished({"a": 1}, {"a": 2}))
    assert points(found) == {(("a", 3), ("b", "x")), (("a", 3), ("b", "y"))}
    assert not found.wait


@pytest.mark.parametrize("name", ALL)
def test_a_running_trial_may_turn_out_to_use_it(name):
    found = suggested(name, BOTH, finished({"a": 1}, {"a": 2}), running({"a": 3}))
    assert (list(found.parameters), found.wait) == ([], True)
    assert suggested(name, BOTH, (), running({})).wait
    # What it has found is its own; the rest is left.
    settled = suggested(name, BOTH, finished({"a": 1}, {"a": 2}, {"b": "x", "a": 3}))
    assert points(settled) == {(("a", 3), ("b", "y"))}


@pytest.mark.parametrize("name", ALL)
def test_a_trial_of_no_parameters_stands_for_nothing_once_it_is_finished(name):
    assert len(suggested(name, BOTH, finished({})).parameters) == 6


@pytest.mark.parametrize("name", ALL)
def test_conditional_parameters_that_appeared(name):
    child = Parameter("c", Integer(1, 2))
    space = SearchSpace((Parameter("a", Discrete((1, 2)), (Branch((2,), child),)), B))
    found = suggested(name, space, finished({"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 2, "c": 1, "b": "y"}))
    assert points(found) == {(("a", 1), ("b", "y")), (("a", 2), ("b", "y"), ("c", 2))}


def test_a_grid_skips_what_a_trial_stands_for_at_once():
    late = [Parameter(f"x{number}", Double(0, 1)) for number in range(30)]
    found = suggested("GRID_SEARCH", SearchSpace((A, *late)), finished({"a": 1}, {"a": 2}), count=2)
    assert [point["a"] for point in found.parameters] == [3, 3]


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_ends_whatever_its_trials_turn_out_to_use(name):
    strange = finished(*({"a": 7, "b": "x"} for _ in range(12)))
    assert len(suggested(name, BOTH, strange, position=11).parameters) == 1
    assert len(suggested(name, BOTH, strange, position=12).parameters) == 0


def test_random_search_of_a_large_finite_space_finds_the_rest_and_ends():
    space = SearchSpace(tuple(Parameter(name, Integer(1, 11)) for name in "abc"))
    tried = finished(*({"a": a, "b": b, "c": c} for a in range(1, 12) for b in range(1, 12) for c in range(1, 12)))
    assert suggested("RANDOM_SEARCH", space, tried, position=len(tried)).parameters == []
    rest = suggested("RANDOM_SEARCH", space, tried[:-9], position=len(tried) - 9, count=20)
    assert len(points(rest)) == len(rest.parameters) == 9


def test_random_search_of_a_very_large_space_ends_after_its_collisions(monkeypatch):
    monkeypatch.setattr(random_search, "MAX_LISTED", 1)
    space = SearchSpace((Parameter("a", Integer(1, 50)), Parameter("b", Integer(1, 50))))
    tried = finished(*({"a": a, "b": b} for a in range(1, 51) for b in range(1, 51)))[1:]
    assert suggested("RANDOM_SEARCH", space, tried, position=len(tried)).parameters == []


def test_random_search_leaves_out_what_was_queued():
    spec = StudySpec((Metric("m", Goal.MAXIMIZE),), SearchSpace((A,)), "RANDOM_SEARCH")
    found = algorithm_for("RANDOM_SEARCH").suggest(Request(Problem(spec), finished({"a": 2}), [], 5, random.Random(1)))
    assert sorted(point["a"] for point in found.parameters) == [1, 3]
