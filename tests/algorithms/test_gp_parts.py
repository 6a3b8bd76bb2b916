"""The Gaussian process's parts: answers known by hand, gradients by differences, round trips."""

from __future__ import annotations

import math
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from dodona_server.algorithms.gp.acquisition.acquisition import (
    AT_ONCE,
    STEEPNESS,
    Acquisition,
    Constraint,
    Limit,
    log_h,
)
from dodona_server.algorithms.gp.data.axes import axis_of
from dodona_server.algorithms.gp.data.encoding import Encoding
from dodona_server.algorithms.gp.data.features import Features
from dodona_server.algorithms.gp.data.history import choose, early
from dodona_server.algorithms.gp.model.fit import fit
from dodona_server.algorithms.gp.model.kernel import matern, matern_and_slope, squared_distances, warp, warp_slopes
from dodona_server.algorithms.gp.model.likelihood import MEAN_VARIANCE, Hyperparameters, Layout, NoisePrior, Posterior
from dodona_server.algorithms.gp.model.outputs import finite, standardize, warp_outputs
from dodona_server.algorithms.gp.model.surrogate import Surrogate
from dodona_server.algorithms.gp.model.targets import target, weights
from dodona_server.algorithms.shared.nondominated import first_front
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from tests.support.spaces import kinds, spaces

TREE = SearchSpace(
    (
        Parameter("lr", Double(1e-4, 1.0, Scale.LOG)),
        Parameter("batch", Discrete((16, 32, 128))),
        Parameter(
            "model",
            Categorical(("net", "svm", "none")),
            (
                Branch(("net",), Parameter("layers", Integer(1, 4))),
                Branch(("svm",), Parameter("c", Double(0.0, 10.0))),
                Branch(("net", "svm"), Parameter("seed", Double(0.0, 1.0))),
            ),
        ),
    )
)


def places(encoding, count, seed=0):
    z = encoding.spread(np.random.default_rng(seed).random((count, encoding.size)))
    return z, encoding.activity(z)


def surrogate(encoding=None, count=12, fantasies=1, basis=(), seed=0):
    encoding = encoding or Encoding(TREE)
    z, active = places(encoding, count, seed)
    features = Features(encoding, z, active)
    generator = np.random.default_rng(seed + 1)
    hyper = Hyperparameters(
        np.exp(generator.normal(0, 0.3, features.groups)),
        1.3,
        1e-3,
        np.exp(generator.normal(0, 0.3, len(features.numeric))),
        np.exp(generator.normal(0, 0.3, len(features.numeric))),
        np.full(len(basis), 0.7),
    )
    y = generator.standard_normal((count, fantasies))
    return Surrogate(features, hyper, z, active, y, basis)


@settings(deadline=None)
@given(kinds, st.integers(0, 2**32))
def test_a_value_is_where_its_place_is(kind, seed):
    axis = axis_of(kind)
    value = sample(SearchSpace((Parameter("x", kind),)), random.Random(seed))["x"]
    place = axis.place(value)
    again = axis.value(place)
    assert type(again) is type(value)
    kind.check(again)
    if isinstance(kind, Double) or axis.size > 1e6:
        assert axis.place(again) == pytest.approx(place, abs=1e-6)
    else:
        assert again == value


@given(spaces(), st.integers(0, 2**32))
def test_a_point_is_encoded_and_decoded(space, seed):
    encoding = Encoding(space)
    point = sample(space, random.Random(seed))
    z, there = encoding.encode([point])
    again = encoding.decode(encoding.snap(z)[0])
    assert again.keys() == point.keys()
    assert set(np.array(encoding.ids)[there[0]]) == set(point)
    assert space.check(again) == again


def test_places_follow_the_scale():
    assert axis_of(Double(1e-4, 1.0, Scale.LOG)).place(1e-2) == pytest.approx(0.5)
    assert axis_of(Double(0.0, 4.0)).value(0.25) == 1.0
    assert [axis_of(Discrete((16, 32, 128))).place(value) for value in (16, 32, 128)] == [0.0, 0.5, 1.0]
    assert axis_of(Integer(1, 100, Scale.LOG)).place(10) == pytest.approx(0.5)
    assert axis_of(Categorical(("a", "b"))).place("b") == 1.0
    assert axis_of(Double(0.9, 0.999, Scale.REVERSE_LOG)).place(0.999) == pytest.approx(1.0)


