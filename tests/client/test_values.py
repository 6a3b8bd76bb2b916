"""What users give for values: of any library, in any type, and what is none."""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dodona import Boolean, Categorical, Client, Discrete, Float, Int, Study
from dodona_schemas import vertex


class Kind(enum.StrEnum):
    FIRST = "a"
    SECOND = "b"


@pytest.fixture
def study(client: Client) -> Study:
    return client.create_study("f", {"flag": Boolean(), "x": Float(0, 1, default=0.5)}, goal="minimize")


@pytest.mark.parametrize("value", ["False", "True", "false", np.str_("False"), b"False", 0, 1.0, np.int64(1), "", []])
def test_only_booleans_are_booleans(value: Any) -> None:
    for declare in (
        lambda: Boolean(default=value),
        lambda: Boolean(children={str(value) if isinstance(value, list) else value: {"x": Int(0, 1)}}),
        lambda: Boolean().check(value),
    ):
        with pytest.raises(ValueError, match="is neither True nor False"):
            declare()


@pytest.mark.parametrize("value", [True, np.bool_(True), np.array(True), np.array([True])[0]])
def test_numpys_booleans_are_booleans(value: Any) -> None:
    assert Boolean(default=value).default is True
    assert Boolean().check(value) is True
    assert list(Boolean(children={True: {"x": Int(0, 1)}}).children) == [True]


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), "1", None, math.nan, math.inf, 1j, 10**400, Decimal("NaN"), [1]]
)
def test_what_is_no_number_is_refused_by_all_kinds_of_number(value: Any) -> None:
    for parameter in (Float(0, 9), Int(0, 9), Discrete([1, 2])):
        with pytest.raises(ValueError, match="is n"):
            parameter.check(value)
    for declare in (
        lambda: Float(0, value),
        lambda: Int(0, value),
        lambda: Discrete([1, value]),
    ):
        with pytest.raises(ValueError, match="not a finite number"):
            declare()


@pytest.mark.parametrize("value", [np.int32(3), np.float64(3), Decimal(3), Fraction(3), np.array(3), np.uint8(3)])
def test_numbers_of_any_library_become_pythons(value: Any) -> None:
    assert [type(one) for one in (Float(value, value).min, Int(value, value).min)] == [float, int]
    assert type(Int(0, 9).check(value)) is int
    assert type(Float(0, 9).check(value)) is float
    assert type(Discrete([1, 3]).check(value)) is int


def test_numpys_numbers_keep_their_kind_for_everybody(client: Client) -> None:
    values = [*np.array([16, 32, 64]), np.float32(0.5), Decimal("0.1")]
    space = {"n": Discrete(values, default=np.int16(32)), "kind": Categorical([np.str_("a"), Kind.SECOND])}
    client.create_study("kept", space, goal="minimize")
    found = Client(client.url).get_study("kept").space
    n, kind = found["n"], found["kind"]
    assert isinstance(n, Discrete)
    assert isinstance(kind, Categorical)
    assert [(one, type(one)) for one in n.values] == [(16, int), (32, int), (64, int), (0.5, float), (0.1, float)]
    assert (n.default, type(n.default)) == (32, int)
    assert tuple(kind.choices) == ("a", "b")
    assert kind.check(Kind.FIRST) == "a"


def test_numpys_integers_in_a_spec_of_the_protocol_stay_integers(client: Client) -> None:
    parameters = [
        {"parameterId": "n", "discreteValueSpec": {"values": list(np.array([1, 2]))}},
        {"parameterId": "big", "integerValueSpec": {"minValue": np.int64(2**62 + 1), "maxValue": 2**62 + 2}},
    ]
    spec = {"metrics": [{"metricId": "loss", "goal": "MINIMIZE"}], "parameters": parameters}
    n, big = client.create_study("s", spec=spec).space.values()
    assert isinstance(n, Discrete)
    assert isinstance(big, Int)
    assert list(map(type, n.values)) == [int, int]
    assert big.min == 2**62 + 1


