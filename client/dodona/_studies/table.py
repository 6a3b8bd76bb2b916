"""Trials as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dodona._trials.record import TrialRecord


def columns_of(
    records: Sequence[TrialRecord], parameter_names: Iterable[str], metric_names: Iterable[str]
) -> dict[str, list[Any]]:
    """Return the columns by name, a row for each record; None where a trial has no value.

    Args:
        records: the trials.
        parameter_names: in the order of their columns.
        metric_names: of the study; what else the trials have measured follows.
    """
    metric_names = dict.fromkeys([*metric_names, *(name for record in records for name in record.metrics)])
    columns: dict[str, list[Any]] = {
        "number": [record.number for record in records],
        "state": [record.state for record in records],
        "stopped": [record.stopped for record in records],
    }
    for name in parameter_names:
        columns[f"params_{name}"] = [record.parameters.get(name) for record in records]
    for name in metric_names:
        columns[f"metrics_{name}"] = [record.metrics.get(name) for record in records]
    columns["worker"] = [record.worker for record in records]
    columns["attempt"] = [record.attempt for record in records]
    columns["start"] = [record.start for record in records]
    columns["end"] = [record.end for record in records]
    columns["duration"] = [record.end - record.start if record.start and record.end else None for record in records]
    return columns
