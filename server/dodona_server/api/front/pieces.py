"""Studies, trials and operations in pieces: what both dialects share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dodona_schemas.base import WireModel
from dodona_server.api.front.answer import array, mapping, with_fields
from dodona_server.domain.metadata import WrittenMetadata
from dodona_server.domain.trials.trial import FEW_MEASUREMENTS, Measurement, Trial

# A trial or study below this limit is written in a few milliseconds: its other content is at most a thousand values.
FEW_CHARACTERS = 2**16
# The same holds for a group of trials with at most this many values in total.
FEW_VALUES = 2000


def are_short(trials: Sequence[Trial]) -> bool:
    """Return whether the trials take only a few milliseconds to write; then they stay on the event loop."""
    values = 0
    for trial in trials:
        measured = trial.measurements or ()
        values += len(trial.parameters) + FEW_MEASUREMENTS + sum(len(one.metrics) for one in measured)
        many = len(measured) > FEW_MEASUREMENTS
        if many or values > FEW_VALUES or (trial.metadata and is_long(trial.metadata)):
            return False
    return True


def is_long(metadata: Mapping[str, str]) -> bool:
    """Return whether metadata are long enough to be written in pieces."""
    return isinstance(metadata, WrittenMetadata) or sum(map(len, metadata.values())) > FEW_CHARACTERS


def trial_in_pieces(
    trial: Trial,
    write: Callable[[Trial], WireModel],
    write_measurement: Callable[[Measurement], WireModel],
    enums_as_numbers: bool = False,
) -> Iterator[bytes]:
    """Yield a trial as JSON in pieces, each of them quick to build.

    Args:
        trial: the trial.
        write: returns a short trial as on the wire.
        write_measurement: returns a measurement as on the wire.
        enums_as_numbers: whether enums are written as numbers.
    """
    measured = trial.measurements or ()
    apart: dict[str, Iterable[bytes]] = {}
    if len(measured) > FEW_MEASUREMENTS:
        trial = dataclasses.replace(trial, measurements=None)
        apart["measurements"] = array((write_measurement(one).to_json(),) for one in measured)
    if is_long(trial.metadata):
        long, trial = trial.metadata, dataclasses.replace(trial, metadata={})
        apart["metadata"] = metadata_in_pieces(long)
    message = write(trial)
    # The AI Platform dialect has no metadata.
    shown = {name: pieces for name, pieces in apart.items() if name in type(message).model_fields}
    return with_fields(message, shown, enums_as_numbers)


def metadata_in_pieces(metadata: Mapping[str, str]) -> Iterator[bytes]:
    """Yield metadata as JSON in pieces."""
    if not isinstance(metadata, WrittenMetadata):
        return mapping(metadata)
    text = metadata.text
    return (text[begin : begin + FEW_CHARACTERS].encode() for begin in range(0, len(text), FEW_CHARACTERS))


def operation_in_pieces(operation: Any, trials: Iterable[Iterable[bytes]], enums_as_numbers: bool) -> Iterator[bytes]:
    """Yield an answered call to suggest, whose trials are already written."""
    response = with_fields(operation.response, {"trials": array(trials)}, enums_as_numbers)
    return with_fields(operation, {"response": response}, enums_as_numbers)
