"""The `early_stopping` argument: a stopping rule by its name, or in the protocol's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic.alias_generators import to_camel

from dodona._errors import named_problems
from dodona_schemas import vertex

Rule = (
    vertex.AutomaticStoppingSpec
    | vertex.MedianAutomatedStoppingSpec
    | vertex.DecayCurveAutomatedStoppingSpec
    | vertex.ConvexAutomatedStoppingSpec
    | vertex.AshaStoppingSpec
    | vertex.NoProgressStoppingSpec
)
EarlyStopping = Literal["auto", "median", "decay_curve", "convex", "asha", "no_progress"] | Rule | Mapping[str, Any]

_DEFAULT_PATIENCE = 10
_NAMED: dict[str, Rule] = {
    "auto": vertex.AutomaticStoppingSpec(),
    "median": vertex.MedianAutomatedStoppingSpec(),
    "decay_curve": vertex.DecayCurveAutomatedStoppingSpec(),
    "convex": vertex.ConvexAutomatedStoppingSpec(),
    "asha": vertex.AshaStoppingSpec(),
    "no_progress": vertex.NoProgressStoppingSpec(patience=_DEFAULT_PATIENCE),
}
_FIELDS: dict[type[Rule], str] = {
    vertex.AutomaticStoppingSpec: "automatic_stopping_spec",
    vertex.MedianAutomatedStoppingSpec: "median_automated_stopping_spec",
    vertex.DecayCurveAutomatedStoppingSpec: "decay_curve_stopping_spec",
    vertex.ConvexAutomatedStoppingSpec: "convex_automated_stopping_spec",
    vertex.AshaStoppingSpec: "asha_stopping_spec",
    vertex.NoProgressStoppingSpec: "no_progress_stopping_spec",
}


def set_stopping_rule(spec: vertex.StudySpec | vertex.SetStoppingRuleRequest, early_stopping: EarlyStopping) -> None:
    """Set the stopping rule of a study.

    Args:
        spec: to set it in, or the call that changes it.
        early_stopping: the rule's name, its message, or a dict such as `{"ashaStoppingSpec": {"minResource": 2}}`.

    Raises:
        ValueError: it is no rule that stops trials; the message lists those that do.
    """
    rule: object = early_stopping
    if isinstance(early_stopping, str):
        rule = _NAMED.get(early_stopping)
    elif isinstance(early_stopping, Mapping):
        rule = _only_rule(early_stopping)
    if not isinstance(rule, Rule):
        allowed = ", ".join(repr(name) for name in _NAMED)
        messages = ", ".join(f"{message.__name__}" for message in _FIELDS)
        raise ValueError(
            f"early_stopping is {early_stopping!r}; it must be one of {allowed}, a message of dodona_schemas.vertex "
            f"({messages}), or a dict with one of the fields {', '.join(map(to_camel, _FIELDS.values()))}"
        )
    setattr(spec, _FIELDS[type(rule)], rule.model_copy())


def _only_rule(given: Mapping[str, Any]) -> object:
    """Return the rule in a dict with its field alone; None if the dict has another field, or several."""
    if len(given) != 1 or next(iter(given)) not in {*_FIELDS.values(), *map(to_camel, _FIELDS.values())}:
        return None
    with named_problems("early_stopping"):
        spec = vertex.StudySpec.model_validate(given)
    return next((rule for field in _FIELDS.values() if (rule := getattr(spec, field)) is not None), None)
