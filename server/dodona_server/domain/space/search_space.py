"""Search space of a study: the values that a trial's parameters may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space.grow import merged
from dodona_server.domain.space.kinds import Value, listed
from dodona_server.domain.space.restrict import check_any, restricted
from dodona_server.domain.space.tree import Parameter, Path, check_depth, exclusive

MAX_PARAMETERS = 1000


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """All parameters of a study.

    A name may appear in two branches if they can never be active together.
    """

    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, list[Path]] = {}
        for count, (path, parameter) in enumerate(self.walk(), start=1):
            if count > MAX_PARAMETERS:
                raise InvalidArgument(f"more than {MAX_PARAMETERS}, the maximum", "parameters")
            check_depth(len(path) + 1)
            for other in seen.setdefault(parameter.id, []):
                if not exclusive(path, other):
                    raise InvalidArgument(f"{parameter.id!r} appears twice", "parameters")
            seen[parameter.id].append(path)

    def walk(self) -> Iterator[tuple[Path, Parameter]]:
        """Yield every parameter with its path, parents before children."""
        stack: list[tuple[Path, Parameter]] = [((), parameter) for parameter in reversed(self.parameters)]
        while stack:
            path, parameter = stack.pop()
            yield path, parameter
            stack.extend(
                ((*path, (parameter.id, branch.values)), branch.parameter) for branch in reversed(parameter.branches)
            )

    def check(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return `values` in the kinds' types: exactly the active parameters, with defaults filled in.

        Raises:
            InvalidArgument: a value is missing, out of its parameter's range, or of no active parameter.
        """
        return self._check(values, defaults=True, whole=True)

    def check_queued(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return `values` in the kinds' types, with defaults filled in; other parameters may have no value.

        Raises:
            InvalidArgument: a value is out of its parameter's range, or its parameter is not certain to be active.
        """
        return self._check(values, defaults=True, whole=False)

    def is_whole(self, values: Mapping[str, Value]) -> bool:
        """Return whether every active parameter has a value."""
        pending = list(self.parameters)
        while pending:
            parameter = pending.pop()
            if parameter.id not in values:
                return False
            pending += parameter.active_branches(values[parameter.id])
        return True

    def check_used(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return `values` in the kinds' types: those that a trial used, which may be fewer than all active ones.

        Raises:
            InvalidArgument: a value is out of its parameter's range, or of no active parameter.
        """
        return self._check(values, defaults=False, whole=False)

    def _check(self, values: Mapping[str, object], *, defaults: bool, whole: bool) -> dict[str, Value]:
        checked: dict[str, Value] = {}
        pending = list(reversed(self.parameters))
        while pending:
            parameter = pending.pop()
            given = values.get(parameter.id, parameter.kind.default_value if defaults else None)
            if given is None:
                if whole:
                    raise InvalidArgument(f"{parameter.id!r} has no value", "parameters")
                continue
            with inside(f"parameters[{parameter.id!r}]"):
                value = parameter.kind.check(given)
            checked[parameter.id] = value
            pending.extend(reversed(list(parameter.active_branches(value))))
        unknown = values.keys() - checked.keys()
        if unknown:
            raise InvalidArgument(
                f"{min(unknown)!r} is not an active parameter; active are {listed(tuple(checked))}",
                "parameters",
            )
        return checked

    def restrict(self, fixed: Mapping[str, object]) -> SearchSpace:
        """Return the part of the space where each parameter of `fixed` has its value, or is not active.

        Raises:
            InvalidArgument: there is no such parameter, or no parameter of that name can be active with the value.
        """
        places: dict[str, list[Parameter]] = {}
        for _, parameter in self.walk():
            places.setdefault(parameter.id, []).append(parameter)
        unknown = fixed.keys() - places.keys()
        if unknown:
            raise InvalidArgument(f"{min(unknown)!r} is not a parameter of the study", "parameters")
        for name, value in fixed.items():
            check_any(places[name], value)
        return SearchSpace(tuple(restricted(parameter, fixed) for parameter in self.parameters))

    def grow(self, added: Iterable[Parameter]) -> SearchSpace:
        """Return the space with `added` merged in.

        New parameters come at the end, new branches under the existing parent, which must be of the same kind.

        Raises:
            InvalidArgument: a parameter already exists with another range or kind.
        """
        return SearchSpace(merged(self.parameters, added))
