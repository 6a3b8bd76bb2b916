"""Merge new parameters into those of a search space."""

from __future__ import annotations

from collections.abc import Iterable

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space.tree import Branch, Parameter


def merged(present: tuple[Parameter, ...], added: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Return the parameters with `added` merged in; see `SearchSpace.grow`."""
    by_id = {parameter.id: parameter for parameter in present}
    for parameter in added:
        known = by_id.get(parameter.id)
        if known is None:
            by_id[parameter.id] = parameter
            continue
        if known.kind != parameter.kind:
            raise InvalidArgument(
                f"{parameter.id!r} is in the study already as {known.kind}; a parameter's range never changes",
                "parameters",
            )
        by_id[parameter.id] = Parameter(
            known.id, known.kind, _merged_branches(known.branches, parameter.branches), known.metadata
        )
    return tuple(by_id.values())


def _merged_branches(present: tuple[Branch, ...], added: tuple[Branch, ...]) -> tuple[Branch, ...]:
    branches = list(present)
    for branch in added:
        for index, known in enumerate(branches):
            if known.values == branch.values and known.parameter.id == branch.parameter.id:
                (parameter,) = merged((known.parameter,), (branch.parameter,))
                branches[index] = Branch(known.values, parameter)
                break
        else:
            branches.append(branch)
    return tuple(branches)
