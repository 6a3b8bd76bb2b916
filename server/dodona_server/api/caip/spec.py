"""Study configurations: read and written in Vertex's form, and checked for what that form cannot say."""

from __future__ import annotations

from collections.abc import Sequence

from dodona_schemas import caip as wire
from dodona_schemas.caip_vertex import to_config, to_spec
from dodona_server.api.vertex import spec as vertex
from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space import Parameter
from dodona_server.domain.studies.study import StudySpec


def read_spec(config: wire.MlStudyConfig) -> StudySpec:
    """Return the domain's spec.

    Raises:
        InvalidArgument: it is not valid; the error names the fields of Vertex's form.
    """
    stopping = config.automated_stopping_config
    if stopping and stopping.decay_curve_stopping_config and stopping.median_automated_stopping_config:
        problem = "only one early stopping rule is possible, not both"
        raise InvalidArgument(problem, "studySpec.automatedStoppingConfig")
    spec = vertex.read_spec(to_spec(config))
    with inside("studySpec"):
        for index, parameter in enumerate(config.parameters):
            with inside(f"parameters[{index}]"):
                _refuse_condition(parameter)
        _check_types("parameters", config.parameters, spec.space.parameters)
    return spec


def _refuse_condition(parameter: wire.MlParameterSpec) -> None:
    for field in ("parent_discrete_values", "parent_int_values", "parent_categorical_values"):
        if getattr(parameter, field) is not None:
            raise InvalidArgument(f"{parameter.parameter!r} has a condition on a parent, but no parent")


def _check_types(field: str, declared: Sequence[wire.MlParameterSpec], read: Sequence[Parameter]) -> None:
    """Raise an error if a parameter has another type than it declares."""
    for index, (one, parameter) in enumerate(zip(declared, read, strict=True)):
        with inside(f"{field}[{index}]"):
            kind = parameter.kind.type
            if one.type is not wire.MlParameterType.PARAMETER_TYPE_UNSPECIFIED and one.type.name != kind.upper():
                raise InvalidArgument(f"{one.type.name} does not fit {kind}ValueSpec", "type")
            children = [branch.parameter for branch in parameter.branches]
            _check_types("conditionalParameterSpecs", one.child_parameter_specs, children)


def write_spec(spec: StudySpec) -> wire.MlStudyConfig:
    """Return the configuration as on the wire; it omits everything for which this dialect has no field."""
    return to_config(vertex.write_spec(spec, seed=0))
