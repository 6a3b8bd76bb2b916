"""What the Gaussian-process bandit says of its suggestions."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.gp.model.outputs import unwarp, warp_outputs
from dodona_server.algorithms.registry import Prior, Problem, Request
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

SPACE = SearchSpace(
    (Parameter("x", Double(0.0, 1.0)), Parameter("idle", Double(0.0, 1.0)), Parameter("kind", Categorical(("a", "b"))))
)
SPEC = StudySpec((Metric("loss", Goal.MINIMIZE),), SPACE)


def loss(point):
    return 10 * (point["x"] - 0.3) ** 2 + (point["kind"] == "b") + 5


def finished(number, parameters, **metrics):
    return Trial(number, TrialState.SUCCEEDED, parameters, final_measurement=Measurement(metrics))


def after(spec, count, sign=1.0, priors=(), pending=()):
    """The suggestion after that many random trials, with its request's history."""
    rng = random.Random(4)
    done = [finished(number, point := sample(SPACE, rng), loss=sign * loss(point)) for number in range(1, count + 1)]
    problem = Problem(spec, count, priors)
    return GpBandit().suggest(Request(problem, done, pending, 1, random.Random(1))).suggestions[0], done


@given(arrays.arrays(float, st.integers(2, 30), elements=st.floats(-1e6, 1e6)))
def test_warped_values_are_found_again(values):
    warped = warp_outputs(values)
    found = unwarp(warped, values, warped)
    if found is None:
        assert np.ptp(warped) < 1e-6
    else:
        # Equal places may have values that differ by rounding.
        assert np.allclose(found, values, rtol=1e-6, atol=1e-6 * np.ptp(values))


def test_beyond_the_known_values_the_line_goes_on():
    values = np.arange(11.0)
    warped = warp_outputs(values)
    step = warped[1] - warped[0]
    assert unwarp(warped[:1] - 2 * step, values, warped) == pytest.approx([-2.0])
    assert unwarp(warped[-1:] + 2 * step, values, warped) == pytest.approx([12.0])


def test_the_expectation_is_in_the_metrics_units():
    suggestion, _ = after(SPEC, 25)
    expected = suggestion.explanation.expected
    assert expected.low < expected.mean < expected.high
    assert expected.low <= loss(suggestion.parameters) <= expected.high
    assert expected.high - expected.low < 1.0


def test_a_maximized_metric_is_expected_with_its_sign():
    spec = dataclasses.replace(SPEC, metrics=(Metric("loss", Goal.MAXIMIZE),))
    suggestion, _ = after(spec, 25, sign=-1.0)
    minimized, _ = after(SPEC, 25)
    assert suggestion.parameters == minimized.parameters
    ours, theirs = suggestion.explanation.expected, minimized.explanation.expected
    assert (ours.mean, ours.low, ours.high) == pytest.approx((-theirs.mean, -theirs.high, -theirs.low))


def test_only_parameters_with_other_values_than_the_best_trial_are_compared():
    suggestion, done = after(SPEC, 25)
    best = min(done, key=lambda trial: trial.final_measurement.metrics["loss"])
    told = suggestion.explanation
    assert told.best == best.number
    assert set(told.kept) == {name for name, value in suggestion.parameters.items() if best.parameters[name] != value}
    assert all(0 <= share <= 1 for share in told.kept.values())
    assert 0 <= told.exploring <= 1


def test_pending_trials_change_little_of_the_expectation():
    waiting = [Trial(100, TrialState.ACTIVE, {"x": 0.9, "idle": 0.1, "kind": "b"})]
    suggestion, _ = after(SPEC, 25, pending=waiting)
    expected = suggestion.explanation.expected
    assert expected.low <= loss(suggestion.parameters) <= expected.high


def test_the_initial_design_expects_nothing():
    suggestion, _ = after(SPEC, 1)
    assert suggestion.reason == "initial design"
    assert suggestion.explanation is None


def test_with_two_objectives_there_is_no_expected_value():
    spec = dataclasses.replace(SPEC, metrics=(*SPEC.metrics, Metric("size", Goal.MAXIMIZE)))
    rng = random.Random(4)
    points = [sample(SPACE, rng) for _ in range(20)]
    done = [finished(number, point, loss=loss(point), size=point["idle"]) for number, point in enumerate(points, 1)]
    (suggestion,) = GpBandit().suggest(Request(Problem(spec, 20), done, (), 1, random.Random(1))).suggestions
    told = suggestion.explanation
    assert told.expected is None
    assert told.best is not None
    assert told.kept


def test_equal_results_have_no_expectation():
    rng = random.Random(4)
    done = [finished(number, sample(SPACE, rng), loss=1.0) for number in range(1, 11)]
    (suggestion,) = GpBandit().suggest(Request(Problem(SPEC, 10), done, (), 1, random.Random(1))).suggestions
    assert suggestion.explanation.expected is None


def test_earlier_studies_have_a_part_in_the_expectation():
    rng = random.Random(9)
    points = [sample(SPACE, rng) for _ in range(40)]
    done = [finished(number, point, loss=loss(point)) for number, point in enumerate(points, 1)]
    noise = [finished(number, point, loss=rng.random()) for number, point in enumerate(points, 1)]
    helped, _ = after(SPEC, 12, priors=(Prior(SPEC, done, "alike"), Prior(SPEC, noise, "noise")))
    alone, _ = after(SPEC, 12)
    assert alone.explanation.prior_studies is None
    assert 0.1 < helped.explanation.prior_studies <= 1
    shares = helped.explanation.by_prior_study
    assert sum(shares.values()) == pytest.approx(helped.explanation.prior_studies)
    assert shares["alike"] > 2 * shares["noise"]
