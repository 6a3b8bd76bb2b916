"""One hyperparameter as a parameter of Vizier, and back: nothing of what was declared is lost."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, HyperParameter, Int, serialize

from dodona.keras._mapping.parameter import encoded, hyperparameter_of, spec_of, value_of
from dodona.keras._mapping.steps import has_grid
from dodona_schemas.vertex import ParameterPrior, ParameterSpec, Sureness

FLOAT, LOG = {"min_value": 0.001, "max_value": 10}, {"sampling": "log"}

# A hyperparameter, the value spec that it becomes, and its scale.
KINDS: list[tuple[HyperParameter, dict[str, Any], str]] = [
    (Float("x", 0, 1), {"double": {"minValue": 0.0, "maxValue": 1.0, "defaultValue": 0.0}}, "LINEAR"),
    (Float("x", **FLOAT, **LOG), {"double": {"minValue": 0.001, "maxValue": 10.0, "defaultValue": 0.001}}, "LOG"),
    (
        Float("x", **FLOAT, sampling="reverse_log", default=2),
        {"double": {"minValue": 0.001, "maxValue": 10.0, "defaultValue": 2.0}},
        "REVERSE_LOG",
    ),
    (Float("x", 0, 1, step=0.25), {"discrete": {"values": [0.0, 0.25, 0.5, 0.75, 1.0], "defaultValue": 0.0}}, "LINEAR"),
    (Float("x", 0, 1, step=0.3), {"discrete": {"values": [0.0, 0.3, 0.6, 0.9]}}, "LINEAR"),
    (Float("x", 1, 100, step=10, **LOG), {"discrete": {"values": [1.0, 10.0, 100.0]}}, "LOG"),
    (
        Float("x", 0, 1, step=0.1, default=0.3),
        {"discrete": {"values": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "defaultValue": 0.3}},
        "LINEAR",
    ),
    (Float("x", 0, 1, step=0.5, default=0.3), {"discrete": {"values": [0.0, 0.5, 1.0]}}, "LINEAR"),
    (Float("x", 0, 1, step=1e-4), {"double": {"minValue": 0.0, "maxValue": 1.0}}, "LINEAR"),
    (Float("x", 0, 1, default=7), {"double": {"minValue": 0.0, "maxValue": 1.0}}, "LINEAR"),
    (Int("x", 1, 8), {"integer": {"minValue": "1", "maxValue": "8", "defaultValue": "1"}}, "LINEAR"),
    (Int("x", 1, 8, step=1, default=3), {"integer": {"defaultValue": "3"}}, "LINEAR"),
    (Int("x", 1, 1024, **LOG), {"integer": {"minValue": "1", "maxValue": "1024"}}, "LOG"),
    (Int("x", 1, 1024, sampling="reverse_log"), {"integer": {}}, "REVERSE_LOG"),
    (Int("x", 32, 128, step=32, default=64), {"discrete": {"values": [32, 64, 96, 128], "defaultValue": 64}}, "LINEAR"),
    (Int("x", 6, 13, step=3), {"discrete": {"values": [6, 9, 12]}}, "LINEAR"),
    (Int("x", 2, 32, step=2, **LOG), {"discrete": {"values": [2, 4, 8, 16, 32]}}, "LOG"),
    (Int("x", 0, 10_000, step=5), {"integer": {"minValue": "0", "maxValue": "10000"}}, "LINEAR"),
    (Choice("x", ["relu", "tanh"], default="tanh"), {"categorical": {"values": ["relu", "tanh"]}}, ""),
    (Choice("x", [16, 32]), {"discrete": {"values": [16, 32], "defaultValue": 16}}, ""),
    (Choice("x", [0.5, 1.0]), {"discrete": {"values": [0.5, 1.0], "defaultValue": 0.5}}, ""),
    (Choice("x", [3, 1, 3]), {"discrete": {"values": [3, 1], "defaultValue": 3}}, ""),
    (Choice("x", [True, False]), {"discrete": {"values": [1, 0], "defaultValue": 1}}, ""),
    (Choice("x", [1e-12, 1e-13]), {"categorical": {"values": ["1e-12", "1e-13"], "defaultValue": "1e-12"}}, ""),
    (Choice("x", [1.0, math.inf]), {"categorical": {"values": ["1.0", "inf"]}}, ""),
    (Choice("x", list(range(1001))), {"categorical": {}}, ""),
    (Boolean("x"), {"categorical": {"values": ["False", "True"], "defaultValue": "False"}}, ""),
    (Boolean("x", default=True), {"categorical": {"defaultValue": "True"}}, ""),
    (Fixed("x", 5), {"discrete": {"values": [5], "defaultValue": 5}}, ""),
    (Fixed("x", 0.5), {"discrete": {"values": [0.5]}}, ""),
    (Fixed("x", "adam"), {"categorical": {"values": ["adam"]}}, ""),
    (Fixed("x", True), {"categorical": {"values": ["True"]}}, ""),
]


def over_the_wire(spec: ParameterSpec) -> ParameterSpec:
    return ParameterSpec.model_validate_json(spec.to_json())


@pytest.mark.parametrize(("hp", "expected", "scale"), KINDS, ids=lambda value: str(value)[:60])
def test_the_kind_of_parameter(hp: HyperParameter, expected: dict[str, Any], scale: str) -> None:
    wire = json.loads(spec_of(hp, position=0).to_json())
    ((kind, spec),) = expected.items()
    assert [name for name in wire if name.endswith("ValueSpec")] == [f"{kind}ValueSpec"]
    assert wire[f"{kind}ValueSpec"].items() >= spec.items()
    if scale:
        assert wire["scaleType"] == f"UNIT_{scale}_SCALE"


@pytest.mark.parametrize("hp", [hp for hp, _, _ in KINDS], ids=str)
def test_every_worker_has_the_very_hyperparameter_again(hp: HyperParameter) -> None:
    again = hyperparameter_of(over_the_wire(spec_of(hp, position=3)), [])
    assert type(again) is type(hp)
    assert serialize(again) == serialize(hp)
    assert again.default == hp.default
    assert type(again.default) is type(hp.default)


@pytest.mark.parametrize("hp", [hp for hp, _, _ in KINDS], ids=str)
def test_values_come_back_as_they_were_declared(hp: HyperParameter) -> None:
    spec = over_the_wire(spec_of(hp, position=0))
    for probability in (0.0, 0.3, 0.5, 0.999):
        value = hp.prob_to_value(probability)
        travelled = encoded(spec, value) if spec.double_value_spec is None else value
        assert travelled is not None
        back = value_of(hp, json.loads(json.dumps(travelled)))
        assert type(back) is type(value)
        # KerasTuner's own way to a value on a grid has rounding errors.
        assert back == (pytest.approx(value, rel=1e-12) if has_grid(hp) else value)


@pytest.mark.parametrize(
    ("hp", "given", "expected"),
    [
        (Int("x", 1, 8), 5.0, 5),
        (Int("x", 0, 10_000, step=5), 4_321, 4_320),
        (Int("x", 0, 10_000, step=5), 4_323, 4_325),
        (Int("x", 1, 12, step=5), 12, 11),
        (Int("x", 2**53, 2**53 + 9), 2**53 + 1, 2**53 + 1),
        (Float("x", 0, 1, step=1e-4), 0.12344, 0.1234),
        (Float("x", 1, 10, step=1.001, sampling="log"), 9.9999, 1.001**2303),
        (Float("x", 1, 10, step=1.001, sampling="reverse_log"), 10.0, 10.0),
        (Float("x", 0, 1), 1, 1.0),
        (Boolean("x"), "False", False),
        (Boolean("x"), "True", True),
        (Boolean("x"), True, True),
        (Choice("x", [True, False]), 0.0, 0),
        (Choice("x", [0.5, 1.0]), 1, 1.0),
        (Choice("x", ["a", "b"]), "gone", "a"),
        (Float("x", 0, 1, default=0.5), "True", 0.5),
        (Float("x", 0, 1, default=0.5), 2, 0.5),
        (Int("x", 8, 16, step=8), 4, 8),
        (Boolean("x", default=True), 0.7, True),
        (Fixed("x", 5), 5.0, 5),
    ],
    ids=str,
)
def test_values_are_brought_to_type_and_grid(hp: HyperParameter, given: Any, expected: Any) -> None:
    value = value_of(hp, given)
    assert value == pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (
            {"doubleValueSpec": {"minValue": 0.1, "maxValue": 1, "defaultValue": 0.5}, "scaleType": "UNIT_LOG_SCALE"},
            Float("x", 0.1, 1, sampling="log", default=0.5),
        ),
        ({"integerValueSpec": {"minValue": "1", "maxValue": "9"}}, Int("x", 1, 9)),
        ({"discreteValueSpec": {"values": [1, 2, 4]}}, Choice("x", [1, 2, 4])),
        ({"discreteValueSpec": {"values": [1, 0.5], "defaultValue": 1}}, Choice("x", [1.0, 0.5], default=1.0)),
        ({"categoricalValueSpec": {"values": ["a", "b"], "defaultValue": "b"}}, Choice("x", ["a", "b"], default="b")),
        ({"categoricalValueSpec": {"values": ["True", "False"], "defaultValue": "True"}}, Boolean("x", default=True)),
    ],
)
def test_parameters_that_others_made_are_read_by_their_kind(wire: dict[str, Any], expected: HyperParameter) -> None:
    hp = hyperparameter_of(ParameterSpec.model_validate({"parameterId": "x", **wire}), [])
    assert serialize(hp) == serialize(expected)


def test_what_cannot_be_tuned_is_named() -> None:
    with pytest.raises(TypeError, match="is not a Float, Int, Choice, Boolean or Fixed"):
        spec_of(HyperParameter("x"), position=0)


@pytest.mark.parametrize(
    ("hp", "value"),
    [
        (Float("x", 0, 1), 0.5),
        (Int("x", 1, 3), 4),
        (Int("x", 1, 3), 1.5),
        (Choice("x", [1, 2]), 3),
        (Choice("x", ["a"]), "b"),
    ],
)
def test_what_can_be_no_condition(hp: HyperParameter, value: Any) -> None:
    assert encoded(spec_of(hp, position=0), value) is None


def test_a_default_that_the_user_chose_is_a_weak_prior() -> None:
    chosen = spec_of(Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3), 0)
    assert chosen.prior == ParameterPrior(values=[1e-3], sure=Sureness.VAGUELY)
    assert spec_of(Choice("kind", ["a", "b"], default="b"), 0).prior is not None
    for unchosen in (Float("rate", 1e-4, 1e-1), Choice("kind", ["a", "b"]), Boolean("flip"), Fixed("size", 3)):
        assert spec_of(unchosen, 0).prior is None
