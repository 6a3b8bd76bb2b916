"""The resource of rungs may be a parameter of the study instead of the epochs."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from dodona_server.algorithms.contexts import suggest_in
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import (
    BRACKET,
    EPOCHS,
    INITIAL_EPOCH,
    RESUME_FROM,
    ROUND,
    budget_of,
    without_tuner_values,
)
from dodona_server.domain.trials.trial import Trial, TrialState
from tests.support.simulated_workers import simulate

X = Parameter("x", Double(0, 1))
TREES = Parameter("trees", Integer(10, 270))
FRACTION = Parameter("fraction", Double(0.1, 1.0))
SIZE = Parameter("size", Discrete((128, 32, 64, 96)))
ALGORITHMS = ("ASHA", "FREEZE_THAW", "HYPERBAND", "SUCCESSIVE_HALVING")


def spec_of(algorithm, parameter, most=60, first=X, **options):
    space = SearchSpace((first, parameter))
    options = {"fidelity": parameter.id} | options
    budget = StoppingConfig(max_num_trials=most)
    return StudySpec((Metric("m", Goal.MINIMIZE),), space, algorithm, stopping=budget, algorithm_options=options)


def searched(spec, workers=1):
    name = spec.algorithm_options["fidelity"]
    return simulate(spec, workers, lambda trial: trial.parameters["x"], lambda trial: trial.parameters[name]).trials


@pytest.mark.parametrize(
    ("algorithm", "parameter", "options", "expected"),
    [
        ("ASHA", TREES, {}, {0: 10, 1: 30, 2: 90, 3: 270}),
        ("ASHA", TREES, {"max_resource": 100}, {0: 10, 1: 30, 2: 90, 3: 100}),
        ("ASHA", FRACTION, {"reduction_factor": 4}, {0: 0.1, 1: 0.4, 2: 1.0}),
        ("ASHA", SIZE, {"reduction_factor": 2}, {0: 32, 1: 64, 2: 128}),
        ("ASHA", SIZE, {"reduction_factor": 3}, {0: 32, 1: 96, 2: 128}),
        ("FREEZE_THAW", TREES, {}, {0: 10, 1: 20, 2: 38, 3: 73, 4: 140, 5: 270}),
        ("FREEZE_THAW", SIZE, {}, {0: 32, 1: 64, 2: 128}),
        ("SUCCESSIVE_HALVING", FRACTION, {}, {0: 0.1, 1: 1.0}),
        ("SUCCESSIVE_HALVING", FRACTION, {"min_resource": 0.25, "rungs": 0}, {0: 0.25, 1: 1.0}),
        ("SUCCESSIVE_HALVING", TREES, {"rungs": 3, "min_resource": 30}, {0: 30, 1: 90, 2: 270}),
    ],
)
def test_it_grows_from_rung_to_rung(algorithm, parameter, options, expected):
    spec = spec_of(algorithm, parameter, **options)
    trials = searched(spec)
    # A further trial on the first rung might leave no trial for its promotion.
    assert len(trials) in (59, 60)
    for trial in trials:
        values, kind = trial.parameters, parameter.kind
        assert values[parameter.id] == expected[values[ROUND]]
        assert type(values[parameter.id]) is type(kind.check(values[parameter.id]))
        assert EPOCHS not in values
        assert INITIAL_EPOCH not in values
        assert spec.space.check(without_tuner_values(values)) == without_tuner_values(values)
        if (parent := values.get(RESUME_FROM)) is not None:
            before = trials[int(parent) - 1].parameters
            assert before["x"] == values["x"]
            assert before[ROUND] == values[ROUND] - 1
    assert {trial.parameters[ROUND] for trial in trials} == set(expected)


def test_hyperbands_brackets_begin_at_parts_of_its_range():
    trials = searched(spec_of("HYPERBAND", FRACTION, most=None, factor=3), 4)
    first = {trial.parameters[BRACKET]: trial.parameters["fraction"] for trial in trials if not trial.parameters[ROUND]}
    assert first == {0: 1.0, 1: pytest.approx(1 / 3), 2: pytest.approx(1 / 9)}
    last = {}
    for trial in trials:
        last[trial.parameters[BRACKET]] = trial.parameters["fraction"]
    assert set(last.values()) == {1.0}
    # 64 and 128 are the only values of round 1 and 2 from 43 and from 128 on; 15 is below all values.
    sizes = searched(spec_of("HYPERBAND", SIZE, most=None, factor=3), 4)
    rounds = {(trial.parameters[BRACKET], trial.parameters[ROUND]): trial.parameters["size"] for trial in sizes}
    assert rounds == {(1, 0): 64, (1, 1): 128, (0, 0): 128}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_space_of_it_alone_is_searched(algorithm):
    spec = StudySpec(
        (Metric("m", Goal.MINIMIZE),), SearchSpace((TREES,)), algorithm, algorithm_options={"fidelity": "trees"}
    )
    problem = Problem(spec)
    found = algorithm_for(algorithm).suggest(Request(problem, (), (), 3, random.Random(0))).parameters
    assert [without_tuner_values(values) for values in found] == [{"trees": found[0]["trees"]}] * 3


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_context_may_fix_other_parameters(algorithm):
    kind = Parameter("x", Categorical(("a", "b")))
    spec = spec_of(algorithm, TREES, most=None, first=kind)
    part = spec.space.restrict({"x": "b"})
    for seed in range(4):
        request = Request(Problem(spec), (), (), 2, random.Random(seed))
        for values in suggest_in([part], algorithm_for(algorithm), request).parameters:
            assert values["x"] == "b"
            assert budget_of(values) is not None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_context_may_fix_it(algorithm):
    spec = spec_of(algorithm, TREES, most=None)
    for trees, on_a_rung in ((11, False), (10, True)):
        part = spec.space.restrict({"trees": trees})
        request = Request(Problem(spec), (), (), 2, random.Random(0))
        found = suggest_in([part], algorithm_for(algorithm), request).parameters
        assert [values["trees"] for values in found] == [trees] * 2
        assert [budget_of(values) is not None for values in found] == [on_a_rung] * 2


def test_points_that_a_user_queued_are_on_no_rung():
    spec = spec_of("ASHA", TREES)
    queued = [Trial(number, TrialState.ACTIVE, {"x": 0.5, "trees": 270}) for number in range(1, 5)]
    request = Request(Problem(spec), (), queued, 1, random.Random(0))
    (values,) = algorithm_for("ASHA").suggest(request).parameters
    assert (values[ROUND], values["trees"]) == (0, 10)


BRANCHED = Parameter("n", Integer(1, 9), (Branch((2,), Parameter("below", Double(0, 1))),))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("parameter", "options", "message"),
    [
        (
            TREES,
            {"fidelity": "leaves"},
            r"fidelity: 'leaves' is not a numeric parameter without conditions; there are: x, tr",
        ),
        (TREES, {"fidelity": 3}, r"fidelity: 3 is not a numeric parameter"),
        (
            Parameter("c", Categorical(("a", "b"))),
            {},
            r"'c' is not a numeric parameter without conditions; there are: x",
        ),
        (BRANCHED, {}, r"'n' is not a numeric parameter without conditions; there are: x"),
        (Parameter("y", Double(0, 1)), {}, r"'y' begins at 0"),
    ],
)
def test_a_parameter_that_cannot_be_it_is_refused(algorithm, parameter, options, message):
    with pytest.raises(InvalidArgument, match=message):
        algorithm_for(algorithm).check(spec_of(algorithm, parameter, **options))


@pytest.mark.parametrize(
    ("algorithm", "options", "message"),
    [
        ("ASHA", {"min_resource": 5}, r"min_resource: 5 is not a number from 10 to 270"),
        ("ASHA", {"min_resource": 50, "max_resource": 20}, r"min_resource: 50 is not a number from 10 to 20"),
        ("SUCCESSIVE_HALVING", {"max_resource": 300}, r"max_resource: 300 is not a number from 10 to 270"),
        ("HYPERBAND", {"max_epochs": 9}, r"max_epochs: has no meaning if a parameter is the fidelity"),
    ],
)
def test_resources_out_of_its_range_are_refused(algorithm, options, message):
    with pytest.raises(InvalidArgument, match=message):
        algorithm_for(algorithm).check(spec_of(algorithm, TREES, **options))


def test_a_range_may_hold_no_value():
    with pytest.raises(InvalidArgument, match=r"no value of 'size' is from 33 to 40"):
        algorithm_for("ASHA").check(spec_of("ASHA", SIZE, min_resource=33, max_resource=40))


def test_rungs_are_used_by_all_workers():
    trials = searched(spec_of("ASHA", TREES, 200), 16)
    counts = Counter(trial.parameters["trees"] for trial in trials)
    assert counts[10] > counts[30] > counts[90] > 0
