"""ASHA: promotion without barriers."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import EPOCHS, INITIAL_EPOCH, RESUME_FROM, ROUND, without_tuner_values
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.support.simulated_workers import simulate

SPACE = SearchSpace((Parameter("x", Double(0, 1)),))
OPTIONS = {"max_resource": 27, "reduction_factor": 3}


def spec_of(most=None, space=SPACE, **options):
    budget = StoppingConfig(max_num_trials=most)
    return StudySpec((Metric("m", Goal.MINIMIZE),), space, "ASHA", stopping=budget, algorithm_options=OPTIONS | options)


def value_of(trial):
    return trial.parameters["x"]


def seconds_of(trial):
    return trial.parameters[EPOCHS] - trial.parameters[INITIAL_EPOCH]


def finished(number, values, value):
    state = TrialState.SUCCEEDED if value is not None else TrialState.INFEASIBLE
    measured = None if value is None else Measurement({"m": value})
    return Trial(number, state, values, final_measurement=measured)


def ask(spec, completed, pending=(), count=1):
    number = len(completed) + len(pending)
    problem = Problem(spec, number)
    return algorithm_for("ASHA").suggest(Request(problem, completed, pending, count, random.Random(number)))


def test_the_best_third_goes_on_as_soon_as_it_is_known():
    spec, trials = spec_of(), []
    for number, value in enumerate([0.5, 0.2, 0.9], 1):
        (values,) = ask(spec, trials).parameters
        assert (values[ROUND], values[INITIAL_EPOCH], values[EPOCHS]) == (0, 0, 1)
        trials.append(finished(number, values, value))
    (promoted,) = ask(spec, trials).suggestions
    assert promoted.parent == promoted.resume_from == 2
    assert promoted.reason == "promoted: among the best of round 0 of bracket 0"
    values = promoted.stored
    assert (values[ROUND], values[INITIAL_EPOCH], values[EPOCHS], values[RESUME_FROM]) == (1, 1, 3, "2")
    assert without_tuner_values(values) == without_tuner_values(trials[1].parameters)
    # It is promoted once, also while it runs.
    assert ask(spec, trials, [Trial(4, TrialState.ACTIVE, values)]).parameters[0][ROUND] == 0


def test_the_highest_rung_comes_first_and_the_best_of_it():
    spec, trials = spec_of(), []
    rng = random.Random(1)
    while max((trial.parameters[ROUND] for trial in trials), default=0) < 3:
        (values,) = ask(spec, trials).parameters
        if (parent := values.get(RESUME_FROM)) is not None:
            peers = [trial for trial in trials if trial.parameters[ROUND] == values[ROUND] - 1]
            values_of = sorted(trial.final_measurement.metrics["m"] for trial in peers)
            assert trials[int(parent) - 1].final_measurement.metrics["m"] in values_of[: len(peers) // 3]
        trials.append(finished(len(trials) + 1, values, rng.random()))
    counts = Counter(trial.parameters[ROUND] for trial in trials)
    assert (counts[2], counts[3]) == (3, 1)
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize("workers", [1, 8, 64])
def test_no_worker_is_ever_idle_while_the_budget_lasts(workers):
    rng = random.Random(workers)
    search = simulate(spec_of(400), workers, value_of, lambda trial: seconds_of(trial) * rng.lognormvariate(0, 1))
    assert len(search.trials) == 400
    assert search.waited == 0
    assert {trial.parameters[ROUND] for trial in search.trials} == {0, 1, 2, 3}


def test_dead_workers_stop_nobody():
    search = simulate(spec_of(200), 12, value_of, seconds_of, dies=lambda number: number % 20 == 0)
    # Ten workers have died, with leases that never end.
    assert len(search.trials) == 200
    assert search.waited == 0


@given(st.integers(1, 40), st.integers(1, 5), st.sampled_from((0.0, 0.3, 1.0)), st.integers(0, 2**32))
def test_an_ask_is_always_answered_with_as_many_trials_as_it_wants(trials, count, failing, seed):
    rng = random.Random(seed)
    spec, completed, pending = spec_of(), [], []
    while len(completed) < trials:
        found = ask(spec, completed, pending, count)
        assert len(found.suggestions) == count
        assert not found.wait
        promoted = [one.parent for one in found.suggestions if one.parent is not None]
        assert len(set(promoted)) == len(promoted)
        for values in found.parameters:
            pending.append(Trial(len(completed) + len(pending) + 1, TrialState.ACTIVE, values))
        trial = pending.pop(rng.randrange(len(pending)))
        completed.append(finished(trial.number, trial.parameters, None if rng.random() < failing else rng.random()))
        completed.sort(key=lambda one: one.number)
    parents = Counter(one.parameters.get(RESUME_FROM) for one in [*completed, *pending])
    del parents[None]
    assert set(parents.values()) <= {1}


def test_infeasible_trials_count_and_are_never_promoted():
    spec, trials = spec_of(), []
    for number, value in enumerate([None, 0.9, None], 1):
        (values,) = ask(spec, trials).parameters
        trials.append(finished(number, values, value))
    assert ask(spec, trials).parameters[0][RESUME_FROM] == "2"


def test_a_promoted_trial_has_the_defaults_of_parameters_that_are_new():
    trials = [finished(number, ask(spec_of(), []).parameters[0], float(number)) for number in (1, 2, 3)]
    grown = SPACE.grow([Parameter("c", Categorical(("a", "b"), default_value="b"))])
    (promoted,) = ask(spec_of(space=grown), trials).parameters
    assert promoted[RESUME_FROM] == "1"
    assert promoted["c"] == "b"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_resource": 30}, r"algorithm_options\.min_resource: 30 is not a whole number from 1 to 27"),
        ({"reduction_factor": 1}, r"algorithm_options\.reduction_factor: 1 is not a whole number from 2"),
        ({"max_epochs": 5}, r"'max_epochs' is not an option of ASHA"),
    ],
)
def test_rungs_that_cannot_be_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        algorithm_for("ASHA").check(spec_of(**options))
