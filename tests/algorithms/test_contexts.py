"""Suggestions within contexts."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dodona_server.algorithms.contexts import REPEATED, suggest_in
from dodona_server.algorithms.registry import ALGORITHMS, Problem, Request, Suggestions
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Branch, Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import RESUME_FROM, ROUND, without_tuner_values
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.support.spaces import spaces

BRANCHED = SearchSpace(
    (
        Parameter(
            "c",
            Categorical(("a", "b")),
            (Branch(("a",), Parameter("x", Double(0, 1))), Branch(("b",), Parameter("y", Double(0, 1)))),
        ),
    )
)


def ask(name, space, contexts, completed, count=1, **options):
    spec = StudySpec((Metric("m", Goal.MINIMIZE),), space, name, algorithm_options=options)
    spaces = [space.restrict(context) for context in contexts]
    problem = Problem(spec, len(completed), (), 1)
    return suggest_in(spaces, ALGORITHMS[name], Request(problem, completed, (), count, random.Random(len(completed))))


def succeeded(number, values, result):
    return Trial(
        number, TrialState.SUCCEEDED, values, end_time=float(number), final_measurement=Measurement({"m": result})
    )


def first_round(space, contexts=()):
    """The trials of Hyperband's only bracket of several rounds, the b better than the a."""
    completed = []
    for number in range(1, 4):
        (values,) = ask("HYPERBAND", space, contexts, completed, max_epochs=3).parameters
        completed.append(succeeded(number, values, number + 10.0 * (values["c"] == "a")))
    return completed


def test_hyperband_promotes_within_a_context_only_what_lies_in_it():
    completed = first_round(BRANCHED)
    assert {trial.parameters["c"] for trial in completed} == {"a", "b"}
    outside = ask("HYPERBAND", BRANCHED, [{"c": "a"}], completed, max_epochs=3).parameters[0]
    BRANCHED.restrict({"c": "a"}).check(without_tuner_values(outside))
    assert outside[ROUND] == 0
    within = ask("HYPERBAND", BRANCHED, [{"c": "b"}], completed, max_epochs=3).parameters[0]
    assert within[ROUND] == 1
    parent = completed[int(within[RESUME_FROM]) - 1]
    assert without_tuner_values(within) == without_tuner_values(parent.parameters)


def test_hyperband_within_contexts_waits_for_those_outside_and_ends_with_them():
    space = SearchSpace((Parameter("c", Categorical(("a", "b"))), Parameter("x", Double(0, 1))))
    completed = first_round(space)
    for _ in range(2):
        (values,) = ask("HYPERBAND", space, [{"c": "a"}], completed, max_epochs=3).parameters
        assert values[ROUND] == 0
        completed.append(succeeded(len(completed) + 1, values, 20.0))
    assert ask("HYPERBAND", space, [{"c": "a"}], completed, max_epochs=3) == Suggestions([], wait=True)
    (values,) = ask("HYPERBAND", space, [{"c": "a"}, {"c": "b"}], completed, 2, max_epochs=3).parameters
    assert (values["c"], values[ROUND]) == ("b", 1)
    completed.append(succeeded(len(completed) + 1, values, 20.0))
    assert ask("HYPERBAND", space, [{"c": "a"}, {"c": "b"}], completed, 2, max_epochs=3) == Suggestions([])


@pytest.mark.parametrize("finished", [0, 20])
@pytest.mark.parametrize("name", ["GP_BANDIT", "TPE", "CMA_ES", "NSGA2", "REGULARIZED_EVOLUTION"])
def test_the_same_context_twice_has_two_points(name, finished):
    space = SearchSpace((Parameter("t", Double(0, 1)), Parameter("x", Double(0, 1))))
    rng = random.Random(3)
    completed = [succeeded(number, sample(space, rng), rng.random()) for number in range(1, finished + 1)]
    first, second = ask(name, space, [{"t": 0.25}] * 2, completed, 2).parameters
    assert first != second


def test_two_contexts_promote_no_trial_twice():
    space = SearchSpace((Parameter("c", Categorical(("a",))), Parameter("x", Double(0, 1))))
    completed = first_round(space, [{"c": "a"}])
    found = ask("HYPERBAND", space, [{"c": "a"}] * 2, completed, 2, max_epochs=3).parameters
    assert sorted(values[ROUND] for values in found) == [0, 1]


def test_a_context_of_a_single_point_gives_it_again_and_again():
    space = SearchSpace((Parameter("n", Categorical(("a", "b"))),))
    found = ask("GP_BANDIT", space, [{"n": "a"}], [], 3)
    assert found.parameters == [{"n": "a"}] * 3
    assert [one.reason for one in found.suggestions] == ["initial design", REPEATED, REPEATED]


def test_the_gaussian_process_finds_the_best_of_each_context():
    space = SearchSpace(
        (Parameter("c", Categorical(("a", "b"))), Parameter("x", Double(0, 1)), Parameter("y", Double(0, 1)))
    )

    def loss(values):
        best, least = (0.15, 0) if values["c"] == "a" else (0.85, 2)
        return least + 10 * (values["x"] - best) ** 2 + 0.1 * (values["y"] - 0.5) ** 2

    rng = random.Random(1)
    completed = []
    for number in range(1, 37):
        context = {"c": "ab"[number % 2]}
        values = sample(space, rng) if number <= 16 else ask("GP_BANDIT", space, [context], completed).parameters[0]
        completed.append(succeeded(number, values, loss(values)))
    for name, least in (("a", 0), ("b", 2)):
        assert min(loss(trial.parameters) for trial in completed if trial.parameters["c"] == name) < least + 0.02


@settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(spaces(), st.integers(0, 14), st.integers(0, 2**32), st.data())
@pytest.mark.slow
def test_points_of_the_gaussian_process_are_of_the_context_exactly(space, finished, seed, data):
    rng = random.Random(seed)
    point = sample(space, rng)
    fixed = {name: point[name] for name in data.draw(st.sets(st.sampled_from(sorted(point))))}
    completed = [succeeded(number, sample(space, rng), rng.random()) for number in range(1, finished + 1)]
    for values in ask("GP_BANDIT", space, [fixed], completed, 2).parameters:
        assert space.restrict(fixed).check(values) == values
        assert space.check(values) == values


@pytest.mark.parametrize("context", [{"x": 0.3}, {"model": "a", "x": 0.3}, {"model": "c"}])
def test_a_name_in_two_branches_is_fixed_where_it_can_be(context):
    branches = (
        Branch(("a",), Parameter("x", Double(0, 1))),
        Branch(("b",), Parameter("x", Double(10, 20))),
        Branch(("c",), Parameter("x", Double(0, 0.5))),
    )
    space = SearchSpace((Parameter("model", Categorical(("a", "b", "c")), branches), Parameter("y", Double(0, 1))))
    rng = random.Random(2)
    completed = [succeeded(number, sample(space, rng), rng.random()) for number in range(1, 20)]
    for values in ask("GP_BANDIT", space, [context], completed, 3).parameters:
        assert space.check(values) == values
        assert context.items() <= values.items()
