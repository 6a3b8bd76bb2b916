"""Savings of early stopping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from dodona_figures.records import Study, Trial
from dodona_figures.words import counted, lasting


@dataclass(frozen=True, slots=True)
class Saved:
    """Savings of early stopping: an estimate, as if each stopped trial had been as long as whole ones are.

    Args:
        stopped: how many trials were stopped.
        finished: how many trials succeeded, these among them.
        share: the part of all steps that was not run, or of the compute time if trials count no steps.
        seconds: the compute time that was saved; 0 if it is not known.
        unit: "steps" or "time", by which the share is computed; empty if it cannot be.
    """

    stopped: int
    finished: int
    share: float
    seconds: float
    unit: str

    def __str__(self) -> str:
        """Return a sentence."""
        if not self.stopped:
            return "No trial was stopped early."
        were = "was" if self.stopped == 1 else "were"
        text = f"{self.stopped} of {counted(self.finished, 'trial')} {were} stopped early."
        if not self.unit:
            return f"{text} How much that saved is not known: no other trial has ended."
        what = "steps" if self.unit == "steps" else "compute time"
        time = f", about {lasting(self.seconds)} of compute time" if self.seconds and self.unit == "steps" else ""
        return f"{text} That saved about {self.share:.0%} of the {what}{time}: whole trials are the measure."


def saved(study: Study) -> Saved:
    """Return the savings of early stopping.

    Args:
        study: with its trials.
    """
    done = [trial for trial in study.trials if trial.state == "SUCCEEDED"]
    stopped = [trial for trial in done if trial.stopped]
    whole = [trial for trial in done if not trial.stopped]
    seconds, _ = _missing([trial.seconds for trial in whole], [trial.seconds for trial in stopped])
    for unit, lengths in (("steps", _steps), ("time", _seconds)):
        _, share = _missing(lengths(whole), lengths(stopped))
        if share:
            return Saved(len(stopped), len(done), share, seconds, unit)
    return Saved(len(stopped), len(done), 0.0, 0.0, "")


def _steps(trials: Sequence[Trial]) -> list[float]:
    return [float(trial.step) for trial in trials]


def _seconds(trials: Sequence[Trial]) -> list[float]:
    return [trial.seconds for trial in trials]


def _missing(whole: Sequence[float], stopped: Sequence[float]) -> tuple[float, float]:
    """Return the length that stopped trials lack, and its share of all."""
    known = [length for length in whole if length > 0]
    if not known:
        return 0.0, 0.0
    full = median(known)
    missing = sum(max(0.0, full - length) for length in stopped)
    run = sum(whole) + sum(stopped)
    return missing, missing / (missing + run)
