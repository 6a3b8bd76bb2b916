"""Hints: densities, a head start where they are right, and little harm where they are wrong."""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest

from dodona_server.algorithms.gp.data.encoding import Encoding
from dodona_server.algorithms.gp.data.hints import Hints
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sampling import hinted
from dodona_server.domain.space import Branch, Categorical, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.hint import Hint, Sure
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

SPACE = SearchSpace(
    (
        Parameter("rate", Double(1e-5, 1e-1, Scale.LOG)),
        Parameter("units", Integer(8, 256)),
        Parameter("kind", Categorical(("a", "b", "c"))),
        Parameter("x", Double(0.0, 1.0)),
    )
)
GOOD = {"rate": Hint((1e-3,)), "units": Hint((64, 96)), "kind": Hint(("b",), Sure.VERY)}
WRONG = {"rate": Hint((1e-1,)), "units": Hint((256,)), "kind": Hint(("c",)), "x": Hint((1.0,))}


def loss(point):
    rate = (np.log10(point["rate"]) + 3) / 4
    return rate**2 + ((point["units"] - 80) / 248) ** 2 + (point["x"] - 0.4) ** 2 + 0.3 * (point["kind"] != "b")


def search(hints, trials, seed, algorithm="GP_BANDIT"):
    spec = StudySpec((Metric("m", Goal.MINIMIZE),), SPACE, stopping=StoppingConfig(max_num_trials=trials), hints=hints)
    done = []
    while len(done) < trials:
        request = Request(Problem(spec, len(done), seed=seed), done, (), 1, random.Random(f"{seed}/{len(done)}"))
        point = dict(algorithm_for(algorithm).suggest(request).suggestions[0].parameters)
        measured = Measurement({"m": float(loss(point))})
        done.append(Trial(len(done) + 1, TrialState.SUCCEEDED, point, final_measurement=measured))
    return done


def best_of(hints, trials, algorithm="GP_BANDIT"):
    """The median over seeds of the best value."""
    return statistics.median(
        min(trial.final_measurement.metrics["m"] for trial in search(hints, trials, seed, algorithm))
        for seed in range(3)
    )


@pytest.mark.parametrize("sure", list(Sure))
def test_a_density_is_one_on_average_and_its_slope_is_right(sure):
    encoding = Encoding(SPACE)
    hints = Hints(encoding, {"rate": Hint((1e-5, 1e-2), sure), "kind": Hint(("a", "c"), sure)})
    u = np.random.default_rng(3).random((200_000, encoding.size))
    z = encoding.spread(u)
    active = encoding.activity(z)
    log_density, _ = hints.log_density(z, active)
    assert np.exp(log_density).mean() == pytest.approx(1.0, abs=0.01)
    some, step = z[:200].clip(1e-3, 1 - 1e-3), 1e-6
    moved = some.copy()
    moved[:, 0] += step
    slope = (hints.log_density(moved, active[:200])[0] - hints.log_density(some, active[:200])[0]) / step
    assert np.allclose(hints.log_density(some, active[:200])[1][:, 0], slope, rtol=1e-3, atol=1e-3)


def test_the_first_trial_is_the_hinted_one():
    (first,) = search(GOOD, 1, 0)
    assert first.parameters == {"rate": pytest.approx(1e-3), "units": 64, "kind": "b", "x": 0.5}


@pytest.mark.slow
def test_good_hints_make_a_head_start():
    assert best_of(GOOD, 8) < 0.5 * best_of({}, 8)


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "trials"), [("TPE", 8), ("RANDOM_SEARCH", 30)])
def test_other_algorithms_use_good_hints_too(algorithm, trials):
    assert best_of(GOOD, trials, algorithm) < 0.5 * best_of({}, trials, algorithm)


@pytest.mark.slow
def test_wrong_hints_are_soon_forgotten():
    # A search that went on as the hints say would never see this.
    assert best_of(WRONG, 20) < 1.5 * best_of({}, 15)


def test_results_against_hints_end_the_trust_in_them():
    encoding = Encoding(SPACE)
    z = np.tile(encoding.default(), (6, 1))
    z[:, 0] = [0.5, 0.52, 0.48, 0.0, 0.02, 0.98]
    active = encoding.activity(z)
    hints = Hints(encoding, {"rate": Hint((1e-3,))})
    better, worse = np.array([1, 2, 3, 4, 5, 6.0]), np.array([6, 5, 4, 3, 2, 1.0])
    assert hints.trust(z, active, better) == 1.0
    assert hints.trust(z, active, worse) == 0.0
    assert hints.trust(z[:0], active[:0], better[:0]) == 1.0
    assert Hints(encoding, {}).trust(z, active, better) == 0.0


def test_a_hint_about_a_child_counts_where_it_is_active():
    space = SearchSpace(
        (Parameter("kind", Categorical(("a", "b")), (Branch(("b",), Parameter("momentum", Double(0.0, 1.0))),)),)
    )
    encoding = Encoding(space)
    hints = Hints(encoding, {"momentum": Hint((0.9,))})
    z, active = encoding.encode([{"kind": "a"}, {"kind": "b", "momentum": 0.9}, {"kind": "b", "momentum": 0.1}])
    off, near, far = hints.log_density(z, active)[0]
    assert off == 0
    assert far < 0 < near
    assert {"a", "b"} == {hinted(space, {"momentum": Hint((0.9,))}, random.Random(seed))["kind"] for seed in range(20)}


def test_drawn_points_are_near_the_hints():
    rng = random.Random(5)
    points = [hinted(SPACE, GOOD, rng) for _ in range(500)]
    assert 0.85 < np.mean([point["kind"] == "b" for point in points]) < 0.99
    assert np.mean([1e-4 < point["rate"] < 1e-2 for point in points]) > 0.8
    assert np.mean([point["x"] < 0.5 for point in points]) == pytest.approx(0.5, abs=0.1)
