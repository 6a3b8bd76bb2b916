"""Conversion of studies, trials and operations between the wire and the domain.

Where this differs from AI Platform's own answers, it avoids faults of tensorflow-cloud's client.
"""

from __future__ import annotations

from collections.abc import Iterable

from dodona_schemas import caip as wire
from dodona_schemas.vertex import StudyState
from dodona_server.api.caip.spec import write_spec
from dodona_server.api.front.shared import read_metrics, read_values, timestamp
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import OperationName, StudyName
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import Study
from dodona_server.domain.studies.study import StudyState as State
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.service.operations import StopCheck, SuggestResult

_STATES = {
    TrialState.REQUESTED: wire.MlTrialState.REQUESTED,
    TrialState.ACTIVE: wire.MlTrialState.ACTIVE,
    TrialState.STOPPING: wire.MlTrialState.STOPPING,
    TrialState.SUCCEEDED: wire.MlTrialState.COMPLETED,
    # As COMPLETED, the client would rank them by a finalMeasurement that they lack.
    TrialState.INFEASIBLE: wire.MlTrialState.INFEASIBLE,
}
# One STOPPING trial in a list ends the search of every worker; the worker concerned asks for its own trial.
_LISTED_STATES = {**_STATES, TrialState.STOPPING: wire.MlTrialState.ACTIVE}


def study(value: Study) -> wire.MlStudy:
    """Return a study as on the wire."""
    return wire.MlStudy(
        name=str(value.name),
        study_config=write_spec(value.spec),
        state=StudyState[value.state.value],
        create_time=timestamp(value.create_time),
        inactive_reason=(value.state is State.INACTIVE and value.inactive_reason) or None,
    )


def trial(name: StudyName, value: Trial, *, listed: bool = False) -> wire.MlTrial:
    """Return a trial of the study `name` as on the wire, alone or as an entry of a list."""
    final, measured = value.final_measurement, value.measurements
    return wire.MlTrial(
        name=f"{name}/trials/{value.number}",
        state=(_LISTED_STATES if listed else _STATES)[value.state],
        parameters=[_parameter(parameter_id, chosen) for parameter_id, chosen in value.parameters.items()],
        final_measurement=None if final is None else measurement(final),
        measurements=None if measured is None else [measurement(one) for one in measured],
        start_time=None if value.start_time is None else timestamp(value.start_time),
        end_time=None if value.end_time is None else timestamp(value.end_time),
        client_id=value.client_id,
        trial_infeasible=value.state is TrialState.INFEASIBLE,
        infeasible_reason=value.infeasible_reason or None,
        id=str(value.number),
    )


def _parameter(parameter_id: str, value: Value) -> wire.MlTrialParameter:
    """Return a value by its type: a discrete value declared as 5 is 5, not 5.0, which no layer accepts as its size."""
    match value:
        case int():
            return wire.MlTrialParameter(parameter=parameter_id, int_value=value)
        case float():
            return wire.MlTrialParameter(parameter=parameter_id, float_value=value)
        case _:
            return wire.MlTrialParameter(parameter=parameter_id, string_value=value)


def measurement(value: Measurement) -> wire.MlMeasurement:
    """Return a measurement as on the wire."""
    return wire.MlMeasurement(
        elapsed_time=value.elapsed_seconds,
        step_count=value.step,
        metrics=[wire.MlMetric(metric=name, value=number) for name, number in value.metrics.items()],
    )


def suggestion(result: SuggestResult) -> wire.MlOperation:
    """Return an answered call to suggest as on the wire, without its trials."""
    name, time = result.name.study, timestamp(result.create_time)
    return wire.MlOperation(
        name=_operation_name(result.name),
        done=True,
        metadata=wire.MlSuggestTrialsMetadata(
            study=str(name),
            create_time=time,
            client_id=result.client_id,
            suggestion_count=result.suggestion_count,
        ),
        response=wire.MlSuggestTrialsResponse(
            study_state=StudyState[result.study_state.value],
            start_time=time,
            end_time=time,
        ),
    )


def stop_check(check: StopCheck) -> wire.MlOperation:
    """Return an answered early-stopping check as on the wire."""
    time = timestamp(check.time / 1000)
    return wire.MlOperation(
        name=_operation_name(check.name),
        done=True,
        metadata=wire.MlCheckTrialEarlyStoppingStateMetadata(
            study=str(check.trial.study), trial=str(check.trial), create_time=time
        ),
        response=wire.MlCheckTrialEarlyStoppingStateResponse(
            should_stop=check.should_stop, start_time=time, end_time=time
        ),
    )


def _operation_name(name: OperationName) -> str:
    """Return the name below the location: the only one that discovery clients of this dialect can ask for."""
    return f"{name.study.parent}/operations/{name.operation_id}"


def read_parameters(given: Iterable[wire.MlTrialParameter]) -> dict[str, object]:
    """Return the parameter values of a trial from the wire.

    Raises:
        InvalidArgument: a parameter occurs twice, or does not have exactly one value.
    """
    return read_values((parameter.parameter, _value(parameter)) for parameter in given)


def _value(parameter: wire.MlTrialParameter) -> Value:
    values = (parameter.float_value, parameter.int_value, parameter.string_value)
    given = [value for value in values if value is not None]
    if len(given) != 1:
        problem = f"{parameter.parameter!r} needs exactly one of floatValue, intValue, stringValue"
        raise InvalidArgument(problem, "parameters")
    return given[0]


def read_measurement(given: wire.MlMeasurement) -> Measurement:
    """Return a measurement from the wire.

    Raises:
        InvalidArgument: a metric has no name or occurs twice.
    """
    metrics = read_metrics((metric.metric, metric.value) for metric in given.metrics)
    return Measurement(metrics, given.step_count, given.elapsed_time or 0.0)


def read_final(given: wire.MlMeasurement | None) -> Measurement | None:
    """Return the final measurement from the wire, or None; see `read_measurement`."""
    return None if given is None else read_measurement(given)
