"""Conversion between domain values and JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from dodona_server.domain.metadata import WrittenMetadata
from dodona_server.domain.space import Value
from dodona_server.domain.studies.stopping_rule import StoppingMethod
from dodona_server.domain.studies.study import StudySpec
from dodona_server.domain.trials.trial import Measurement

# Longer ones are parsed only on access.
LONG_METADATA = 2**16
_SPEC = TypeAdapter(StudySpec)
_OLD_RULE = '"stopping_rule":{"name":'
_RULE_FIELDS = {
    "use_elapsed_duration": "use_elapsed_time",
    "max_step_count": "max_steps",
    "min_step_count": "min_steps",
    "min_measurement_count": "min_measurements",
    "learning_rate_parameter_name": "learning_rate_parameter",
    "update_all_stopped_trials": "update_stopped_trials",
}


def dump_spec(spec: StudySpec) -> str:
    """Return a study's spec as JSON."""
    return _SPEC.dump_json(spec).decode()


def load_spec(text: str) -> StudySpec:
    """Return the spec that `dump_spec` wrote."""
    return _SPEC.validate_json(_with_stopping_method(text) if _OLD_RULE in text else text)


def _with_stopping_method(text: str) -> str:
    """Return a spec whose stopping rule was stored as the name of its field in Vertex and a dict of its options."""
    spec = from_json(text)
    old = spec["stopping_rule"]
    method = next(method for method in StoppingMethod if str(old["name"]).startswith(method.lower()))
    spec["stopping_rule"] = {"method": method} | {_RULE_FIELDS[name]: one for name, one in old["options"].items()}
    return to_json(spec).decode()


def dump_parameters(parameters: Mapping[str, Value]) -> str:
    """Return a trial's parameters as JSON."""
    return to_json(parameters).decode()


def load_parameters(text: str) -> dict[str, Value]:
    """Return the parameters that `dump_parameters` wrote."""
    return cast("dict[str, Value]", from_json(text))


def dump_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as JSON; values that JSON lacks become strings."""
    return to_json(metrics, inf_nan_mode="strings").decode()


def load_metrics(text: str) -> dict[str, float]:
    """Return the metrics that `dump_metrics` wrote."""
    return {name: float(value) for name, value in from_json(text).items()}


def dump_metadata(metadata: Mapping[str, str]) -> str:
    """Return metadata as JSON."""
    # One by one: while the library writes many megabytes at once, no other thread runs.
    return "{" + ",".join(f"{to_json(key).decode()}:{to_json(value).decode()}" for key, value in metadata.items()) + "}"


def load_metadata(text: str) -> Mapping[str, str]:
    """Return the metadata that `dump_metadata` wrote."""
    if text == "{}":
        return {}
    return WrittenMetadata(text) if len(text) > LONG_METADATA else cast("dict[str, str]", from_json(text))


def dump_final(measurement: Measurement) -> str:
    """Return a final measurement as JSON."""
    fields = [measurement.step, measurement.elapsed_seconds, dict(measurement.metrics)]
    fields += [True] if measurement.predicted else []
    return to_json(fields, inf_nan_mode="strings").decode()


def load_final(text: str | None) -> Measurement | None:
    """Return the measurement that `dump_final` wrote."""
    if text is None:
        return None
    step, elapsed_seconds, metrics, *predicted = from_json(text)
    return Measurement({name: float(value) for name, value in metrics.items()}, step, elapsed_seconds, bool(predicted))


def dump_numbers(numbers: list[int]) -> str:
    """Return trial numbers as JSON."""
    return to_json(numbers).decode()


def load_numbers(text: str) -> list[int]:
    """Return the numbers that `dump_numbers` wrote."""
    return cast("list[int]", cast(Any, from_json(text)))
