"""What holds of every registered algorithm, on random spaces and histories of every kind."""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dodona_server.algorithms.registry import ALGORITHMS, Problem, Request
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.algorithms.space.finite import MAX_SMALL
from dodona_server.algorithms.space.grid import count_points
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import without_tuner_values
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.support.histories import histories
from tests.support.spaces import spaces

SLOW = {"GP_BANDIT", "SKOPT_FOREST", "SKOPT_GBRT", "SKOPT_GP"}
# What makes them cheap enough for many runs, and leaves them what they are.
CHEAP = {
    "SKOPT_FOREST": {"n_points": 100, "n_estimators": 20},
    "SKOPT_GBRT": {"n_points": 100, "n_estimators": 10},
    "SKOPT_GP": {"n_points": 100, "n_restarts_optimizer": 1, "n_restarts_fit": 0, "acq_func": "LCB"},
}
# These end; all others answer whatever is asked, GP_BANDIT as long as there is a point that it has not tried.
ENDING = {"GRID_SEARCH", "SHUFFLED_GRID_SEARCH", "HYPERBAND", "PBT", "SUCCESSIVE_HALVING"}
# They promote trials, which repeats points by intent.
PROMOTING = {"ASHA", "FREEZE_THAW", "HYPERBAND", "PBT", "SUCCESSIVE_HALVING"}
ONE_METRIC = (Metric("m", Goal.MINIMIZE),)
# The server's best is one of the others.
NAMES = sorted(ALGORITHMS.keys() - {"ALGORITHM_UNSPECIFIED"})
EVERY = pytest.mark.parametrize("name", NAMES)
LEARNING = pytest.mark.parametrize("name", [name for name in NAMES if not ALGORITHMS[name].traits.inline])


def suggest(name, problem, completed=(), pending=(), count=1, seed=0, stopped=()):
    request = Request(problem, completed, pending, count, random.Random(seed), stopped=stopped)
    return ALGORITHMS[name].suggest(request)


def spec_of(name, space, metrics=ONE_METRIC):
    return StudySpec(metrics, space, name, algorithm_options=CHEAP.get(name, {}))


def check(space, values):
    """The values are of the space, each in its parameter's own type."""
    plain = without_tuner_values(values)
    checked = space.check(plain)
    assert checked == plain
    assert {name: type(value) for name, value in checked.items()} == {key: type(value) for key, value in plain.items()}


def room_for_new(space, tried):
    """Whether there is surely a point that has not been tried, and that is not hard to find."""
    size = count_points(space)
    if size is None:
        return any(
            isinstance(kind, Double)
            and kind.min_value < 0.999 * kind.max_value
            # Over hundreds of decades, nearly all points of this scale round to the largest value.
            and (kind.scale is not Scale.REVERSE_LOG or kind.max_value < 1e6 * kind.min_value)
            for kind in (parameter.kind for parameter in space.parameters)
        )
    return size <= MAX_SMALL and len({frozenset(point.items()) for point in tried}) < size


