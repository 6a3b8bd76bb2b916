"""Earlier studies: they help where they are alike, and cost little where they mislead."""

from __future__ import annotations

import functools
import random
import statistics

import pytest

from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.registry import Prior, Problem, Request
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

SPACE = SearchSpace(tuple(Parameter(f"x{index}", Double(0.0, 1.0)) for index in range(4)))
SPEC = StudySpec((Metric("m", Goal.MINIMIZE),), SPACE)


def bowl(point):
    return sum((point[f"x{index}"] - 0.25 - 0.15 * index) ** 2 for index in range(4))


def finished(number, parameters, value, metric="m"):
    return Trial(number, TrialState.SUCCEEDED, parameters, final_measurement=Measurement({metric: value}))


def earlier(objective, space=SPACE, goal=Goal.MINIMIZE, metric="m", trials=60):
    rng = random.Random(11)
    points = [sample(space, rng) for _ in range(trials)]
    done = [finished(number, point, objective(point), metric) for number, point in enumerate(points, 1)]
    return Prior(StudySpec((Metric(metric, goal),), space), done)


def best_of(priors, trials, seed):
    done = []
    for number in range(trials):
        problem = Problem(SPEC, number, priors)
        (point,) = GpBandit().suggest(Request(problem, done, (), 1, random.Random(f"{seed}/{number}"))).parameters
        done.append(finished(number + 1, point, bowl(point)))
    return min(trial.final_measurement.metrics["m"] for trial in done)


@functools.cache
def cold(trials):
    return after((), trials)


def after(priors, trials):
    return statistics.median(best_of(priors, trials, seed) for seed in range(3))


def test_a_study_alike_makes_a_head_start():
    shifted = earlier(lambda p: 5 * bowl({name: value + 0.05 for name, value in p.items()}) + 100)
    assert after((shifted,), 7) < 0.5 * cold(7)


def test_the_sense_and_the_name_of_the_earlier_metric_may_differ():
    opposite = earlier(lambda p: -bowl(p), goal=Goal.MAXIMIZE, metric="accuracy")
    assert after((opposite,), 7) < 0.5 * cold(7)


@pytest.mark.parametrize(
    "misleading",
    [lambda p: -bowl(p), lambda p: sum((value - 0.9) ** 2 for value in p.values()), lambda p: hash(p["x0"]) % 97],
    ids=["opposite", "elsewhere", "noise"],
)
@pytest.mark.slow
def test_a_misleading_study_costs_little(misleading):
    rng = random.Random(0)
    by_chance = statistics.median(min(bowl(sample(SPACE, rng)) for _ in range(20)) for _ in range(50))
    assert after((earlier(misleading),), 20) < cold(20) + 0.1 * by_chance


def test_a_study_with_other_parameters_and_bounds_is_used_as_far_as_it_goes():
    space = SearchSpace(
        (
            Parameter("x0", Double(-1.0, 3.0)),
            Parameter("x1", Double(0.1, 0.6)),
            Parameter("other", Categorical(("a", "b"))),
        )
    )
    prior = earlier(lambda p: (p["x0"] - 0.25) ** 2 + (p["x1"] - 0.4) ** 2, space)
    assert after((prior,), 12) < 1.5 * cold(12)


@pytest.mark.parametrize(
    "prior",
    [
        earlier(bowl, trials=0),
        earlier(bowl, trials=1),
        earlier(lambda p: 1.0),
        earlier(lambda p: float("nan")),
        earlier(lambda p: 1.0, SearchSpace((Parameter("y", Double(0.0, 1.0)),))),
        earlier(lambda p: 1.0, SearchSpace((Parameter("x0", Categorical(("a", "b"))),))),
    ],
    ids=["empty", "one trial", "constant", "nan", "nothing alike", "another kind"],
)
def test_a_useless_study_is_passed_over(prior):
    done = [finished(n, point := sample(SPACE, random.Random(n)), bowl(point)) for n in range(8)]
    for history in ((), done):
        found = GpBandit().suggest(Request(Problem(SPEC, len(history), [prior] * 3), history, (), 2, random.Random(0)))
        assert len(found.parameters) == 2
