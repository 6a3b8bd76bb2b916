"""Points of a space that a study's trials cover, if the space may have grown since.

A trial covers every point that has all of its values. A trial that ran before a parameter was added lacks it, and so
covers all values of that parameter: the training is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dodona_server.domain.space import Value
from dodona_server.domain.trials.trial import Trial

_Names = tuple[str, ...]


class Covered:
    """Points that trials cover.

    Args:
        completed: the finished trials, also those that were stopped early. One without parameters is ignored, since it
            ran before there were any.
        pending: the unfinished ones; they may still use parameters that they lack.
    """

    def __init__(self, completed: Sequence[Trial], pending: Sequence[Trial]) -> None:
        self._finished = _by_names(trial for trial in completed if trial.parameters)
        self._pending = _by_names(pending)

    def by(self, point: Mapping[str, Value]) -> frozenset[str] | None:
        """Return the names of the parameters of a trial that covers `point`; None if there is no such trial."""
        names = _found(self._finished, point)
        if names is None:
            names = _found(self._pending, point)
        return None if names is None else frozenset(names)

    def may_be_left(self, point: Mapping[str, Value]) -> bool:
        """Return whether a covered point may still become free: only a pending trial that may change covers it."""
        if _found(self._finished, point) is not None:
            return False
        names = _names(point)
        return _values(point, names) not in self._pending.get(names, ())

    def add(self, point: Mapping[str, Value]) -> None:
        """Add `point` to those of the pending trials."""
        names = _names(point)
        self._pending.setdefault(names, set()).add(_values(point, names))


def _by_names(trials: Iterable[Trial]) -> dict[_Names, set[tuple[Value, ...]]]:
    """Return the trials' values by the names of their parameters."""
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