def test_a_text_is_no_boolean_of_a_queued_or_told_trial(study: Study) -> None:
    for metrics in (None, 1.0):
        with pytest.raises(ValueError, match="parameter 'flag': 'False' is neither True nor False"):
            study.add_trial({"flag": "False"}, metrics)
        record = study.add_trial({"flag": np.bool_(False), "x": np.float32(0.25)}, metrics)
        assert record.parameters == {"flag": False, "x": 0.25}


@pytest.mark.parametrize("value", ["False", "0.5", b"1", 1j, [1, 2], 10**400])
def test_a_result_that_is_no_number_is_refused_where_it_is_written(study: Study, value: Any) -> None:
    study.add_trial({"flag": True})
    trial = study.ask()
    for tell in (
        lambda: trial.report(value),
        lambda: trial.complete({"objective": value}),
        lambda: study.add_trial({"flag": True}, value),
    ):
        with pytest.raises(ValueError, match=r"metric 'objective': .*(is not a number|does not fit into)"):
            tell()
    trial.report(np.float32(0.5), step=np.int64(1))
    trial.report(Decimal("0.25"), step=2)
    trial.complete(True)
    record = study.trial(trial.number)
    assert [one.metrics["objective"] for one in record.measurements] == [0.5, 0.25]
    assert record.metrics == {"objective": 1.0}


@pytest.mark.parametrize("step", [2**63, -1, 1.5, math.nan, "3", True])
def test_a_step_is_a_whole_number(study: Study, step: Any) -> None:
    study.add_trial({"flag": True})
    trial = study.ask()
    for tell in (lambda: trial.report(1.0, step=step), lambda: trial.complete(1.0, step=step)):
        with pytest.raises(ValueError, match=f"step: .* is not an integer from 0 to {2**63 - 1}"):
            tell()


def test_a_number_that_the_wire_cannot_hold_is_refused_in_our_words(client: Client, study: Study) -> None:
    space = {"x": Float(0, 1)}
    with pytest.raises(ValueError, match="does not fit into 64 bits"):
        Int(0, 2**63)
    for name, value in (("max_trials", 2**31), ("max_trials", "20"), ("seed", 2**63), ("seed", 1.5), ("seed", True)):
        with pytest.raises(ValueError, match=f"^{name}: .* is not an integer from -"):
            client.create_study("g", space, goal="minimize", **{name: value})
    with pytest.raises(ValueError, match=r"max_trials: .* is not an integer"):
        study.set_max_trials(2**31)
    with pytest.raises(ValueError, match=r"number: .* is not an integer"):
        study.trial(2**63)
    with pytest.raises(ValueError, match="that is too long to be shown is not a number"):
        Float(0, 1).check(10**5000)
    with pytest.raises(ValueError, match="n: 0 is not an integer from 1"):
        study.best_trials(0)


def test_a_spec_that_is_none_is_named_without_words_from_inside(client: Client) -> None:
    with pytest.raises(ValueError, match=r"^spec: 3 is not an object$"):
        client.create_study("g", spec=3)  # type: ignore[arg-type]
    metrics = [{"metricId": "loss"}]
    stopping = {"maxNumTrials": 2**40}
    with pytest.raises(ValueError, match=rf"^spec\.studyStoppingConfig\.maxNumTrials: {2**40} is above {2**31 - 1}$"):
        client.create_study("g", spec={"metrics": metrics, "studyStoppingConfig": stopping})
    with pytest.raises(ValueError, match=r"^spec\.algorithmOptions\.x: \[1\] is neither a number nor a text"):
        client.create_study("g", spec={"metrics": metrics, "algorithmOptions": {"x": [1]}})
    flag = {"shouldStopAsap": "False"}
    with pytest.raises(ValueError, match="'False' is neither true nor false"):
        client.create_study("g", spec={"metrics": metrics, "studyStoppingConfig": flag})


def test_the_wire_takes_no_numpy_boolean_for_a_number() -> None:
    with pytest.raises(ValueError, match="not a number"):
        vertex.Measurement.model_validate({"metrics": [{"metricId": "loss", "value": np.bool_(True)}]})
