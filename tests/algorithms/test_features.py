"""Features of points, from which a linear model learns."""

from __future__ import annotations

import random

import numpy as np

from dodona_server.algorithms.space.features import MOST_FEATURES, features_of
from dodona_server.algorithms.space.unit_interval import Axis
from dodona_server.domain.space import (
    Branch,
    Categorical,
    Discrete,
    Double,
    Integer,
    Parameter,
    Scale,
    SearchSpace,
)

KINDS = (
    Double(1e-5, 1.0, Scale.LOG),
    Integer(1, 1000),
    Discrete(tuple(range(100, 200, 2))),
    Categorical(("sgd", "adam", "rmsprop")),
)
SPACE = SearchSpace(tuple(Parameter(f"p{index}", kind) for index, kind in enumerate(KINDS)))


def test_features_of_random_points_have_mean_0_and_variance_1():
    rng = random.Random(0)
    points = [{f"p{index}": Axis(kind).value(rng.random()) for index, kind in enumerate(KINDS)} for _ in range(4000)]
    features = features_of(SPACE, points)
    assert features.shape == (4000, 3 * 2 + 3)
    assert np.abs(features.mean(axis=0)).max() < 0.06
    np.testing.assert_allclose(features[:, :6].var(axis=0), 1.0, atol=0.06)
    # A value of three says little about each of the others.
    np.testing.assert_allclose(features[:, 6:].var(axis=0), 2 / 3, atol=0.06)


def test_equal_steps_on_the_scale_are_equal_steps_of_the_feature():
    space = SearchSpace((Parameter("rate", Double(1e-4, 1.0, Scale.LOG)),))
    features = features_of(space, [{"rate": 10.0**power} for power in range(-4, 1)])
    np.testing.assert_allclose(np.diff(features[:, 0]), 12**0.5 / 4)
    assert features[2].tolist() == [0.0, features[:, 1].min()]


def test_a_parameter_that_is_not_active_or_not_known_has_none():
    momentum = Parameter("momentum", Double(0.0, 1.0))
    kind = Categorical(("sgd", "adam"))
    space = SearchSpace((Parameter("optimizer", kind, (Branch(("sgd",), momentum),)),))
    with_momentum, without, grown = features_of(
        space, [{"optimizer": "sgd", "momentum": 1.0}, {"optimizer": "adam"}, {"optimizer": "adagrad"}]
    )
    assert with_momentum.all()
    assert without.tolist() == [*(-with_momentum[:2]).tolist(), 0.0, 0.0]
    assert not grown.any()


def test_a_space_with_more_features_than_trials_can_teach_has_none():
    names = tuple(f"v{index}" for index in range(MOST_FEATURES + 1))
    space = SearchSpace((Parameter("many", Categorical(names)),))
    assert features_of(space, [{"many": "v0"}, {"many": "v1"}]).shape == (2, 0)
    assert features_of(SPACE, []).shape == (0, 9)
