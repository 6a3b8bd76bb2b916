"""The evolutionary algorithms and what they stand on."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.contract.results import INFEASIBLE, ResultReader, TrialResult
from dodona_server.algorithms.evolution.variation import crossed, mutated, mutated_once
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.shared.nondominated import arrays, crowding, first_front, fronts, survivors
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.algorithms.space.tree import Tree
from dodona_server.algorithms.space.unit_interval import Axis
from dodona_server.domain.space import Branch, Categorical, Double, Integer, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec
from dodona_server.domain.trials.pareto import dominates
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.support.spaces import kinds, spaces


def finished(number, values, **metrics):
    measured = Measurement(metrics)
    return Trial(number, TrialState.SUCCEEDED, values, final_measurement=measured, end_time=float(number))


# --- places in the unit interval


@given(kinds, st.floats(0, 1))
def test_a_value_lies_in_its_own_cell(kind, u):
    axis = Axis(kind)
    value = axis.value(u)
    assert kind.check(value) == value
    low, high = axis.cell(value)
    assert 0 <= low <= high <= 1
    # Of ranges with more digits than a double has, the value next to it may be found.
    if axis.levels is not None and axis.levels <= 10**6:
        assert axis.value((low + high) / 2) == value


def test_integers_with_more_digits_than_a_double_have_cells_of_their_own():
    low = -9223372036854720002
    axis = Axis(Integer(low, low + 1))
    assert [axis.cell(value) for value in (low, low + 1)] == [(0, 0.5), (0.5, 1)]


def test_cells_cover_the_interval_as_random_search_draws():
    axis = Axis(Integer(1, 3))
    assert [axis.cell(value) for value in (1, 2, 3)] == [
        (0, pytest.approx(1 / 3)),
        (pytest.approx(1 / 3), pytest.approx(2 / 3)),
        (pytest.approx(2 / 3), 1),
    ]
    assert axis.cell(4) is None
    assert axis.cell("1") is None


# --- what a result is worth


def test_objectives_are_losses_and_safety_metrics_are_limits():
    metrics = (
        Metric("a", Goal.MAXIMIZE),
        Metric("b", Goal.MINIMIZE),
        Metric("heat", Goal.MINIMIZE, Safety(10.0)),
        Metric("grip", Goal.MAXIMIZE, Safety(1.0)),
    )
    reader = ResultReader(StudySpec(metrics, SearchSpace((Parameter("x", Double(0, 1)),))))
    assert reader.result(finished(1, {}, a=2.0, b=3.0, heat=9.0, grip=2.0)) == TrialResult((-2.0, 3.0), 0.0)
    assert reader.result(finished(1, {}, a=2.0, b=3.0, heat=11.5, grip=0.5)) == TrialResult((-2.0, 3.0), 2.0)
    assert reader.result(finished(1, {}, a=2.0, b=3.0, heat=9.0)) == INFEASIBLE
    assert reader.merits([finished(1, {}, a=2.0, b=3.0, heat=9.0, grip=2.0)]) == [(0.0, 1.0)]


@given(st.lists(st.one_of(st.floats(), st.none()), max_size=20), st.sampled_from(Goal))
def test_the_short_way_to_merits_is_the_long_one(values, goal):
    reader = ResultReader(StudySpec((Metric("m", goal),), SearchSpace((Parameter("x", Double(0, 1)),))))
    trials = [finished(n, {}, **({} if value is None else {"m": value})) for n, value in enumerate(values)]
    assert reader.merits(trials) == [reader.result(trial).merit for trial in trials]


# --- variation


@given(spaces(), st.integers(0, 2**32))
def test_children_are_valid(space, seed):
    rng, tree = random.Random(seed), Tree(space)
    mother, father = (tree.read(sample(space, rng)) for _ in range(2))
    for child in (mutated_once(tree, mother, rng), mutated(tree, crossed(tree, mother, father, rng), rng)):
        assert space.check(child) == child


def test_one_mutation_changes_one_parameter_and_what_depends_on_it():
    child = Parameter("x", Double(0, 1))
    space = SearchSpace(
        (Parameter("c", Categorical(("a", "b")), (Branch(("b",), child),)), Parameter("n", Integer(1, 9)))
    )
    tree, rng = Tree(space), random.Random(1)
    for _ in range(50):
        found = mutated_once(tree, tree.read({"c": "a", "n": 4}), rng)
        assert (found["c"] == "a") != (found["n"] == 4)
        assert ("x" in found) == (found["c"] == "b")


def test_a_child_of_two_lies_near_them():
    space = SearchSpace((Parameter("x", Double(0, 1)),))
    tree, rng = Tree(space), random.Random(1)
    children = [crossed(tree, {0: 0.2}, {0: 0.6}, rng)[0] for _ in range(500)]
    near = sum(min(abs(x - 0.2), abs(x - 0.6)) < 0.1 for x in children)
    assert near > 450
    assert len(set(children)) > 100


# --- regularized evolution


def test_the_population_forgets_the_oldest_however_good():
    space = SearchSpace((Parameter("c", Categorical(tuple("abcdefghij"))), Parameter("n", Integer(1, 1000))))
    spec = StudySpec(
        (Metric("m", Goal.MINIMIZE),),
        space,
        "REGULARIZED_EVOLUTION",
        algorithm_options={"population_size": 3, "tournament_size": 3},
    )
    trials = [finished(1, {"c": "a", "n": 1}, m=-100.0)]
    trials += [finished(n, {"c": "j", "n": 900 + n}, m=float(n)) for n in range(2, 5)]
    for seed in range(20):
        (values,) = (
            algorithm_for("REGULARIZED_EVOLUTION")
            .suggest(Request(Problem(spec, 4), trials, (), 1, random.Random(seed)))
            .parameters
        )
        # One parameter of the best of the last three has changed.
        assert (values["c"] == "j") != (values["n"] == 902)


# --- Pareto


def brute_fronts(points):
    left, found = set(range(len(points))), []
    while left:
        front = {
            i
            for i in left
            if not any(
                all(a <= b for a, b in zip(points[j], points[i], strict=True)) and points[j] != points[i] for j in left
            )
        }
        found.append(front)
        left -= front
    return found


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_fronts_equal_those_found_the_long_way(points):
    losses = np.array(points, dtype=float)
    found = fronts(losses, np.zeros(len(points)), len(points))
    assert [set(front.tolist()) for front in found] == brute_fronts(points)


def test_crowding_by_hand():
    losses = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    assert crowding(losses).tolist() == [np.inf, pytest.approx(3 / 4 + 3 / 4), pytest.approx(3 / 4 + 2 / 4), np.inf]


def test_survivors_are_safe_ones_first():
    outcomes = [
        TrialResult((9.0, 9.0)),
        TrialResult((0.0, 0.0), 2.0),
        TrialResult((0.0, 0.0), 1.0),
        INFEASIBLE,
        TrialResult((1.0, 1.0)),
    ]
    assert survivors(outcomes, 5) == [4, 0, 2, 1, 3]
    losses, violation = arrays([INFEASIBLE])
    assert losses.shape == (1, 0)
    assert violation.tolist() == [np.inf]


def hypervolume(points, reference):
    """Of two objectives to minimize."""
    volume, height = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < height:
            volume += (reference[0] - x) * (height - y)
            height = y
    return volume


def zdt1(values):
    xs = [values[f"x{n}"] for n in range(4)]
    g = 1 + 9 * sum(xs[1:]) / 3
    return xs[0], g * (1 - (xs[0] / g) ** 0.5)


def test_nsga2_finds_more_of_the_front_than_random_search():
    space = SearchSpace(tuple(Parameter(f"x{n}", Double(0, 1)) for n in range(4)))
    metrics = (Metric("f", Goal.MINIMIZE), Metric("g", Goal.MINIMIZE))

    def searched(name, seed):
        options = {"population_size": 20} if name == "NSGA2" else {}
        spec = StudySpec(metrics, space, name, algorithm_options=options)
        trials = []
        for position in range(0, 300, 5):
            rng = random.Random(f"{seed}/{position}")
            for values in (
                algorithm_for(name).suggest(Request(Problem(spec, position, (), seed), trials, (), 5, rng)).parameters
            ):
                trials.append(finished(len(trials) + 1, values, **dict(zip("fg", zdt1(values), strict=True))))
        return hypervolume([zdt1(trial.parameters) for trial in trials], (1.1, 6.0))

    ours, theirs = ([searched(name, seed) for seed in range(3)] for name in ("NSGA2", "RANDOM_SEARCH"))
    assert all(better > worse for better, worse in itertools.product(ours, theirs))


@given(st.integers(1, 3).flatmap(lambda m: st.lists(st.tuples(*[st.floats(0, 2)] * m), min_size=1, max_size=12)))
def test_arrays_have_the_dominance_of_the_domain(losses):
    expected = [not any(dominates(other, one) for other in losses) for one in losses]
    assert first_front(np.array(losses)).tolist() == expected
