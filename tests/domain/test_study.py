"""Study specs: what is valid, and where two of them differ."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig, TimeConstraint
from dodona_server.domain.studies.difference import first_difference
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec
from dodona_server.storage.engine import codec
from tests.support.spaces import spaces

SPACE = SearchSpace((Parameter("lr", Double(1e-4, 1.0, Scale.LOG)), Parameter("units", Integer(1, 9))))
SPEC = StudySpec((Metric("loss", Goal.MINIMIZE),), SPACE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StudySpec((), SPACE), "metrics: is empty"),
        (lambda: StudySpec((Metric("a", Goal.MAXIMIZE),) * 2, SPACE), r"metrics\[1\].metric_id: 'a' appears twice"),
        (lambda: Metric("", Goal.MAXIMIZE), "metric_id: is empty"),
        (lambda: Safety(float("nan")), "safety_threshold: nan is not a finite"),
        (lambda: Safety(0.0, 1.5), "desired_min_safe_trials_fraction: 1.5 is not from 0 to 1"),
        (lambda: StoppingConfig(max_num_trials=-1), "max_num_trials: -1 is not from 0"),
        (lambda: StoppingConfig(max_num_trials=0), "max_num_trials: is 0"),
        (lambda: TimeConstraint(), "exactly one of max_duration and end_time"),
        (lambda: TimeConstraint(-1.0), "max_duration: -1.0 is below 0"),
    ],
)
def test_a_spec_that_makes_no_sense_names_the_field(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (SPEC, None),
        (
            dataclasses.replace(SPEC, metrics=(Metric("loss", Goal.MAXIMIZE),)),
            ("metrics['loss'].goal", "is MINIMIZE, not MAXIMIZE"),
        ),
        (
            dataclasses.replace(SPEC, metrics=(Metric("acc", Goal.MINIMIZE),)),
            ("metrics[0]", "is 'loss', not 'acc'"),
        ),
        (
            dataclasses.replace(SPEC, space=SearchSpace((Parameter("lr", Double(1e-4, 2.0, Scale.LOG)),))),
            ("space.parameters['lr'].kind.max_value", "is 1.0, not 2.0"),
        ),
        (
            dataclasses.replace(SPEC, space=SearchSpace(SPACE.parameters[:1])),
            ("space.parameters", "has 'units' as well"),
        ),
        (
            dataclasses.replace(SPEC, space=SearchSpace((*SPACE.parameters, Parameter("c", Categorical(("x",)))))),
            ("space.parameters", "lacks 'c'"),
        ),
        (
            dataclasses.replace(SPEC, stopping=StoppingConfig(max_num_trials=5)),
            ("stopping.max_num_trials", "is unset, not 5"),
        ),
    ],
)
def test_the_first_difference_of_two_specs_is_named(other, difference):
    assert first_difference(SPEC, other) == difference


@given(spaces())
def test_a_spec_survives_the_database(space):
    spec = dataclasses.replace(SPEC, space=space)
    assert codec.load_spec(codec.dump_spec(spec)) == spec
