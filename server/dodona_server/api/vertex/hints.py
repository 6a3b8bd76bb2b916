"""Conversion of hints between the wire, where parameters have priors, and the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dodona_schemas import vertex as wire
from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.studies.hint import Hint, Sure

_SURE = {
    wire.Sureness.SURENESS_UNSPECIFIED: Sure.FAIRLY,
    wire.Sureness.VAGUELY: Sure.VAGUELY,
    wire.Sureness.FAIRLY: Sure.FAIRLY,
    wire.Sureness.VERY: Sure.VERY,
}


def read_hints(parameters: Iterable[wire.ParameterSpec]) -> dict[str, Hint]:
    """Return the hints in the priors of parameters and of those below them, not checked yet.

    Raises:
        InvalidArgument: parameters of the same name have different priors.
    """
    hints: dict[str, Hint] = {}
    pending = list(parameters)
    while pending:
        parameter = pending.pop()
        pending += [child.parameter_spec for child in parameter.conditional_parameter_specs]
        if parameter.prior is None:
            continue
        hint = _hint(parameter.prior)
        if hints.setdefault(parameter.parameter_id, hint) != hint:
            with inside(f"parameters[{parameter.parameter_id!r}]"):
                raise InvalidArgument("differs between the branches; parameters of one name share it", "prior")
    return hints


def read_named_priors(body: wire.SetPriorsRequest) -> dict[str, Hint | None]:
    """Return the hints that a call sets, by the parameters' names, not checked yet; None removes one."""
    return {one.parameter_id: _hint(one) if one.values else None for one in body.priors}


def write_priors(parameters: Iterable[wire.ParameterSpec], hints: Mapping[str, Hint]) -> None:
    """Write the hints into the priors of parameters and of those below them."""
    pending = list(parameters)
    while pending:
        parameter = pending.pop()
        pending += [child.parameter_spec for child in parameter.conditional_parameter_specs]
        if hint := hints.get(parameter.parameter_id):
            parameter.prior = wire.ParameterPrior(values=list(hint.values), sure=wire.Sureness[hint.sure.value])


def _hint(prior: wire.ParameterPrior) -> Hint:
    return Hint(tuple(prior.values), _SURE[prior.sure])
