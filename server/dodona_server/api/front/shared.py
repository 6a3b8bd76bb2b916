"""Conversions that both dialects share: times and named values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from dodona_server.domain.errors import InvalidArgument


def timestamp(seconds: float) -> datetime:
    """Return seconds since the epoch as a time of the wire."""
    return datetime.fromtimestamp(seconds, UTC)


def read_values(given: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return the parameter values of a trial from the wire.

    Raises:
        InvalidArgument: a parameter occurs twice.
    """
    values: dict[str, object] = {}
    for name, value in given:
        if name in values:
            raise InvalidArgument(f"{name!r} appears twice", "parameters")
        values[name] = value
    return values


def read_metrics(given: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the metrics of a measurement from the wire.

    Raises:
        InvalidArgument: a metric has no name or occurs twice.
    """
    metrics: dict[str, float] = {}
    for name, value in given:
        if not name:
            raise InvalidArgument("is empty; every metric needs a name", "measurement.metrics.metricId")
        if name in metrics:
            raise InvalidArgument(f"{name!r} appears twice", "measurement.metrics")
        metrics[name] = value
    return metrics
