"""Which points of a space a study's trials stand for, where the space may have grown since.

A trial stands for every point that has all of its values. One that ran before a parameter was found lacks it, and so
stands for each of that parameter's values: it is the same training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dodona_server.domain.space import Value
from dodona_server.domain.trial import Trial

_Names = tuple[str, ...]


class Covered:
    """The points that trials stand for.

    Args:
        completed: the finished trials. One without any parameter tells nothing, since it ran before there were any.
        pending: the unfinished ones; what they lack they may turn out to use.
    """

    def __init__(self, completed: Sequence[Trial], pending: Sequence[Trial]) -> None:
        self._finished = _by_names(trial for trial in completed if trial.parameters)
        self._pending = _by_names(pending)

    def by(self, point: Mapping[str, Value]) -> frozenset[str] | None:
        """The names that a trial which stands for `point` has; None if there is no such trial."""
        names = _found(self._finished, point)
        if names is None:
            names = _found(self._pending, point)
        return None if names is None else frozenset(names)

    def may_be_left(self, point: Mapping[str, Value]) -> bool:
        """Whether a point that is covered may turn out to be left: only a pending trial that may change covers it."""
        if _found(self._finished, point) is not None:
            return False
        names = _names(point)
        return _values(point, names) not in self._pending.get(names, ())

    def add(self, point: Mapping[str, Value]) -> None:
        """Counts `point` among those of the pending trials."""
        names = _names(point)
        self._pending.setdefault(names, set()).add(_values(point, names))


def _by_names(trials: Iterable[Trial]) -> dict[_Names, set[tuple[Value, ...]]]:
    """The trials' values by the names that they have."""
    found: dict[_Names, set[tuple[Value, ...]]] = {}
    for trial in trials:
        names = _names(trial.parameters)
        found.setdefault(names, set()).add(_values(trial.parameters, names))
    return found


def _found(known: Mapping[_Names, set[tuple[Value, ...]]], point: Mapping[str, Value]) -> _Names | None:
    for names, points in known.items():
        if all(name in point for name in names) and _values(point, names) in points:
            return names
    return None


def _names(point: Mapping[str, Value]) -> _Names:
    return tuple(sorted(point))


def _values(point: Mapping[str, Value], names: _Names) -> tuple[Value, ...]:
    return tuple(point[name] for name in names)
