"""Successive halving: one epoch for all, then the best to the end; and its form with more rungs."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import EPOCHS, INITIAL_EPOCH, RESUME_FROM, ROUND, without_tuner_values
from tests.support.simulated_workers import simulate

SPACE = SearchSpace((Parameter("x", Double(0, 1)),))


def spec_of(most=None, **options):
    budget = StoppingConfig(max_num_trials=most)
    return StudySpec(
        (Metric("m", Goal.MAXIMIZE),), SPACE, "SUCCESSIVE_HALVING", stopping=budget, algorithm_options=options
    )


def value_of(trial):
    return trial.parameters["x"]


def seconds_of(trial):
    return trial.parameters[EPOCHS] - trial.parameters[INITIAL_EPOCH]


def plan(trials):
    """The number of trials of each round and epoch."""
    return Counter((trial.parameters[ROUND], trial.parameters[EPOCHS]) for trial in trials)


@pytest.mark.parametrize("workers", [1, 8, 64])
def test_by_default_all_train_one_epoch_and_the_best_fifth_to_the_end(workers):
    trials = simulate(spec_of(max_resource=50), workers, value_of, seconds_of).trials
    assert plan(trials) == {(0, 1): 100, (1, 50): 20}
    promoted = [trial for trial in trials if RESUME_FROM in trial.parameters]
    assert [trial.parameters[INITIAL_EPOCH] for trial in promoted] == [1] * 20
    parents = [trials[int(trial.parameters[RESUME_FROM]) - 1] for trial in promoted]
    assert len({parent.number for parent in parents}) == 20
    for trial, parent in zip(promoted, parents, strict=True):
        assert without_tuner_values(trial.parameters) == without_tuner_values(parent.parameters)
    best = sorted((trial.parameters["x"] for trial in trials[:100]), reverse=True)[:20]
    if workers == 1:
        assert sorted((value_of(trial) for trial in promoted), reverse=True) == best
    else:
        # Workers that would wait take the best so far.
        assert sum(value_of(trial) in best for trial in promoted) >= 16
        assert max(map(value_of, promoted)) == best[0]


def test_by_a_factor_rungs_are_powers_of_it():
    options = {"rungs": 0, "reduction_factor": 3, "max_resource": 27, "initial_trials": 27}
    trials = simulate(spec_of(**options), 1, value_of, seconds_of).trials
    assert plan(trials) == {(0, 1): 27, (1, 3): 9, (2, 9): 3, (3, 27): 1}
    assert sum(map(seconds_of, trials)) == 27 + 9 * 2 + 3 * 6 + 18


def test_rungs_of_a_number_are_even_on_a_logarithmic_scale():
    options = {"rungs": 3, "reduction_factor": 4, "max_resource": 100, "initial_trials": 32}
    assert plan(simulate(spec_of(**options), 1, value_of, seconds_of).trials) == {(0, 1): 32, (1, 10): 8, (2, 100): 2}
    options = {"rungs": 1, "min_resource": 2, "max_resource": 9, "initial_trials": 4}
    assert plan(simulate(spec_of(**options), 1, value_of, seconds_of).trials) == {(0, 9): 4}


@pytest.mark.parametrize(
    ("most", "expected"), [(12, {0: 10, 1: 2}), (60, {0: 50, 1: 10}), (1, {0: 1}), (2, {0: 1, 1: 1})]
)
def test_the_budget_of_the_study_is_used_up_by_all_rungs(most, expected):
    trials = simulate(spec_of(most), 3, value_of, seconds_of).trials
    assert Counter(trial.parameters[ROUND] for trial in trials) == expected


def test_a_larger_budget_continues_the_search():
    trials = simulate(spec_of(12), 1, value_of, seconds_of).trials
    trials = simulate(spec_of(24), 1, value_of, seconds_of, before=trials, seed=1).trials
    assert Counter(trial.parameters[ROUND] for trial in trials) == {0: 20, 1: 4}


def test_nothing_waits_for_a_dead_worker():
    options = {"max_resource": 50, "initial_trials": 25}
    whole = simulate(spec_of(**options), 4, value_of, seconds_of)
    # The lease never ends, so the trial of the dead worker is never run again.
    lost = simulate(spec_of(**options), 5, value_of, seconds_of, dies=lambda number: number == 7)
    assert plan(lost.trials) == plan(whole.trials) == {(0, 1): 25, (1, 50): 5}
    assert lost.seconds <= whole.seconds * 1.1


@given(
    st.integers(1, 40),
    st.sampled_from((0, 1, 2, 3)),
    st.integers(2, 4),
    st.integers(1, 12),
    st.sampled_from((0.0, 0.3, 1.0)),
    st.integers(0, 2**32),
)
def test_a_search_ends_whatever_fails(first, rungs, factor, workers, failing, seed):
    rng = random.Random(seed)
    spec = spec_of(initial_trials=first, rungs=rungs, reduction_factor=factor, max_resource=20)
    trials = simulate(
        spec, workers, lambda trial: None if rng.random() < failing else rng.random(), lambda trial: rng.random()
    ).trials
    counts = Counter(trial.parameters[ROUND] for trial in trials)
    assert counts[0] == first
    for number in counts:
        assert counts[number] <= max(1, first // factor**number)
    if not failing:
        assert all(counts[number] == max(1, first // factor**number) for number in counts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"min_resource": 20, "max_resource": 9},
            r"algorithm_options\.min_resource: 20 is not a whole number from 1 to 9",
        ),
        ({"max_resource": 0}, r"max_resource: 0 is not a whole number from 1"),
        ({"reduction_factor": 1}, r"reduction_factor: 1 is not a whole number from 2"),
        ({"rungs": -1}, r"rungs: -1 is not a whole number from 0"),
        ({"initial_trials": 0}, r"initial_trials: 0 is not a whole number from 1"),
        ({"sampler": "CMA_ES"}, r"sampler: 'CMA_ES' is not one of RANDOM, GP_BANDIT, TPE"),
    ],
)
def test_rungs_that_cannot_be_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        algorithm_for("SUCCESSIVE_HALVING").check(spec_of(**options))
