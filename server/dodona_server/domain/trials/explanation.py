"""Explanation of a suggestion: what the algorithm's model expected, and which parameters mattered.

It is made with the suggestion and kept in the trial's metadata.

Source: BONSAI (Meta, 2026) for the parameters that could be set back to the best point without losing much of the
acquisition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

# The key of a trial's metadata.
EXPLANATION = "suggestion/explanation"
# The probability of `Expectation`'s interval.
PROBABILITY = 0.9
# A parameter matters if setting it back loses more than this share of the acquisition.
MATTERS = 0.1
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Expectation:
    """Result that a model expects, in the metric's units; with `PROBABILITY` it is from `low` to `high`."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Forecast of an algorithm's model for a suggestion. None stands for a value that the model does not have.

    Args:
        expected: the expected objective; None with several objectives.
        exploring: the part of the acquisition that comes from not knowing, from 0 (exploiting) to 1.
        best: the number of the best trial at that time.
        kept: for each parameter with another value than that trial's: the part of the acquisition that would be left
            with that trial's value, from 0 to 1.
        prior_studies: the part of the expectation that comes from earlier studies, from 0 to 1.
        hints: the factor by which hints change the acquisition at the point.
        by_prior_study: the part of each of them, by its name in the study's spec.
        improving: the probability that the point is clearly better than the best, by a hundredth of the interquartile
            range of the results.
    """

    expected: Expectation | None = None
    exploring: float | None = None
    best: int | None = None
    kept: Mapping[str, float] = field(default_factory=dict)
    prior_studies: float | None = None
    hints: float | None = None
    by_prior_study: Mapping[str, float] = field(default_factory=dict)
    improving: float | None = None

    @property
    def text(self) -> str:
        """Explanation as `read` reads it."""
        expected = self.expected
        known = {
            "expected": None if expected is None else [expected.mean, expected.low, expected.high],
            "exploring": self.exploring,
            "best": self.best,
            "kept": dict(self.kept) or None,
            "hints": self.hints,
            "prior_studies": self.prior_studies,
            "by_prior_study": dict(self.by_prior_study) or None,
            "improving": self.improving,
        }
        return json.dumps({key: _rounded(value) for key, value in known.items() if value is not None})


def read_explanation(metadata: Mapping[str, str]) -> Explanation | None:
    """Return the explanation in a trial's metadata; None if there is none, or one that cannot be read.

    Clients may write any metadata, so it may be anything.
    """
    try:
        known = json.loads(metadata[EXPLANATION])
        expected = known.get("expected")
        return Explanation(
            expected=None if expected is None else Expectation(*(float(value) for value in expected)),
            exploring=_optional(known.get("exploring")),
            best=None if known.get("best") is None else int(known["best"]),
            kept={str(name): float(value) for name, value in known.get("kept", {}).items()},
            hints=_optional(known.get("hints")),
            prior_studies=_optional(known.get("prior_studies")),
            by_prior_study={str(name): float(value) for name, value in known.get("by_prior_study", {}).items()},
            improving=_optional(known.get("improving")),
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return None


def _optional(value: object) -> float | None:
    return None if value is None else float(str(value))


def _rounded(value: object) -> object:
    """Return the value with its numbers rounded to `_DIGITS` significant digits."""
    match value:
        case float():
            return float(f"{value:.{_DIGITS}g}")
        case list():
            return [_rounded(one) for one in value]
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case _:
            return value
