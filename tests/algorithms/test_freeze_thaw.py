"""FREEZE_THAW: the configurations that may end as the best go on, and the others stay paused."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.multi_fidelity.freeze_thaw import LEAST_CHANCE
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec
from dodona_server.domain.trials.continuation import EPOCHS, INITIAL_EPOCH, RESUME_FROM, ROUND, without_tuner_values
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.support.simulated_workers import simulate

SPACE = SearchSpace((Parameter("x", Double(0, 1)), Parameter("speed", Double(0, 1))))
RUNGS = [3, 7, 13, 25, 50]


def spec_of(most=None, space=SPACE, goal=Goal.MINIMIZE, **options):
    budget = StoppingConfig(max_num_trials=most)
    options = {"max_resource": 50} | options
    return StudySpec((Metric("m", goal),), space, "FREEZE_THAW", stopping=budget, algorithm_options=options)


def loss_at(trial):
    """Curves that cross: those that end best may begin badly."""
    values = trial.parameters
    return values["x"] + 0.4 * math.exp(-values[EPOCHS] / (2 + 10 * values["speed"]))


def seconds_of(trial):
    return trial.parameters[EPOCHS] - trial.parameters[INITIAL_EPOCH]


def finished(number, values, value, state=TrialState.SUCCEEDED):
    if value is None:
        return Trial(number, TrialState.INFEASIBLE, values)
    return Trial(number, state, values, final_measurement=Measurement({"m": value}))


def ask(spec, completed, pending=(), count=1, stopped=()):
    number = len(completed) + len(pending)
    problem = Problem(spec, number)
    request = Request(problem, completed, pending, count, random.Random(number), stopped=stopped)
    return algorithm_for("FREEZE_THAW").suggest(request)


def epochs_used(search):
    return sum(seconds_of(trial) for trial in search.trials)


def test_a_configuration_pauses_at_each_rung_and_goes_on_from_there():
    search = simulate(spec_of(120), 1, loss_at, seconds_of)
    rungs = {trial.number: trial.parameters for trial in search.trials}
    continued = 0
    for values in rungs.values():
        assert values[EPOCHS] == RUNGS[values[ROUND]]
        if (parent := values.get(RESUME_FROM)) is not None:
            before, continued = rungs[int(parent)], continued + 1
            assert before[ROUND] == values[ROUND] - 1
            assert values[INITIAL_EPOCH] == before[EPOCHS]
            assert without_tuner_values(values) == without_tuner_values(before)
    assert {values[ROUND] for values in rungs.values()} == {0, 1, 2, 3, 4}
    assert continued > 20


def test_a_fixed_number_of_configurations_costs_a_fraction_and_finds_the_best():
    shares, losses = [], []
    for seed in range(4):
        search = simulate(spec_of(initial_trials=40), 1, loss_at, seconds_of, seed=seed)
        first = [trial for trial in search.trials if not trial.parameters[ROUND]]
        assert len(first) == 40
        shares.append(epochs_used(search) / (40 * 50))
        ends = [trial.parameters["x"] for trial in search.trials if trial.parameters[EPOCHS] == 50]
        losses.append(min(ends) - min(trial.parameters["x"] for trial in first))
    assert statistics.median(shares) < 0.3
    assert sum(loss > 0.01 for loss in losses) <= 1


def test_what_goes_on_has_a_chance_and_says_which():
    search = simulate(spec_of(initial_trials=30), 1, loss_at, seconds_of)
    found = ask(spec_of(initial_trials=30), search.trials)
    assert not found.suggestions
    assert not found.wait
    reasons = [ask(spec_of(initial_trials=30), search.trials[:count]).suggestions[0].reason for count in range(40, 50)]
    chances = [
        float(reason.removeprefix("continued: the chance to end as the best of 30 configurations is "))
        for reason in reasons
    ]
    assert all(LEAST_CHANCE <= chance <= 1 for chance in chances)


def test_it_maximizes_too():
    spec = spec_of(goal=Goal.MAXIMIZE, initial_trials=30)
    search = simulate(spec, 1, lambda trial: -loss_at(trial), seconds_of)
    other = simulate(spec_of(initial_trials=30), 1, loss_at, seconds_of)
    assert [trial.parameters for trial in search.trials] == [trial.parameters for trial in other.trials]


@pytest.mark.parametrize("workers", [1, 8, 64])
def test_no_worker_is_ever_idle_while_the_budget_lasts(workers):
    rng = random.Random(workers)
    search = simulate(spec_of(120), workers, loss_at, lambda trial: seconds_of(trial) * rng.lognormvariate(0, 1))
    assert len(search.trials) == 120
    assert search.waited == 0


def test_dead_workers_stop_nobody():
    search = simulate(spec_of(100), 12, loss_at, seconds_of, dies=lambda number: number % 20 == 0)
    assert len(search.trials) == 100
    assert search.waited == 0


def test_the_last_ones_are_waited_for():
    spec, trials = spec_of(initial_trials=2), []
    first = ask(spec, trials, count=3)
    assert len(first.suggestions) == 2
    assert first.wait
    running = [Trial(number, TrialState.ACTIVE, values) for number, values in enumerate(first.parameters, 1)]
    done = [finished(1, running[0].parameters, 0.5)]
    (onward,) = ask(spec, done, running[1:], count=2).suggestions
    assert onward.resume_from == 1
    assert ask(spec, done, [running[1], Trial(3, TrialState.ACTIVE, onward.stored)]).wait


@given(st.integers(1, 40), st.integers(1, 5), st.sampled_from((0.0, 0.3, 1.0)), st.integers(0, 2**32))
def test_an_ask_is_always_answered_with_as_many_trials_as_it_wants(trials, count, failing, seed):
    rng = random.Random(seed)
    spec, completed, pending = spec_of(), [], []
    while len(completed) < trials:
        found = ask(spec, completed, pending, count)
        assert len(found.suggestions) == count
        assert not found.wait
        for values in found.parameters:
            pending.append(Trial(len(completed) + len(pending) + 1, TrialState.ACTIVE, values))
        trial = pending.pop(rng.randrange(len(pending)))
        completed.append(finished(trial.number, trial.parameters, None if rng.random() < failing else rng.random()))
        completed.sort(key=lambda one: one.number)
    parents = Counter(one.parameters.get(RESUME_FROM) for one in [*completed, *pending])
    del parents[None]
    assert set(parents.values()) <= {1}


def test_what_failed_or_was_stopped_does_not_go_on():
    spec = spec_of(initial_trials=3)
    first = [Trial(0, TrialState.ACTIVE, values) for values in ask(spec, [], count=3).parameters]
    completed = [finished(1, first[0].parameters, None), finished(3, first[2].parameters, 0.9)]
    stopped = [finished(2, first[1].parameters, 0.1)]
    (onward,) = ask(spec, completed, count=3, stopped=stopped).suggestions
    assert onward.resume_from == 3


def test_safe_trials_come_first():
    metrics = (Metric("m", Goal.MINIMIZE), Metric("size", Goal.MINIMIZE, safety=Safety(1.0)))
    spec = StudySpec(metrics, SPACE, "FREEZE_THAW", algorithm_options={"max_resource": 50, "initial_trials": 12})
    trials = []
    for number, values in enumerate(ask(spec, [], count=12).parameters, 1):
        measured = Measurement({"m": float(number), "size": 2.0 if number <= 6 else 0.5})
        trials.append(Trial(number, TrialState.SUCCEEDED, values, final_measurement=measured))
    assert ask(spec, trials).suggestions[0].resume_from == 7


def test_a_trial_that_goes_on_has_the_defaults_of_parameters_that_are_new():
    values = ask(spec_of(), []).parameters[0]
    grown = SPACE.grow([Parameter("c", Categorical(("a", "b"), default_value="b"))])
    (onward,) = ask(spec_of(space=grown, initial_trials=1), [finished(1, values, 0.3)]).parameters
    assert onward[RESUME_FROM] == "1"
    assert onward["c"] == "b"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_resource": 60}, r"algorithm_options\.min_resource: 60 is not a whole number from 1 to 50"),
        ({"initial_trials": 0}, r"algorithm_options\.initial_trials: 0 is not a whole number from 1 to 1000000"),
        ({"reduction_factor": 3}, r"'reduction_factor' is not an option of FREEZE_THAW"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        algorithm_for("FREEZE_THAW").check(spec_of(**options))
