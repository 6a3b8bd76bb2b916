"""Early end of a trial, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodona import TrialRecord
from dodona._codec import EPOCHS


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """End of a trial that was stopped before its last epoch.

    Attributes:
        epochs: how many epochs it was trained, in all executions.
        planned: how many it was to be trained; None if unknown.
        reason: why it was asked to stop; None if unknown.
    """

    epochs: int
    planned: int | None
    reason: str | None

    def __str__(self) -> str:
        """Return "stopped after epoch 4 of 50: " and the reason."""
        of = "" if self.planned is None else f" of {self.planned}"
        why = "" if self.reason is None else f": {self.reason}"
        return f"stopped after epoch {self.epochs}{of}{why}"


def early_end(epochs: int, planned: int | None, reason: str | None) -> EarlyEnd | None:
    """Return the end of a stopped trial; None if its last epoch had ended already.

    Args:
        epochs: see `EarlyEnd`.
        planned: see `EarlyEnd`; a smaller number than `epochs` counts as unknown, such as for several calls of `fit`.
        reason: see `EarlyEnd`.
    """
    if epochs == planned:
        return None
    return EarlyEnd(epochs, planned if planned is not None and planned > epochs else None, reason)


def early_end_of(record: TrialRecord, planned: int | None) -> EarlyEnd | None:
    """Return the early end of a trial that was stopped; None if it ended by itself, or has not ended.

    Args:
        record: the trial, with its measurements.
        planned: how many epochs a trial is trained, unless Hyperband has set the number; None if unknown.
    """
    if not record.stopped or record.end is None:
        return None
    own = record.parameters.get(EPOCHS)
    epochs = max((measured.step for measured in record.measurements), default=0)
    return early_end(epochs, planned if own is None else int(own), record.stopping_reason)


def saving(records: Sequence[TrialRecord], planned: int | None) -> str | None:
    """Return how many trials were stopped early and how many epochs that saved; None if no trial was stopped.

    Args:
        records: the study's trials, with their measurements.
        planned: see `early_end_of`.
    """
    ends = [end for record in records if (end := early_end_of(record, planned)) is not None]
    if not ends:
        return None
    stopped, trained = f"{len(ends)} of {len(records)} trials stopped early", sum(end.epochs for end in ends)
    planned_each = [end.planned for end in ends if end.planned is not None]
    if len(planned_each) < len(ends):
        return f"{stopped}, after {trained} epochs in all"
    whole = sum(planned_each)
    return f"{stopped}: {whole - trained} of their {whole} epochs saved"
