"""Suggestions within contexts."""

from __future__ import annotations

import random

import pytest

from dodona_server.domain.space import Branch, Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.study import Goal, Metric, StudySpec
from dodona_server.domain.trial import Measurement, Trial, TrialState
from dodona_server.oracle import ALGORITHMS, Problem, Suggestions
from dodona_server.oracle.brackets import PARENT, ROUND
from dodona_server.oracle.contexts import suggest_in
from dodona_server.oracle.novelty import without_tuner_values
from dodona_server.oracle.random_search import sample

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
    return suggest_in(spaces, ALGORITHMS[name], problem, completed, (), count, random.Random(len(completed)))


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
    parent = completed[int(within[PARENT]) - 1]
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
    assert found == Suggestions([{"n": "a"}] * 3)