@EVERY
@pytest.mark.slow
def test_any_history_has_valid_suggestions_and_always_the_same(name):
    @settings(
        max_examples=8 if name in SLOW else settings().max_examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(histories(spaces(), name), st.integers(1, 3), st.integers(0, 2**32))
    def holds(history, count, seed):
        spec = spec_of(name, history.spec.space, history.spec.metrics)
        every = (history.completed, history.pending, history.stopped)
        problem = Problem(spec, sum(map(len, every)), (), seed)
        # Inline algorithms are given no history.
        completed, pending, stopped = ((), (), ()) if ALGORITHMS[name].traits.inline else every
        found = suggest(name, problem, completed, pending, count, seed, stopped)
        assert found == suggest(name, problem, completed, pending, count, seed, stopped)
        tried = [trial.parameters for trials in (completed, pending, stopped) for trial in trials]
        exhausted = name == "GP_BANDIT" and not room_for_new(spec.space, [*tried, *found.parameters])
        exhausted |= name == "RANDOM_SEARCH" and count_points(spec.space) is not None
        assert len(found.parameters) == count or ((name in ENDING or exhausted) and len(found.parameters) < count)
        for values in found.parameters:
            check(history.spec.space, values)
            point = without_tuner_values(values)
            if not ALGORITHMS[name].traits.inline and room_for_new(history.spec.space, tried):
                assert point not in tried
            tried.append(point)

    holds()


def long_history(space, count, metrics=ONE_METRIC, seed=3):
    rng = random.Random(seed)
    return [
        Trial(
            number,
            TrialState.SUCCEEDED,
            sample(space, rng),
            end_time=float(number),
            final_measurement=Measurement({metric.id: rng.random() for metric in metrics}),
        )
        for number in range(1, count + 1)
    ]


@EVERY
@pytest.mark.parametrize(
    "space",
    [
        SearchSpace((Parameter("x", Double(2.0, 2.0)),)),
        SearchSpace((Parameter("c", Categorical(tuple(map(str, range(1000))))),)),
        SearchSpace(tuple(Parameter(f"x{n}", Double(1e-3, 1.0, Scale.LOG)) for n in range(200))),
        SearchSpace((Parameter("n", Integer(-(2**63) + 1, 2**63 - 1)),)),
        SearchSpace(
            (
                Parameter(
                    "kind",
                    Categorical(("a", "b")),
                    (
                        Branch(("a",), Parameter("x", Double(0, 1))),
                        Branch(("b",), Parameter("x", Discrete((1, 2, 3)))),
                    ),
                ),
            )
        ),
    ],
    ids=["one point", "1000 categories", "200 parameters", "64 bits", "one name in two branches"],
)
@pytest.mark.slow
def test_an_extreme_space_is_searched(name, space):
    completed = [] if ALGORITHMS[name].traits.inline else long_history(space, 12)
    for values in suggest(name, Problem(spec_of(name, space), 12), completed, (), 2).parameters:
        check(space, values)


@EVERY
def test_an_unknown_option_is_refused(name):
    spec = StudySpec(ONE_METRIC, SearchSpace((Parameter("x", Double(0, 1)),)), name, algorithm_options={"?": 1})
    with pytest.raises(InvalidArgument, match="is not an option of"):
        ALGORITHMS[name].check(spec)


@LEARNING
def test_the_last_points_of_a_small_space_are_found(name):
    space = SearchSpace((Parameter("n", Integer(1, 5)), Parameter("c", Categorical(("a", "b", "c")))))
    spec = spec_of(name, space)
    trials = []
    for number in range(1, 16):
        (values,) = suggest(name, Problem(spec, number - 1), trials, (), 1, number).parameters
        assert without_tuner_values(values) not in [without_tuner_values(trial.parameters) for trial in trials]
        measured = Measurement({"m": float(values["n"])})
        trials.append(Trial(number, TrialState.SUCCEEDED, values, final_measurement=measured, end_time=float(number)))
        if name in PROMOTING:
            return


def quadratic(values):
    return (values["x"] - 0.3) ** 2 + (math.log10(values["y"]) + 2) ** 2 + 0.1 * abs(values["n"] - 7)


SMOOTH = SearchSpace(
    (
        Parameter("x", Double(-1.0, 1.0)),
        Parameter("y", Double(1e-4, 1.0, Scale.LOG)),
        Parameter("n", Integer(1, 20)),
    )
)


def best_of(name, trials, seed):
    spec = spec_of(name, SMOOTH)
    completed = []
    for number in range(1, trials + 1):
        problem = Problem(spec, number - 1, (), seed)
        (values,) = suggest(name, problem, completed, (), 1, number * 1000 + seed).parameters
        measured = Measurement({"m": quadratic(values)})
        completed.append(
            Trial(number, TrialState.SUCCEEDED, values, final_measurement=measured, end_time=float(number))
        )
    return min(trial.final_measurement.metrics["m"] for trial in completed)


@pytest.mark.parametrize(
    ("name", "trials", "seeds"),
    [
        ("CMA_ES", 80, 5),
        ("NSGA2", 150, 5),
        ("REGULARIZED_EVOLUTION", 80, 5),
        ("SKOPT_FOREST", 40, 3),
        ("SKOPT_GBRT", 40, 3),
        ("SKOPT_GP", 20, 3),
        ("TPE", 80, 5),
    ],
)
@pytest.mark.slow
def test_it_beats_random_search(name, trials, seeds):
    ours = statistics.median(best_of(name, trials, seed) for seed in range(seeds))
    assert ours < statistics.median(best_of("RANDOM_SEARCH", trials, seed) for seed in range(20))


@pytest.mark.processes
def test_the_registry_loads_no_numerical_library():
    libraries = {"numpy", "scipy", "sklearn", "skopt", "cmaes"}
    code = f"import dodona_server.algorithms.registry, sys; print({libraries} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
