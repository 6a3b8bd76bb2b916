"""Contract of the stopping rules: what a rule sees of a trial and of the others, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dodona_server.domain.studies.stopping_rule import StoppingRule
from dodona_server.domain.trials.curve import CurvePoint

if TYPE_CHECKING:
    # Not before there is a model: it needs NumPy and SciPy, which take half a second and memory.
    from dodona_server.curve_model.model import CurveModel

# A model of curves is fitted again after this many new values, as a share of the trials that it knows.
RENEWAL_SHARE = 0.05
# The reason to stop the trial, with its figures; None if it continues.
Decision = str | None


@dataclass(frozen=True, slots=True)
class Completed:
    """Completed trials of a study that were not stopped early.

    Args:
        best: the best of their results; larger is better.
        longest: the last position of their curves.
    """

    best: float
    longest: float


class Curves(Protocol):
    """Curves of the study, read on demand; larger values are better."""

    def best_at(self, position: float) -> float | None:
        """Return the trial's own best value up to that position; None if its curve begins later."""

    def bests_at(self, position: float) -> Sequence[float]:
        """Return the best values of other trials, each when it reached that position."""

    def means_at(self, position: float) -> Sequence[float]:
        """Return the means up to that position of other trials that reached it and have succeeded."""

    def any_better(self, best: float) -> bool:
        """Return whether a trial of the study has reached a better value."""

    def completed(self, least: int) -> Completed | None:
        """Return what is known of the completed trials; None if there are fewer than `least`, or none has a curve."""


@dataclass(frozen=True, slots=True)
class Case:
    """A trial that has reached a new position of its curve.

    Args:
        rule: of its study.
        before: its curve up to the position before; None if there is none.
        point: its curve up to the new position.
        curves: of the study.
        maximized: whether the objective is maximized.
        number: the trial's.
        model: of the study's curves, for rules that predict; None while there is none.
    """

    rule: StoppingRule
    before: CurvePoint | None
    point: CurvePoint
    curves: Curves
    maximized: bool
    number: int = 0
    model: CurveModel | None = None

    def value(self, oriented: float) -> str:
        """Return a value as text, as the metric has it."""
        return f"{oriented if self.maximized else 0.0 - oriented:.6g}"

    def place(self, position: float) -> str:
        """Return a position as text."""
        return f"{position:.6g} s" if self.rule.use_elapsed_time else f"step {position:.15g}"


Decide = Callable[[Case], Decision]
