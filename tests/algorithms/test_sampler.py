"""A model chooses the points of first rungs, from the results with the largest resource that has enough."""

from __future__ import annotations

import dataclasses
import random
import statistics

import pytest

from dodona_server.algorithms.multi_fidelity.sampler import MOST_MODELED
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Discrete, Double, Integer, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import (
    EPOCHS,
    RESUME_FROM,
    Budget,
    with_tuner_values,
    without_tuner_values,
)
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

SPACE = SearchSpace((Parameter("x", Double(0, 1)), Parameter("y", Double(0, 1))))
ALGORITHMS = pytest.mark.parametrize("algorithm", ["ASHA", "FREEZE_THAW", "HYPERBAND", "SUCCESSIVE_HALVING"])
MODELS = pytest.mark.parametrize("sampler", ["TPE", "GP_BANDIT"])
# None of them is promoted by the next call.
OPTIONS = {
    "ASHA": {"max_resource": 9, "reduction_factor": 1000},
    "FREEZE_THAW": {"max_resource": 1000},
    "HYPERBAND": {"max_epochs": 9, "hyperband_iterations": 0},
    "SUCCESSIVE_HALVING": {"max_resource": 9, "initial_trials": 1000},
}


def spec_of(algorithm, sampler, space=SPACE, goals=1, **options):
    metrics = tuple(Metric(f"m{index}", Goal.MINIMIZE) for index in range(goals))
    return StudySpec(metrics, space, algorithm, algorithm_options=options | {"sampler": sampler})


def history(count, epochs, best, first=1, seed=0):
    """Trials with that many epochs, whose loss is the distance from `best`."""
    rng = random.Random(seed)
    trials = []
    for number in range(first, first + count):
        values = {"x": rng.random(), "y": rng.random()}
        loss = (values["x"] - best) ** 2 + (values["y"] - best) ** 2
        stored = with_tuner_values(values, Budget(epochs, 0, 0, 0), None)
        measured = Measurement({"m0": loss})
        trials.append(Trial(number, TrialState.SUCCEEDED, stored, end_time=float(number), final_measurement=measured))
    return trials


def starts(spec, completed, count=12, pending=(), seed=0):
    request = Request(Problem(spec, len(completed)), completed, pending, count, random.Random(seed))
    found = algorithm_for(spec.algorithm).suggest(request)
    assert len(found.suggestions) == count
    return [one for one in found.suggestions if one.parent is None]


def modeled(suggestions, sampler):
    return [one.parameters for one in suggestions if one.reason.startswith(f"a point of {sampler}")]


def distance(points, best):
    return statistics.mean(abs(point["x"] - best) + abs(point["y"] - best) for point in points)


@ALGORITHMS
@MODELS
def test_its_points_are_near_the_best_with_the_largest_resource(algorithm, sampler):
    spec = spec_of(algorithm, sampler, **OPTIONS[algorithm])
    # After one epoch other trials are the best than after nine.
    known = [*history(30, 1, best=0.9), *history(15, 9, best=0.1, first=31, seed=1)]
    found = starts(spec, known)
    assert found == starts(spec, known)
    points = modeled(found, sampler)
    assert len(points) >= 4
    assert f"a point of {sampler}, by 15 results with resource 9, for round 0" in " ".join(one.reason for one in found)
    assert distance(points, 0.1) < 0.5 * distance(points, 0.9)
    assert any(one.reason.startswith("a random point for round 0") for one in found), "a third is random"
    assert all(EPOCHS in one.stored and RESUME_FROM not in one.stored for one in found)


@MODELS
def test_few_results_with_a_resource_are_not_enough(sampler):
    spec = spec_of("ASHA", sampler, **OPTIONS["ASHA"])
    known = [*history(30, 1, best=0.9), *history(3, 9, best=0.1, first=31, seed=1)]
    points = modeled(starts(spec, known), sampler)
    assert distance(points, 0.9) < 0.5 * distance(points, 0.1)
    assert modeled(starts(spec, known[:3]), sampler) == []
    failed = [Trial(one.number, TrialState.INFEASIBLE, one.parameters) for one in known]
    assert modeled(starts(spec, failed), sampler) == []


@MODELS
def test_a_call_for_many_points_gets_few_from_the_model(sampler):
    found = starts(spec_of("ASHA", sampler, **OPTIONS["ASHA"]), history(30, 1, best=0.5), 50)
    assert len(modeled(found, sampler)) == MOST_MODELED


@MODELS
def test_workers_get_different_points(sampler):
    spec = spec_of("ASHA", sampler, **OPTIONS["ASHA"])
    known, pending = history(30, 1, best=0.5), []
    for number in range(31, 43):
        (one,) = starts(spec, known, 1, pending, seed=number)
        pending.append(Trial(number, TrialState.ACTIVE, one.stored))
    points = [tuple(without_tuner_values(trial.parameters).values()) for trial in pending]
    assert len(set(points)) == 12


@MODELS
def test_a_stopped_trial_has_no_result_of_its_rung(sampler):
    spec = spec_of("ASHA", sampler, **OPTIONS["ASHA"])
    stopped = [dataclasses.replace(one, stopped=True) for one in history(10, 9, best=0.9, first=31, seed=1)]
    request = Request(Problem(spec, 40), history(30, 1, best=0.1), (), 12, random.Random(0), stopped=stopped)
    found = algorithm_for("ASHA").suggest(request).suggestions
    points = modeled(found, sampler)
    assert "by 30 results with resource 1" in " ".join(one.reason for one in found)
    assert distance(points, 0.1) < 0.5 * distance(points, 0.9)


@MODELS
def test_the_fidelity_is_not_modeled(sampler):
    space = SearchSpace((*SPACE.parameters, Parameter("trees", Integer(10, 90))))
    spec = spec_of("ASHA", sampler, space, fidelity="trees", reduction_factor=1000)
    known = [
        Trial(
            one.number,
            one.state,
            {**without_tuner_values(one.parameters), "trees": 90, "tuner/bracket": 0, "tuner/round": 1},
            final_measurement=one.final_measurement,
            end_time=one.end_time,
        )
        for one in history(20, 9, best=0.2)
    ]
    found = starts(spec, known)
    assert {one.parameters["trees"] for one in found} == {10}
    points = modeled(found, sampler)
    assert distance(points, 0.2) < 0.6 * distance(points, 0.9)


@MODELS
def test_a_small_space_may_be_exhausted(sampler):
    space = SearchSpace((Parameter("x", Discrete((0.0, 1.0))), Parameter("y", Discrete((0.0, 1.0)))))
    spec, known = spec_of("ASHA", sampler, space, max_resource=9, reduction_factor=1000), []
    for number in range(1, 12):
        (one,) = starts(spec, known, 1, seed=number)
        known.append(
            Trial(number, TrialState.SUCCEEDED, one.stored, final_measurement=Measurement({"m0": float(number)}))
        )
    assert len({tuple(without_tuner_values(trial.parameters).values()) for trial in known[:4]}) == 4


@ALGORITHMS
def test_a_sampler_that_cannot_be_is_refused(algorithm):
    with pytest.raises(InvalidArgument, match=r"sampler: 'NSGA2' is not one of RANDOM, GP_BANDIT, TPE"):
        algorithm_for(algorithm).check(spec_of(algorithm, "NSGA2"))
    with pytest.raises(InvalidArgument, match=r"5 metrics to optimize; GP_BANDIT supports at most 4"):
        algorithm_for(algorithm).check(spec_of(algorithm, "GP_BANDIT", goals=5))
    algorithm_for(algorithm).check(spec_of(algorithm, "TPE", goals=5))
