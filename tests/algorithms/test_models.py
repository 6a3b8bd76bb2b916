"""The algorithms that learn a model or a distribution: TPE, CMA-ES and scikit-optimize's."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.cmaes.replay import Replay
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.skopt.model import tame
from dodona_server.algorithms.space.tree import Tree
from dodona_server.algorithms.tpe.parzen import Mixture, Parzen
from dodona_server.algorithms.tpe.search import split
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.support.spaces import spaces

CONDITIONAL = SearchSpace(
    (
        Parameter(
            "kind",
            Categorical(("svm", "tree")),
            (
                Branch(("svm",), Parameter("c", Double(0, 1))),
                Branch(("tree",), Parameter("depth", Integer(1, 10))),
            ),
        ),
        Parameter("rate", Double(0, 1)),
    )
)


def spec_of(name, space=CONDITIONAL, **options):
    return StudySpec((Metric("m", Goal.MINIMIZE),), space, name, algorithm_options=options)


# --- TPE


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 2**32))
def test_a_density_has_the_mass_one(places, seed):
    for kind in (Double(0, 1), Integer(1, 7), Discrete((1, 2, 8)), Categorical(("a", "b", "c"))):
        tree = Tree(SearchSpace((Parameter("x", kind),)))
        axis = tree.dimensions[0].axis
        mixture = Mixture(tree, [tree.cells({"x": axis.value(u)}) for u in places])
        if axis.levels is None:
            edges = np.linspace(0, 1, 4001)[:, None]
            middles = (edges[1:] + edges[:-1]) / 2
            mass = np.exp(mixture.log_density(middles, middles)).mean()
        else:
            cells = np.array([axis.cell(axis.value((n + 0.5) / axis.levels)) for n in range(axis.levels)])
            widths = cells[:, 1] - cells[:, 0]
            mass = np.exp(mixture.log_density(cells[:, :1], cells[:, 1:])) @ widths
        assert mass == pytest.approx(1.0, abs=0.01)


@given(spaces(), st.integers(0, 2**32))
def test_what_a_mixture_draws_is_valid(space, seed):
    rng, tree = np.random.default_rng(seed), Tree(space)
    mixture = Mixture(tree, [tree.cells(Mixture(tree, []).draw(rng)) for _ in range(3)])
    point = mixture.draw(rng)
    assert space.check(point) == point


def test_a_trial_that_lacks_a_parameter_says_nothing_of_it():
    tree = Tree(CONDITIONAL)
    mixture = Mixture(tree, [tree.cells({"kind": "tree", "depth": 3, "rate": 0.5})])
    columns = {dimension.name: dimension.index for dimension in tree.dimensions}
    candidates = np.full((2, 4), np.nan)
    candidates[:, columns["kind"]] = 0.25
    candidates[:, columns["rate"]] = 0.5
    candidates[:, columns["c"]] = (0.1, 0.9)
    first, second = mixture.log_density(candidates, candidates)
    assert first == pytest.approx(second)


def test_the_model_goes_to_the_good_and_keeps_off_what_is_under_way():
    tree = Tree(SearchSpace((Parameter("x", Double(0, 1)),)))
    good = [tree.cells({"x": middle + step / 100}) for middle in (0.21, 0.81) for step in range(-5, 6)]
    bad = [tree.cells({"x": n / 20}) for n in range(21)]
    model = Parzen(tree, good, bad, 1)
    found = [model.propose(24)["x"] for _ in range(30)]
    assert sum(min(abs(x - 0.21), abs(x - 0.81)) < 0.15 for x in found) >= 24
    for step in range(-15, 16):
        model.avoid(tree.cells({"x": 0.21 + step / 150}))
    found = [model.propose(24)["x"] for _ in range(30)]
    assert sum(abs(x - 0.81) < 0.2 for x in found) > 20


def test_the_good_trials_are_the_best_tenth_and_infeasible_ones_the_worst():
    trials = [
        Trial(
            n,
            TrialState.INFEASIBLE if n % 5 == 0 else TrialState.SUCCEEDED,
            {},
            final_measurement=Measurement({"m": float(n)}),
        )
        for n in range(100)
    ]
    merits = [(0.0, float(n)) if n % 5 else (math.inf, math.inf) for n in range(100)]
    good, bad = split(spec_of("TPE"), trials, merits, 80)
    assert good == [1, 2, 3, 4, 6, 7, 8, 9]
    assert len(good) + len(bad) == 100


def test_several_objectives_have_their_first_front_as_good():
    spec = StudySpec((Metric("m", Goal.MINIMIZE), Metric("n", Goal.MAXIMIZE)), CONDITIONAL)
    trials = [
        Trial(n, TrialState.SUCCEEDED, {}, final_measurement=Measurement({"m": m, "n": other}))
        for n, (m, other) in enumerate([(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (2.0, 0.5)] * 5)
    ]
    good, _ = split(spec, trials, [(0.0, 0.0)] * 20, 20)
    assert {index % 4 for index in good} <= {0, 1}


# --- CMA-ES


def told(values, number, loss):
    return Trial(number, TrialState.SUCCEEDED, values, final_measurement=Measurement({"m": loss}), end_time=number / 10)


def test_the_state_does_not_change_for_trials_of_the_next_generation():
    tree = Tree(SearchSpace(tuple(Parameter(f"x{n}", Double(0, 1)) for n in range(3))))
    rng = random.Random(1)
    points = [{f"x{n}": rng.random() for n in range(3)} for _ in range(20)]
    merits = [(0.0, point["x0"]) for point in points]
    draws = []
    for count in (14, 18, 20):  # generations of 7
        replay = Replay(tree, 0.2, 0, 1)
        replay.run(points[:count], merits[:count])
        replay.reseed(3)
        draws.append(replay.draw())
    assert draws[0] == draws[1] == draws[2]


@pytest.mark.parametrize("count", [40, 1300])
def test_an_integer_stays_free_to_move(count):
    space = SearchSpace((Parameter("n", Integer(0, 9)), Parameter("x", Double(0, 1))))
    tree, rng = Tree(space), random.Random(2)
    points = [{"n": 4, "x": rng.random()} for _ in range(count)]
    replay = Replay(tree, 0.2, 6, 1)
    replay.run(points, [(0.0, abs(point["x"] - 0.5)) for point in points])
    replay.reseed(1)
    assert len({replay.draw()["n"] for _ in range(200)}) > 1


@pytest.mark.parametrize(
    "space",
    [
        CONDITIONAL,
        SearchSpace((Parameter("c", Categorical(("a", "b", "c"))),)),
        SearchSpace((Parameter("x", Double(0, 1)),)),
        SearchSpace(tuple(Parameter(f"x{n}", Double(0, 1)) for n in range(60))),
    ],
    ids=["conditional", "categories alone", "one parameter", "many parameters"],
)
def test_every_kind_of_space_can_be_searched(space):
    spec, trials, rng = spec_of("CMA_ES", space), [], random.Random(1)
    for number in range(1, 60):
        suggestions = algorithm_for("CMA_ES").suggest(Request(Problem(spec, number - 1), trials, (), 1, rng))
        (values,) = suggestions.parameters
        assert space.check(values) == values
        trials.append(told(values, number, rng.random()))


# --- scikit-optimize


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SKOPT_GP", {"acq_func": "EI", "xi": 0.1, "acq_optimizer": "sampling", "noise": 1e-6, "n_points": 50}),
        ("SKOPT_GP", {"acq_func": "LCB", "kappa": 3.0, "acq_optimizer": "lbfgs", "n_points": 50, "n_restarts_fit": 0}),
        ("SKOPT_GP", {"acq_func": "PI", "n_restarts_optimizer": 1, "n_points": 50, "n_initial_points": 5}),
        ("SKOPT_FOREST", {"base_estimator": "RF", "n_estimators": 10, "min_samples_leaf": 1, "max_depth": 4}),
        ("SKOPT_GBRT", {"n_estimators": 10, "learning_rate": 0.2, "max_depth": 2, "acq_func": "EI"}),
    ],
)
@pytest.mark.slow
def test_the_options_of_scikit_optimize_are_taken(name, options):
    spec, rng = spec_of(name, **options), random.Random(4)
    algorithm_for(name).check(spec)
    trials = [told({"kind": "svm", "c": rng.random(), "rate": rng.random()}, n, rng.random()) for n in range(1, 13)]
    pending = [Trial(13, TrialState.ACTIVE, {"kind": "tree", "depth": 3, "rate": 0.5})]
    found = algorithm_for(name).suggest(Request(Problem(spec, 13), trials, pending, 2, rng)).parameters
    for values in found:
        assert CONDITIONAL.check(values) == values


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("SKOPT_GP", "acq_func", "UCB", r"'UCB' is not one of gp_hedge, EI, LCB, PI"),
        ("SKOPT_GP", "n_estimators", 10, r"'n_estimators' is not an option of SKOPT_GP"),
        ("SKOPT_GP", "noise", "much", r"'much' is not a number from 0"),
        ("SKOPT_GP", "xi", -1, r"-1 is not a number from 0"),
        ("SKOPT_FOREST", "acq_optimizer", "lbfgs", r"'lbfgs' needs a model with gradients"),
        ("SKOPT_FOREST", "base_estimator", "GP", r"'GP' is not one of ET, RF"),
        ("SKOPT_GBRT", "learning_rate", 0, r"0 is not a number from"),
        ("TPE", "n_candidates", 0, r"0 is not a whole number from 1"),
        ("CMA_ES", "sigma", True, r"True is not a number from"),
        ("NSGA2", "population_size", 1, r"1 is not a whole number from 2"),
    ],
)
def test_a_wrong_option_is_refused(name, option, value, message):
    with pytest.raises(InvalidArgument, match=message):
        algorithm_for(name).check(spec_of(name, **{option: value}))


@given(st.lists(st.tuples(st.sampled_from((0.0, 1.0)), st.floats(-1e308, 1e308)), min_size=1, max_size=30))
def test_losses_are_tamed_in_order(merits):
    losses = tame([*merits, (math.inf, math.inf)])
    assert np.isfinite(losses).all()
    assert np.abs(losses).max() <= 1e3
    safe = [index for index, merit in enumerate(merits) if merit[0] == 0.0]
    ordered = sorted(safe, key=lambda index: merits[index])
    assert all(losses[one] <= losses[other] for one, other in itertools.pairwise(ordered))
    assert losses[-1] == losses.max()
