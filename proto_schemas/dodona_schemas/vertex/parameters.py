"""Parameters of a search space, their conditions and hints."""

from __future__ import annotations

from typing import Any

from dodona_schemas.base import (
    Double,
    Int64,
    Number,
    Repeated,
    TextMap,
    WireEnum,
    WireModel,
    own,
)


class ScaleType(WireEnum):
    """Scale of a parameter's values; unspecified means linear."""

    SCALE_TYPE_UNSPECIFIED = 0
    UNIT_LINEAR_SCALE = 1
    UNIT_LOG_SCALE = 2
    UNIT_REVERSE_LOG_SCALE = 3


class DoubleValueSpec(WireModel):
    """A real interval, both ends included."""

    min_value: Double = 0.0
    max_value: Double = 0.0
    default_value: Double | None = None


class IntegerValueSpec(WireModel):
    """A range of integers, both ends included."""

    min_value: Int64 = 0
    max_value: Int64 = 0
    default_value: Int64 | None = None


class CategoricalValueSpec(WireModel):
    """A set of names."""

    values: Repeated[str] = []
    default_value: str | None = None


class DiscreteValueSpec(WireModel):
    """A set of numbers."""

    values: Repeated[Number] = []
    default_value: Number | None = None


class DiscreteValueCondition(WireModel):
    """Values of a discrete parent that activate a child."""

    values: Repeated[Number] = []


class IntValueCondition(WireModel):
    """Values of an integer parent that activate a child."""

    values: Repeated[Int64] = []


class CategoricalValueCondition(WireModel):
    """Values of a categorical parent that activate a child."""

    values: Repeated[str] = []


class ConditionalParameterSpec(WireModel):
    """A child parameter with the condition on its parent; exactly one condition is set."""

    parameter_spec: ParameterSpec
    parent_discrete_values: DiscreteValueCondition | None = None
    parent_int_values: IntValueCondition | None = None
    parent_categorical_values: CategoricalValueCondition | None = None


class Sureness(WireEnum):
    """Confidence in a prior; unspecified is FAIRLY."""

    SURENESS_UNSPECIFIED = 0
    VAGUELY = 1
    FAIRLY = 2
    VERY = 3


class ParameterPrior(WireModel):
    """Values near which a parameter is believed to be best: one, or several that are equally likely."""

    values: Repeated[Any] = []
    sure: Sureness = Sureness.SURENESS_UNSPECIFIED


class ParameterSpec(WireModel):
    """A parameter; exactly one of the four value specs is set and defines its kind."""

    parameter_id: str = ""
    double_value_spec: DoubleValueSpec | None = None
    integer_value_spec: IntegerValueSpec | None = None
    categorical_value_spec: CategoricalValueSpec | None = None
    discrete_value_spec: DiscreteValueSpec | None = None
    scale_type: ScaleType = ScaleType.SCALE_TYPE_UNSPECIFIED
    conditional_parameter_specs: Repeated[ConditionalParameterSpec] = []
    metadata: TextMap = own(
        "strings that the client stores with the parameter, such as its type in the user's program", {}
    )
    prior: ParameterPrior | None = own("where the parameter is believed to be best, a hint for the search")