@pytest.mark.parametrize("scale", Scale)
@pytest.mark.parametrize("low", [2**50, 2**53, 2**62, 2**63 - 10_000])
@pytest.mark.parametrize("width", [8, 5000])
def test_integers_far_from_zero_are_told_apart(low, width, scale):
    kinds = [Integer(low, low + width, scale)] + [Integer(-low - width, -low)] * (scale is Scale.LINEAR)
    for kind in kinds:
        axis = axis_of(kind)
        values = [kind.min_value + step for step in range(0, width + 1, max(1, width // 100))]
        found = np.array([axis.place(value) for value in values])
        assert found == pytest.approx([(value - kind.min_value) / width for value in values])
        assert [axis.value(place) for place in found] == values
        assert (axis.snap(found) == found).all()
        assert axis.snap(found + 0.2 / width) == pytest.approx(found)
        assert len(set(axis.neighbors(float(found[1])))) >= 3


def test_only_the_taken_branch_is_active():
    encoding = Encoding(TREE)
    assert encoding.ids == ["lr", "batch", "model", "layers", "c", "seed"]
    z = np.array([[0.5, 0.5, model, 0.0, 0.0, 0.0] for model in (0.0, 1.0, 2.0)])
    assert encoding.activity(z)[:, 3:].tolist() == [[True, False, True], [False, True, True], [False, False, False]]


def test_points_of_a_finite_space_are_counted_and_listed():
    space = SearchSpace(
        (
            Parameter("n", Integer(1, 3), (Branch((2, 3), Parameter("c", Categorical(("a", "b")))),)),
            Parameter("d", Discrete((0.5, 1.5))),
        )
    )
    encoding = Encoding(space)
    assert encoding.points(100) == len(encoding.all_points()) == 10
    assert encoding.points(9) is None
    assert Encoding(TREE).points(10**9) is None


@pytest.mark.timeout(10)
def test_points_of_nested_conditions_are_counted_once_a_parameter():
    def chain(depth, innermost):
        parameter = Parameter("innermost", innermost)
        for level in range(depth):
            parameter = Parameter(f"p{level}", Categorical(("a", "b", "c")), (Branch(("a", "b"), parameter),))
        return Encoding(SearchSpace((parameter,)))

    # Each level has its child's points twice, and one more.
    assert chain(3, Integer(1, 2)).points(100) == len(chain(3, Integer(1, 2)).all_points()) == 23
    assert chain(3, Integer(1, 2)).points(23) == 23
    assert chain(3, Integer(1, 2)).points(22) is None
    assert chain(31, Integer(1, 2)).points(2**40) == 2**31 * 3 - 1
    assert chain(31, Double(0, 1)).points(2000) is None


def test_categories_are_equally_far_apart():
    encoding = Encoding(SearchSpace((Parameter("c", Categorical(("a", "b", "c"))),)))
    z = np.array([[0.0], [1.0], [2.0]])
    x = Features(encoding, z, np.ones((3, 1), dtype=bool))(z, np.ones((3, 1), dtype=bool))
    squared = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    assert squared == pytest.approx(1.0 - np.eye(3))


def test_matern_by_hand():
    assert matern(np.array([0.0])) == 1.0
    u = math.sqrt(5.0) * 2.0
    assert matern(np.array([4.0])) == pytest.approx((1 + u + u * u / 3) * math.exp(-u))
    step = 1e-6
    value, slope = matern_and_slope(np.array([0.7]))
    assert slope == pytest.approx((matern(np.array([0.7 + step])) - value) / step, rel=1e-4)


def test_a_warp_without_exponents_is_nearly_none_and_its_slopes_are_right():
    x, one = np.linspace(0, 1, 5)[:, None], np.ones(1)
    assert warp(x, one, one) == pytest.approx(x, abs=0.011)
    x, a, b = np.array([[0.3]]), np.array([1.7]), np.array([0.6])
    by_x, by_a, by_b = (slope[0, 0] for slope in warp_slopes(x, a, b))
    step = 1e-6
    assert by_x == pytest.approx((warp(x + step, a, b) - warp(x, a, b))[0, 0] / step, rel=1e-4)
    assert by_a == pytest.approx((warp(x, a * math.exp(step), b) - warp(x, a, b))[0, 0] / step, rel=1e-4)
    assert by_b == pytest.approx((warp(x, a, b * math.exp(step)) - warp(x, a, b))[0, 0] / step, rel=1e-4)


@pytest.mark.parametrize("warped", [True, False])
def test_the_posterior_of_hyperparameters_has_the_right_gradient(warped):
    encoding = Encoding(TREE)
    z, active = places(encoding, 15)
    features = Features(encoding, z, active)
    generator = np.random.default_rng(2)
    basis = generator.standard_normal((15, 2))
    layout = Layout(features.groups, len(features.numeric), 2, warped)
    y = standardize(generator.standard_normal(15))
    extra = generator.random(15) if warped else np.zeros(15)
    found = Posterior(features(z, active), y, basis, features.group, layout, 4.0, NoisePrior(), extra)
    theta = np.clip(found.medians + 0.3 * generator.standard_normal(len(found.medians)), *found.bounds.T)
    _, gradient = found(theta)
    for index, step in enumerate(1e-5 * np.eye(len(theta))):
        slope = (found(theta + step)[0] - found(theta - step)[0]) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_a_surrogate_goes_through_its_observations_and_knows_little_far_away():
    model = surrogate()
    at = model.predict(model.z, model.active)
    assert at.mean == pytest.approx(model.fitted)
    assert np.abs(at.mean - model.y).max() < 0.05
    assert at.variance.max() < 2e-3


def test_an_observation_with_more_noise_counts_less():
    encoding = Encoding(TREE)
    z, active = places(encoding, 1)
    features = Features(encoding, z, active)
    hyper = Hyperparameters(
        np.ones(features.groups), 1.0, 1e-3, np.ones(len(features.numeric)), np.ones(len(features.numeric)), np.empty(0)
    )
    means = [
        Surrogate(features, hyper, z, active, np.full((1, 1), 2.0), extra=np.array([extra])).mean(z, active)[0, 0]
        for extra in (0.0, 0.5, 50.0)
    ]
    assert means[0] == pytest.approx(2.0, abs=0.01)
    assert means[1] == pytest.approx(2.0 * 2.0 / 2.501)
    assert means[2] < 0.1


@pytest.mark.parametrize(("fantasies", "steepness"), [(1, 1.0), (3, 1.0), (1, STEEPNESS)])
def test_the_acquisition_has_the_right_gradient(fantasies, steepness):
    encoding = Encoding(TREE)
    model = surrogate(encoding, fantasies=fantasies, basis=(surrogate(encoding, seed=7), surrogate(encoding, seed=8)))
    acquisition = Acquisition(
        model, np.full(fantasies, -0.5), [Constraint(surrogate(encoding, seed=3), Limit(0.2, 1.5, steepness))]
    )
    z, active = places(encoding, 6, seed=5)
    z = np.clip(z, 0.05, np.where(encoding.categorical, 9.0, 0.95))
    value, by_z = acquisition.with_slopes(z, active)
    assert value == pytest.approx(acquisition(z, active))
    for axis in np.flatnonzero(~encoding.categorical):
        moved = z.copy()
        moved[:, axis] += 1e-6
        expected = (acquisition(moved, active) - value) / 1e-6
        assert by_z[:, axis] * active[:, axis] == pytest.approx(expected * active[:, axis], abs=1e-3, rel=1e-3)


def test_many_points_have_the_values_that_each_has_alone():
    encoding = Encoding(TREE)
    acquisition = Acquisition(surrogate(encoding, fantasies=3), np.full(3, -0.5), [])
    z, active = places(encoding, AT_ONCE + 3, seed=5)
    alone = [acquisition(z[at : at + 1], active[at : at + 1])[0] for at in range(len(z))]
    assert acquisition(z, active) == pytest.approx(alone, rel=1e-9)


@pytest.mark.parametrize("u", [3.0, 0.0, -0.999, -1.001, -5.0])
def test_log_h_is_the_integral_it_stands_for(u):
    integral, _ = quad(lambda t: (u - t) * norm.pdf(t), -np.inf, u, epsabs=0, epsrel=1e-10)
    assert log_h(np.array([u]))[0] == pytest.approx(math.log(integral), rel=1e-7)


def test_log_h_neither_underflows_nor_jumps():
    u = -np.logspace(-3, 8, 2000)
    values = log_h(u)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def test_a_steep_limit_changes_nothing_where_it_is_kept_more_probably_than_not():
    encoding = Encoding(TREE)
    model = surrogate(encoding, seed=3)
    z, active = places(encoding, 40, seed=5)
    plain, steep = (Acquisition(None, np.zeros(1), [Constraint(model, Limit(0.2, 1.0, s))]) for s in (1.0, STEEPNESS))
    probable = plain(z, active) >= math.log(0.5)
    assert 0 < probable.sum() < len(z)
    assert steep(z, active)[probable] == pytest.approx(plain(z, active)[probable])
    beyond = plain(z, active)[~probable] - math.log(0.5)
    assert steep(z, active)[~probable] == pytest.approx(math.log(0.5) + STEEPNESS * beyond)


def test_draws_have_the_posterior_moments():
    encoding = Encoding(TREE)
    known = surrogate(encoding)
    z, active = places(encoding, 3, seed=9)
    at = known.predict(z, active)
    every = np.concatenate([known.z, z]), np.concatenate([known.active, active])
    normal = np.random.default_rng(0).standard_normal((3, 20_000))
    drawn = Surrogate(Features(encoding, *every), known.hyper, *every, known.y, normal=normal).y
    assert (drawn[:12] == known.y).all()
    assert drawn[12:].mean(axis=1) == pytest.approx(at.mean[:, 0], abs=0.05)
    together = known.hyper.scale * matern(squared_distances(at.scaled, at.scaled)) + MEAN_VARIANCE
    covariance = together - at.solved @ at.covariance.T + known.hyper.noise * np.eye(3)
    assert np.cov(drawn[12:]) == pytest.approx(covariance, abs=0.05 * covariance.max())


@pytest.mark.slow
def test_a_fit_finds_noise_and_the_axis_that_matters():
    encoding = Encoding(SearchSpace(tuple(Parameter(f"x{i}", Double(0.0, 1.0)) for i in range(3))))
    z, active = places(encoding, 80)
    generator = np.random.default_rng(4)
    smooth = np.sin(6 * z[:, 0])
    features = Features(encoding, z, active)
    nothing = np.empty((80, 0))
    hyper = fit(features, features(z, active), standardize(smooth), nothing, 3.0, NoisePrior())
    assert hyper.noise < 1e-3
    assert hyper.length[0] < 0.3 * hyper.length[1:].min()
    noisy = standardize(smooth + 0.5 * smooth.std() * generator.standard_normal(80))
    hyper = fit(features, features(z, active), noisy, nothing, 3.0, NoisePrior())
    assert 0.1 < hyper.noise < 0.4  # 0.2 by construction
    first = Features(encoding, z[:60], active[:60])
    start = fit(first, first(z[:60], active[:60]), standardize(noisy[:60]), nothing[:60], 3.0, NoisePrior())
    near = fit(features, features(z, active), noisy, nothing, 3.0, NoisePrior(), start=start)
    assert near.noise == pytest.approx(hyper.noise, rel=0.05)
    assert near.length == pytest.approx(hyper.length, rel=0.2)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_warped_outputs_keep_the_order(values):
    y = np.array(values)
    warped = warp_outputs(y)
    assert np.isfinite(warped).all()
    order = np.argsort(y, kind="stable")
    assert (np.diff(warped[order]) >= -1e-9).all()
    assert abs(warped.mean()) < 1e-6


def test_one_diverged_trial_does_not_press_the_good_ones_together():
    y = np.array([*np.linspace(0.1, 0.5, 9), 1e6])
    assert np.ptp(warp_outputs(y)[:5]) > 0.5


def test_what_is_not_finite_is_the_worst_or_the_best():
    assert finite(np.array([1.0, np.nan, 3.0, np.inf, -np.inf])).tolist() == [1.0, 3.0, 3.0, 3.0, 1.0]
    assert finite(np.array([np.nan, np.inf])).tolist() == [0.0, 0.0]


def test_the_pareto_front_by_hand():
    values = np.array([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0], [1.0, 2.0], [1.0, 1.0]])
    assert first_front(values).tolist() == [True, True, True, False, True]


def test_every_weighting_prefers_a_point_of_the_front():
    values = np.random.default_rng(0).random((40, 3))
    generator = np.random.default_rng(1)
    for _ in range(20):
        assert first_front(values)[np.argmin(target(values, weights(3, generator)))]


def test_the_fit_of_many_results_begins_with_most_of_them():
    assert [early(count) for count in (0, 1, 47)] == [0, 0, 0]
    assert [early(count) for count in (48, 55, 56, 63, 64, 1000)] == [40, 40, 48, 48, 56, 992]


def test_the_best_and_the_latest_are_chosen():
    rank = np.random.default_rng(0).permutation(1000).astype(float)
    rows = choose(rank, 100, np.random.default_rng(1))
    assert len(set(rows.tolist())) == 100
    assert set(np.argsort(rank)[:40]) <= set(rows.tolist())
    assert 999 in rows


@pytest.mark.processes
def test_the_algorithms_are_named_without_numpy():
    code = "import sys, dodona_server.algorithms.gp.algorithm\nassert not {'numpy', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.processes
def test_the_first_points_need_no_scipy():
    """A worker waits for them while the process that makes them starts."""
    code = """
import random, sys
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.algorithms.contract.algorithm import Problem, Request
from dodona_server.algorithms.gp.algorithm import GpBandit

spec = StudySpec((Metric("loss", Goal.MINIMIZE),), SearchSpace((Parameter("x", Double(0.0, 1.0)),)))
assert len(GpBandit().suggest(Request(Problem(spec), [], [], 3, random.Random(0))).parameters) == 3
assert "scipy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
