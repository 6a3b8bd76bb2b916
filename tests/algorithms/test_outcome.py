"""What a trial's result is worth."""

from __future__ import annotations

import math
import random

import pytest

from dodona_server.algorithms.contract.results import INFEASIBLE, ResultReader, TrialResult
from dodona_server.algorithms.registry import ALGORITHMS, Problem, Request
from dodona_server.domain.space import MAX_DOUBLE, Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

SPACE = SearchSpace((Parameter("x", Double(0, 1)),))


def succeeded(metrics, number=1):
    return Trial(
        number,
        TrialState.SUCCEEDED,
        {"x": number / 100},
        end_time=float(number),
        final_measurement=Measurement(metrics),
    )


def test_a_sum_of_huge_losses_is_finite():
    assert TrialResult((-1.7e308, -1.7e308)).merit == (0.0, -MAX_DOUBLE)
    assert TrialResult((1.7e308, 1.7e308)).merit == (0.0, MAX_DOUBLE)
    assert TrialResult((1.5, -4.0)).loss == -2.5
    assert TrialResult(()).loss == math.inf


@pytest.mark.parametrize("name", ["SKOPT_FOREST", "TPE", "NSGA2"])
def test_huge_metrics_of_several_objectives_are_searched(name):
    spec = StudySpec((Metric("m", Goal.MAXIMIZE), Metric("n", Goal.MAXIMIZE)), SPACE, name)
    completed = [succeeded({"m": 1.7e308, "n": 1.7e308}, number) for number in range(1, 15)]
    problem = Problem(spec, len(completed), (), 1)
    (values,) = ALGORITHMS[name].suggest(Request(problem, completed, (), 1, random.Random(1))).parameters
    assert SPACE.check(values) == values


@pytest.mark.parametrize("goal", Goal)
def test_a_safety_metric_that_is_not_a_number_is_not_safe(goal):
    spec = StudySpec((Metric("m", Goal.MINIMIZE), Metric("s", goal, Safety(0.5))), SPACE)
    reader = ResultReader(spec)
    assert reader.result(succeeded({"m": 1.0, "s": math.nan})) == INFEASIBLE
    assert reader.result(succeeded({"m": 1.0, "s": 0.5})) == TrialResult((1.0,), 0.0)
    assert {reader.result(succeeded({"m": 1.0, "s": value})).violation for value in (0.0, 1.0)} == {0.0, 0.5}


@pytest.mark.parametrize("name", ["GP_BANDIT", "TPE", "SKOPT_FOREST"])
@pytest.mark.slow
def test_where_all_metrics_are_constraints_all_are_objectives_too(name):
    metrics = tuple(Metric(metric, Goal.MINIMIZE, Safety(0.5)) for metric in ("m", "n"))
    spec = StudySpec(metrics, SPACE, name)
    assert spec.objectives == metrics
    assert ResultReader(spec).result(succeeded({"m": 0.25, "n": 1.0})) == TrialResult((0.25, 1.0), 0.5)
    # The second metric decides: it is best at 0, the first one is the same everywhere.
    completed = [succeeded({"m": 0.1, "n": number / 100}, number) for number in range(1, 31)]
    found = ALGORITHMS[name].suggest(Request(Problem(spec, len(completed), (), 1), completed, (), 8, random.Random(1)))
    elsewhere = [succeeded({"m": 0.1, "n": 0.1}, number) for number in range(1, 31)]
    other = ALGORITHMS[name].suggest(Request(Problem(spec, len(completed), (), 1), elsewhere, (), 8, random.Random(1)))
    assert found.parameters != other.parameters


def test_where_some_metrics_are_constraints_the_others_are_the_objectives():
    spec = StudySpec((Metric("s", Goal.MINIMIZE, Safety(0.5)), Metric("m", Goal.MAXIMIZE)), SPACE)
    assert [metric.id for metric in spec.objectives] == ["m"]
