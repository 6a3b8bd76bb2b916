"""What the algorithms have alike in reading their options."""

from __future__ import annotations

from collections.abc import Collection

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.study import StudySpec


def only(spec: StudySpec, allowed: Collection[str]) -> None:
    """Refuses options that the algorithm does not have.

    Raises:
        InvalidArgument: one is none of `allowed`.
    """
    for name in spec.algorithm_options:
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise InvalidArgument(f"{name!r} is no option of {spec.algorithm}; it has {known}", "algorithmOptions")


def no_options(spec: StudySpec) -> None:
    """Refuses any option; see `only`."""
    only(spec, ())
