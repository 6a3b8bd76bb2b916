"""Parameters in a tree of conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space.kinds import Double, Kind, Value

MAX_NAME_LENGTH = 256
MAX_DEPTH = 32


def check_depth(depth: int) -> None:
    """Refuse conditional parameters that are nested too deeply; parameters at the root have depth 1."""
    if depth > MAX_DEPTH:
        raise InvalidArgument(f"nested more than {MAX_DEPTH} levels deep, the maximum", "conditional_parameter_specs")


@dataclass(frozen=True, slots=True)
class Branch:
    """A child parameter and the parent's values under which it is active."""

    values: tuple[Value, ...]
    parameter: Parameter


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named dimension of the search, with the parameters that depend on it.

    `metadata` belongs to the client; the server does not interpret it.
    """

    id: str
    kind: Kind
    branches: tuple[Branch, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidArgument("is empty; every parameter needs a name", "parameter_id")
        if len(self.id) > MAX_NAME_LENGTH:
            raise InvalidArgument(f"{len(self.id)} characters; {MAX_NAME_LENGTH} are allowed", "parameter_id")
        if self.branches and isinstance(self.kind, Double):
            raise InvalidArgument(
                f"{self.id!r} is a DOUBLE; only INTEGER, CATEGORICAL and DISCRETE can have conditional parameters",
                "conditional_parameter_specs",
            )
        branches: list[Branch] = []
        for index, branch in enumerate(self.branches):
            with inside(f"conditional_parameter_specs[{index}]"):
                if not branch.values:
                    raise InvalidArgument(f"names no value of the parent {self.id!r}; at least one is needed")
                # In the kind's own type, which trials use too.
                values = tuple(self.kind.check(value) for value in branch.values)
                branches.append(Branch(values, branch.parameter))
        object.__setattr__(self, "branches", tuple(branches))

    def active_branches(self, value: Value) -> Iterator[Parameter]:
        """Return the child parameters that are active when this parameter has `value`."""
        return (branch.parameter for branch in self.branches if value in branch.values)


# The position of a parameter in the tree: the (parent, values) conditions from the root to it.
Path = tuple[tuple[str, tuple[Value, ...]], ...]


def exclusive(path: Path, other: Path) -> bool:
    """Return whether two paths diverge at a common parent into branches that share no value."""
    for (parent, values), (other_parent, other_values) in zip(path, other, strict=False):
        if parent != other_parent:
            return False
        if not set(values) & set(other_values):
            return True
    return False
