"""The model of trials' durations, and what the bandit does with it if the study's time has an end."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.contexts import suggest_in
from dodona_server.algorithms.contract.durations import measured
from dodona_server.algorithms.gp.acquisition.price import Price
from dodona_server.algorithms.gp.data.encoding import Encoding
from dodona_server.algorithms.gp.model.durations import fit_durations
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Categorical, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.studies.time_left import TimeLeft
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

SPACE = SearchSpace(
    (
        Parameter("units", Integer(16, 1024, Scale.LOG)),
        Parameter("rate", Double(1e-5, 1e-1, Scale.LOG)),
        Parameter("kind", Categorical(("a", "b"))),
    )
)
SPEC = StudySpec((Metric("m", Goal.MINIMIZE),), SPACE, "GP_BANDIT")


def seconds_of(point):
    """A law: linear in the units, and three times as long for one kind."""
    return 2.0 * point["units"] * (3.0 if point["kind"] == "b" else 1.0)


def loss_of(point):
    """The best trials are the longest ones."""
    return -np.log(point["units"]) + (np.log10(point["rate"]) + 3) ** 2


def history(count, law=seconds_of, seed=0):
    rng = random.Random(seed)
    trials = []
    for number in range(1, count + 1):
        point = sample(SPACE, rng)
        took, final = law(point), Measurement({"m": float(loss_of(point))})
        trials.append(
            Trial(
                number,
                TrialState.SUCCEEDED,
                point,
                attempt=1,
                start_time=0.0,
                end_time=float(took),
                final_measurement=final,
            )
        )
    return trials


def model_of(trials):
    return fit_durations(Encoding(SPACE), trials, 3.0)


def points(count, seed=9):
    rng = random.Random(seed)
    return [sample(SPACE, rng) for _ in range(count)]


def suggest(trials, time=None, count=1, seed=0, spaces=()):
    request = Request(Problem(SPEC, len(trials), seed=seed), trials, (), count, random.Random(seed), time=time)
    return suggest_in(spaces, algorithm_for("GP_BANDIT"), request)


def test_a_known_law_is_found():
    model, new = model_of(history(25)), points(40)
    mean, deviation = model.log_seconds(*Encoding(SPACE).encode(new))
    errors = np.abs(mean - np.log([seconds_of(point) for point in new]))
    assert np.median(errors) < 0.1
    assert np.mean(errors < 3 * deviation) > 0.9


def test_a_quarter_ends_in_the_likely_time():
    rng = np.random.default_rng(3)
    model, new = model_of(history(60, lambda point: seconds_of(point) * np.exp(rng.normal(0, 0.5)))), points(500)
    least = model.least_seconds(*Encoding(SPACE).encode(new))
    took = np.array([seconds_of(point) for point in new]) * np.exp(rng.normal(0, 0.5, 500))
    assert 0.15 < np.mean(took < least) < 0.35


@pytest.mark.parametrize("count", [0, 4])
def test_few_durations_tell_nothing(count):
    assert model_of(history(count)) is None


def test_parameters_that_predict_nothing_are_left_out():
    constant = 0
    for seed in range(12):
        rng = random.Random(seed)
        model = model_of(history(30, lambda _, rng=rng: rng.lognormvariate(3.0, 1.0), seed))
        constant += len(set(model.least_seconds(*Encoding(SPACE).encode(points(20))))) == 1
    assert constant >= 9


def test_equal_durations_leave_little_doubt():
    model = model_of(history(20, lambda _: 60.0))
    assert model.least_seconds(*Encoding(SPACE).encode(points(1)))[0] == pytest.approx(60.0, rel=0.02)


@pytest.mark.parametrize(
    "change",
    [
        {"state": TrialState.INFEASIBLE},
        {"stopped": True},
        {"attempt": 2, "checkpoint": "step-5"},
        {"start_time": None},
        {"end_time": 0.0},
    ],
)
def test_only_whole_trainings_have_a_duration(change):
    (trial,) = history(1)
    assert measured(trial) == trial.end_time
    assert measured(dataclasses.replace(trial, **change)) is None


@pytest.mark.parametrize("seconds", [10.0, 300.0, 1e4, None])
def test_the_slopes_of_the_price_are_right(seconds):
    encoding = Encoding(SPACE)
    rng = random.Random(1)
    price = Price(model_of(history(25, lambda point: seconds_of(point) * rng.lognormvariate(0.0, 0.3))), seconds)
    z, active = encoding.encode(points(20))
    _, slopes = price.log_worth(z, active)
    for axis in np.flatnonzero(~encoding.categorical):
        moved = z.copy()
        moved[:, axis] += 1e-5
        numeric = (price.log_worth(moved, active)[0] - price.log_worth(z, active)[0]) / 1e-5
        assert slopes[:, axis] == pytest.approx(numeric, rel=1e-2, abs=1e-3 * np.abs(numeric).max() + 1e-6)


@given(seed=st.integers(0, 10_000), count=st.integers(0, 25))
def test_without_a_budget_of_time_the_durations_change_nothing(seed, count):
    trials = history(count, seed=seed)
    unknown = [dataclasses.replace(trial, start_time=None) for trial in trials]
    plain = suggest(unknown, seed=seed)
    assert suggest(trials, seed=seed) == plain
    # While no duration is known, a budget of time changes nothing either.
    assert suggest(unknown, TimeLeft(60.0), seed=seed) == plain


@pytest.mark.parametrize("seconds", [None, 1e9])
def test_four_times_as_long_has_to_improve_twice_as_much(seconds):
    z, active = Encoding(SPACE).encode([{"units": units, "rate": 1e-3, "kind": "a"} for units in (64, 256)])
    short, long = Price(model_of(history(40)), seconds).log_worth(z, active)[0]
    assert np.exp(short - long) == pytest.approx(2.0, rel=0.1)


def test_of_two_equal_points_the_shorter_one_is_chosen():
    # The kind makes a trial three times as long, and nothing else.
    trials = [trial for trial in history(40) if trial.parameters["units"] > 100]
    kinds = {point["kind"] for seed in range(4) for point in suggest(trials, TimeLeft(), seed=seed).parameters}
    assert kinds == {"a"}


def test_points_that_can_end_in_time_are_chosen():
    trials = history(25)
    assert seconds_of(suggest(trials).parameters[0]) > 900
    found = suggest(trials, TimeLeft(400.0), 4)
    assert len(found.suggestions) == 4
    assert not found.late
    for one in found.suggestions:
        assert one.seconds <= 400.0
        assert seconds_of(one.parameters) < 800


def test_nothing_is_suggested_if_nothing_can_end_in_time():
    found = suggest(history(25), TimeLeft(5.0), 3)
    assert (found.suggestions, found.late) == ([], True)


def test_contexts_are_not_filled_with_trials_that_cannot_end_in_time():
    spaces = [SPACE.restrict({"kind": "a"}), SPACE.restrict({"kind": "b"})]
    found = suggest(history(25), TimeLeft(5.0), 4, spaces=spaces)
    assert (found.suggestions, found.late) == ([], True)


def test_a_small_space_is_searched_among_what_can_end_in_time():
    space = SearchSpace((Parameter("n", Integer(1, 20)),))
    spec = StudySpec((Metric("m", Goal.MINIMIZE),), space, "GP_BANDIT")
    trials = [
        Trial(
            number,
            TrialState.SUCCEEDED,
            {"n": n},
            attempt=1,
            start_time=0.0,
            end_time=100.0 * n,
            final_measurement=Measurement({"m": -float(n)}),
        )
        for number, n in enumerate([1, 3, 5, 7, 9, 11, 13, 15, 17, 19], start=1)
    ]
    request = Request(Problem(spec), trials, (), 1, random.Random(1), time=TimeLeft(900.0))
    (point,) = algorithm_for("GP_BANDIT").suggest(request).parameters
    assert point["n"] <= 10
