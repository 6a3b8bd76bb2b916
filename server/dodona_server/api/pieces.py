"""What studies, trials and operations have alike in both dialects when they are written in pieces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dodona_schemas.base import WireModel
from dodona_server.api.answer import array, mapping, with_fields
from dodona_server.domain.metadata import WrittenMetadata
from dodona_server.domain.trial import Measurement, Trial

# Such a trial or study is written in a few milliseconds: what grows with neither is no more than a thousand values.
FEW_MEASUREMENTS = 10
FEW_CHARACTERS = 2**16
# So are so many trials with so many values together.
FEW_VALUES = 2000


def are_short(trials: Sequence[Trial]) -> bool:
    """Whether trials are written in a few milliseconds, which is less than it is worth to leave the event loop for."""
    values = 0
    for trial in trials:
        values += len(trial.parameters) + FEW_MEASUREMENTS
        if trial.measurements or values > FEW_VALUES or (trial.metadata and is_long(trial.metadata)):
            return False
    return True


def is_long(metadata: Mapping[str, str]) -> bool:
    """Whether metadata are written in pieces."""
    return isinstance(metadata, WrittenMetadata) or sum(map(len, metadata.values())) > FEW_CHARACTERS


def trial_in_pieces(
    trial: Trial,
    write: Callable[[Trial], WireModel],
    write_measurement: Callable[[Measurement], WireModel],
    enums_as_numbers: bool = False,
) -> Iterator[bytes]:
    """A trial as JSON, in pieces none of which takes long to make.

    Args:
        trial: what to write.
        write: the trial as the wire has it, if it is short.
        write_measurement: a measurement as the wire has it.
        enums_as_numbers: whether enums are to be numbers.
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
    # AI Platform's dialect has no metadata.
    shown = {name: pieces for name, pieces in apart.items() if name in type(message).model_fields}
    return with_fields(message, shown, enums_as_numbers)


def metadata_in_pieces(metadata: Mapping[str, str]) -> Iterator[bytes]:
    """Metadata as JSON, in pieces."""
    if not isinstance(metadata, WrittenMetadata):
        return mapping(metadata)
    text = metadata.text
    return (text[begin : begin + FEW_CHARACTERS].encode() for begin in range(0, len(text), FEW_CHARACTERS))


def operation_in_pieces(operation: Any, trials: Iterable[Iterable[bytes]], enums_as_numbers: bool) -> Iterator[bytes]:
    """A call to suggest, whose trials are written already."""
    response = with_fields(operation.response, {"trials": array(trials)}, enums_as_numbers)
    return with_fields(operation, {"response": response}, enums_as_numbers)
