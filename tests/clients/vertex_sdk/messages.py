"""Studies and trials as the low-level client of google-cloud-aiplatform makes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from google.cloud.aiplatform_v1 import VizierServiceClient, types
from google.protobuf.struct_pb2 import Value

from tests.clients.google_clients import HERE

Goal = types.StudySpec.MetricSpec.GoalType
Parameter = types.StudySpec.ParameterSpec
Scale = Parameter.ScaleType
StudyState = types.Study.State
TrialState = types.Trial.State

METRICS = [{"metric_id": "loss", "goal": Goal.MINIMIZE}]
X = [{"parameter_id": "x", "double_value_spec": {"min_value": 0.0, "max_value": 1.0}}]

KINDS = [
    # Zeros, which the SDK does not send where they are the default.
    Parameter(
        parameter_id="zero",
        double_value_spec={"min_value": 0.0, "max_value": 1.0, "default_value": 0.0},
        scale_type=Scale.UNIT_LINEAR_SCALE,
    ),
    Parameter(
        parameter_id="layers",
        integer_value_spec={"min_value": -3, "max_value": 0, "default_value": 0},
        scale_type=Scale.UNIT_LINEAR_SCALE,
    ),
    Parameter(
        parameter_id="log",
        double_value_spec={"min_value": 1e-6, "max_value": 1.0},
        scale_type=Scale.UNIT_LOG_SCALE,
    ),
    Parameter(
        parameter_id="units",
        discrete_value_spec={"values": [0.0, 1.5, 64.0], "default_value": 1.5},
        scale_type=Scale.UNIT_LINEAR_SCALE,
        conditional_parameter_specs=[
            {
                "parameter_spec": {"parameter_id": "of units", "categorical_value_spec": {"values": ["a", "b"]}},
                "parent_discrete_values": {"values": [0.0, 64.0]},
            }
        ],
    ),
    Parameter(
        parameter_id="optimizer",
        categorical_value_spec={"values": ["adam", "sgd"], "default_value": "sgd"},
        conditional_parameter_specs=[
            {
                "parameter_spec": {
                    "parameter_id": "depth",
                    "integer_value_spec": {"min_value": 1, "max_value": 2},
                    "scale_type": Scale.UNIT_REVERSE_LOG_SCALE,
                    "conditional_parameter_specs": [
                        {
                            "parameter_spec": {
                                "parameter_id": "of depth 2",
                                "double_value_spec": {"min_value": -1.0, "max_value": 0.0},
                                "scale_type": Scale.UNIT_LINEAR_SCALE,
                            },
                            "parent_int_values": {"values": [2]},
                        }
                    ],
                },
                "parent_categorical_values": {"values": ["sgd"]},
            }
        ],
    ),
]


def small(**fields: Any) -> types.StudySpec:
    """The spec of a small study with the given fields instead."""
    return types.StudySpec(**{"metrics": METRICS, "parameters": X, **fields})


def create(client: VizierServiceClient, spec: types.StudySpec | None = None, name: str = "a study") -> types.Study:
    return client.create_study(parent=HERE, study={"display_name": name, "study_spec": spec or small()})


def suggest(client: VizierServiceClient, study: str, count: int = 1, **more: Any) -> list[types.Trial]:
    request = {"parent": study, "suggestion_count": count, "client_id": "w", **more}
    return list(client.suggest_trials(request).result().trials)


def number(value: float) -> Value:
    return Value(number_value=value)


def values(trial: types.Trial) -> dict[str, float | str]:
    """The trial's parameters; proto-plus knows no other numbers than floats."""
    return {parameter.parameter_id: parameter.value for parameter in trial.parameters}


def measurement(loss: float, step: int = 0, seconds: float = 0.0) -> types.Measurement:
    return types.Measurement(
        metrics=[{"metric_id": "loss", "value": loss}],
        step_count=step,
        elapsed_duration=timedelta(seconds=seconds),
    )
