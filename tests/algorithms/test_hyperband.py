"""Hyperband: KerasTuner's brackets, with many workers and with workers that die."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.multi_fidelity.fidelity import Fidelity
from dodona_server.algorithms.multi_fidelity.hyperband import plan_of
from dodona_server.algorithms.registry import Problem, Request, Suggestions, algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import (
    BRACKET,
    EPOCHS,
    INITIAL_EPOCH,
    RESUME_FROM,
    ROUND,
    without_tuner_values,
)
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.support.simulated_workers import simulate

SPACE = SearchSpace((Parameter("x", Double(0, 1)),))


def spec_of(space=SPACE, **options):
    return StudySpec((Metric("m", Goal.MAXIMIZE),), space, "HYPERBAND", algorithm_options=options)


def ask(spec, trials, count=1):
    completed = [trial for trial in trials if trial.state in (TrialState.SUCCEEDED, TrialState.INFEASIBLE)]
    pending = [trial for trial in trials if trial.state is TrialState.ACTIVE]
    return algorithm_for("HYPERBAND").suggest(
        Request(Problem(spec), completed, pending, count, random.Random(len(trials)))
    )


def finish(trials, trial, value):
    state = TrialState.INFEASIBLE if value is None else TrialState.SUCCEEDED
    measured = None if value is None else Measurement({"m": value})
    trials[trial.number - 1] = Trial(trial.number, state, trial.parameters, final_measurement=measured)


def searched(spec, workers, rng, failing=0.0, most=2000):
    """All trials of a search in which random workers finish, and some fail."""
    trials = []
    while len(trials) < most:
        running = [trial for trial in trials if trial.state is TrialState.ACTIVE]
        found = ask(spec, trials, workers - len(running)) if len(running) < workers else None
        if found is not None:
            for values in found.parameters:
                trials.append(Trial(len(trials) + 1, TrialState.ACTIVE, values))
            if len(found.parameters) < workers - len(running) and not found.wait:
                # The end is the end, whatever becomes of those that still run.
                for trial in [trial for trial in trials if trial.state is TrialState.ACTIVE]:
                    finish(trials, trial, None if rng.random() < 0.5 else rng.random())
                assert not ask(spec, trials).parameters
                return trials
            running = [trial for trial in trials if trial.state is TrialState.ACTIVE]
            assert running, "the search waits for nobody"
        finish(trials, rng.choice(running), None if rng.random() < failing else rng.random())
    raise AssertionError("the search has no end")


def sizes(trials):
    return Counter((trial.parameters[BRACKET], trial.parameters[ROUND]) for trial in trials)


def test_the_plan_has_keras_tuners_numbers():
    plan = plan_of(Fidelity(1, 9), 3)
    assert [[rung.size for rung in rungs] for rungs in plan] == [[3], [5, 2], [9, 3, 1]]
    assert [[rung.resource for rung in rungs] for rungs in plan] == [[9], [3, 9], [1, 3, 9]]


@pytest.mark.parametrize(("max_epochs", "factor"), [(9, 3), (10, 3), (1, 2), (16, 2), (100, 3), (7, 4)])
@pytest.mark.parametrize("workers", [1, 4, 30])
def test_every_round_has_its_size_whatever_the_number_of_workers(max_epochs, factor, workers):
    trials = searched(spec_of(max_epochs=max_epochs, factor=factor), workers, random.Random(1))
    plan = plan_of(Fidelity(1, max_epochs), factor)
    expected = {(bracket, number): rung.size for bracket, rungs in enumerate(plan) for number, rung in enumerate(rungs)}
    assert sizes(trials) == expected


def test_a_promoted_trial_goes_on_from_one_of_the_best_of_its_round():
    trials = searched(spec_of(max_epochs=27, factor=3), 5, random.Random(2))
    plan = plan_of(Fidelity(1, 27), 3)
    parents = Counter()
    for trial in trials:
        values = trial.parameters
        assert values[EPOCHS] == plan[values[BRACKET]][values[ROUND]].resource
        if values[ROUND] == 0:
            assert values[INITIAL_EPOCH] == 0
            assert RESUME_FROM not in values
            continue
        parent = trials[int(values[RESUME_FROM]) - 1]
        parents[parent.number] += 1
        assert parent.parameters[BRACKET] == values[BRACKET]
        assert parent.parameters[ROUND] == values[ROUND] - 1
        assert values[INITIAL_EPOCH] == parent.parameters[EPOCHS]
        assert without_tuner_values(values) == without_tuner_values(parent.parameters)
        peers = [
            other
            for other in trials
            if (other.parameters[BRACKET], other.parameters[ROUND]) == (values[BRACKET], values[ROUND] - 1)
        ]
        better = sum(
            other.final_measurement.metrics["m"] > parent.final_measurement.metrics["m"]
            for other in peers
            if other.final_measurement
        )
        assert better < plan[values[BRACKET]][values[ROUND]].size
    assert set(parents.values()) == {1}


def test_two_of_nine_that_fail_cost_no_promotion():
    spec, trials = spec_of(max_epochs=9, factor=3), []
    for values in ask(spec, trials, 9).parameters:
        trials.append(Trial(len(trials) + 1, TrialState.ACTIVE, values))
    for trial in trials:
        finish(trials, trial, None if trial.number in (2, 5) else float(trial.number))
    promoted = ask(spec, trials, 3).parameters
    assert [values[RESUME_FROM] for values in promoted] == ["9", "8", "7"]


@given(
    st.integers(1, 30),
    st.integers(2, 4),
    st.integers(1, 3),
    st.integers(1, 12),
    st.sampled_from((0.0, 0.3, 1.0)),
    st.integers(0, 2**32),
)
def test_a_search_ends_whatever_fails(max_epochs, factor, iterations, workers, failing, seed):
    spec = spec_of(max_epochs=max_epochs, factor=factor, hyperband_iterations=iterations)
    trials = searched(spec, workers, random.Random(seed), failing)
    plan = plan_of(Fidelity(1, max_epochs), factor)
    for bracket, rungs in enumerate(plan):
        assert sizes(trials)[bracket, 0] == iterations * rungs[0].size
        for number in range(1, bracket + 1):
            assert sizes(trials)[bracket, number] <= iterations * rungs[number].size


def test_workers_wait_only_when_nothing_is_left_to_begin():
    spec, trials = spec_of(max_epochs=9, factor=3), []
    found = ask(spec, trials, 100)
    assert Counter(values[BRACKET] for values in found.parameters) == {2: 9, 1: 5, 0: 3}
    assert found.wait
    assert ask(spec_of(max_epochs=9, factor=3, hyperband_iterations=0), trials, 100).parameters[99]


def test_without_a_last_iteration_nobody_waits_not_even_for_dead_workers():
    spec = dataclasses.replace(
        spec_of(max_epochs=27, hyperband_iterations=0), stopping=StoppingConfig(max_num_trials=300)
    )
    search = simulate(
        spec,
        64,
        lambda trial: trial.parameters["x"],
        lambda trial: trial.parameters[EPOCHS] - trial.parameters[INITIAL_EPOCH],
        dies=lambda number: number % 30 == 0,
    )
    assert len(search.trials) == 300
    assert search.waited == 0
    assert {trial.parameters[EPOCHS] for trial in search.trials} == {1, 3, 9, 27}


def test_the_last_bracket_waits_for_no_dead_worker():
    def run(workers, **options):
        return simulate(
            spec_of(max_epochs=9, factor=3),
            workers,
            lambda trial: trial.parameters["x"],
            lambda trial: trial.parameters[EPOCHS] - trial.parameters[INITIAL_EPOCH],
            **options,
        )

    whole = run(1)
    # The lease never ends, so the trial of the dead worker, in the first round of bracket 1, is never run again.
    lost = run(3, dies=lambda number: number == 16)
    assert lost.trials[15].parameters[BRACKET] == 1
    assert sizes(lost.trials) == sizes(whole.trials)


def test_a_trial_that_is_deleted_is_replaced():
    spec, trials = spec_of(max_epochs=4, factor=2), []
    for values in ask(spec, trials, 100).parameters:
        trials.append(Trial(len(trials) + 1, TrialState.ACTIVE, values))
    del trials[0]
    (replacement,) = ask(spec, trials, 1).parameters
    assert (replacement[BRACKET], replacement[ROUND]) == (2, 0)


def test_a_trial_too_many_begins_no_bracket_and_stops_none():
    spec, rng = spec_of(max_epochs=4, factor=2), random.Random(3)
    trials = searched(spec, 3, rng)
    planned = len(trials)
    for extra in (trials[0], trials[-1], next(trial for trial in trials if trial.parameters[ROUND] == 1)):
        trials.append(Trial(len(trials) + 1, TrialState.ACTIVE, extra.parameters))
        assert ask(spec, trials) == Suggestions([])
        finish(trials, trials[-1], rng.random())
    assert not ask(spec, trials).parameters
    assert len(trials) == planned + 3


def test_points_that_a_user_queued_belong_to_no_bracket():
    spec = spec_of(max_epochs=9, factor=3)
    queued = [Trial(1, TrialState.SUCCEEDED, {"x": 0.5}, final_measurement=Measurement({"m": 1.0}))]
    assert Counter(values[BRACKET] for values in ask(spec, queued, 100).parameters) == {2: 9, 1: 5, 0: 3}


def test_a_promoted_trial_has_the_defaults_of_parameters_that_are_new():
    spec, trials = spec_of(max_epochs=2, factor=2), []
    for values in ask(spec, trials, 2).parameters:
        trials.append(Trial(len(trials) + 1, TrialState.ACTIVE, values))
    for trial in trials:
        finish(trials, trial, float(trial.number))
    grown = SPACE.grow([Parameter("c", Categorical(("a", "b"), default_value="b"))])
    (promoted,) = ask(spec_of(grown, max_epochs=2, factor=2), trials, 1).parameters
    assert promoted[RESUME_FROM] == "2"
    assert without_tuner_values(promoted) == {**without_tuner_values(trials[1].parameters), "c": "b"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("factor", 1), ("max_epochs", 0), ("hyperband_iterations", -1), ("factor", "3"), ("factor", math.inf)],
)
def test_an_option_out_of_range_is_refused(name, value):
    with pytest.raises(InvalidArgument, match="is not a whole number from"):
        algorithm_for("HYPERBAND").check(spec_of(**{name: value}))
