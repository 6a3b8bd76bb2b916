"""Replay of the rule "auto" in a study that ran without a rule: its decisions on the study's own curves.

The reports come again in the order of their times. The rule sees of each trial what it had reported until then, with a
model fitted as often as in a search. It is the rule's own code. What stays unknown: a search whose trials stop early
learns less of them, and would have chosen other parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dodona_server.curve_model.curves import Curve, Progress
from dodona_server.curve_model.model import CurveModel, fit
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.trials.curve import CurvePoint, first_point
from dodona_server.stopping.contract import RENEWAL_SHARE, Case, Completed
from dodona_server.stopping.prediction import FREE_MEASUREMENTS, LEAST_TRIALS
from dodona_server.stopping.registry import decide

_RULE = StoppingRule(StoppingMethod.AUTOMATIC)


@dataclass(frozen=True, slots=True)
class Training:
    """A whole training of a trial.

    Args:
        number: the trial's.
        start: when it began.
        end: when it ended.
        steps: of its reports, increasing; above 0.
        values: of the objective at these, larger ones better; not finite where it diverged.
    """

    number: int
    start: float
    end: float
    steps: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Replay:
    """Decisions that the rule would have made.

    Args:
        trials: how many trials were replayed.
        stopped: how many of them it would have stopped.
        saved: the share of all steps that these trials made after that.
        lost: the number of the best trial, if it would have been stopped; else None.
    """

    trials: int
    stopped: int
    saved: float
    lost: int | None


def replay(trainings: Sequence[Training]) -> Replay | None:
    """Return what the rule would have done; None if there are too few trials, or their curves are too short.

    Args:
        trainings: by number.
    """
    usable = [one for one in trainings if one.steps and any(map(math.isfinite, one.values))]
    long = [one for one in usable if len(one.steps) > FREE_MEASUREMENTS + 1]
    if len(long) <= LEAST_TRIALS:
        return None
    search = _Search({one.number: one for one in usable})
    for number, index in _reports(usable):
        search.report(number, index)
    run = sum(one.steps[-1] for one in usable)
    saved = sum(search.trainings[number].steps[-1] - step for number, step in search.stopped.items())
    best = max(usable, key=lambda one: (_best(one), -one.number)).number
    return Replay(len(usable), len(search.stopped), saved / run, best if best in search.stopped else None)


def _best(training: Training) -> float:
    return max(value for value in training.values if math.isfinite(value))


def _reports(trainings: Iterable[Training]) -> list[tuple[int, int]]:
    """Return the number of the trial and the index of each report, in order; a trial reports evenly over its time."""
    reports = [
        (one.start + (one.end - one.start) * step / one.steps[-1], one.number, index)
        for one in trainings
        for index, step in enumerate(one.steps)
    ]
    return [(number, index) for _, number, index in sorted(reports)]


@dataclass(slots=True)
class _Known:
    """Reports of a trial so far, and those that come next."""

    steps: list[float] = field(default_factory=list)
    bests: list[float] = field(default_factory=list)
    point: CurvePoint | None = None
    progress: Progress = Progress.RUNNING


class _Search:
    """Replayed search; `stopped` has the last step of each stopped trial."""

    def __init__(self, trainings: Mapping[int, Training]) -> None:
        self.trainings = trainings
        self.stopped: dict[int, int] = {}
        self._known: dict[int, _Known] = {}
        self._model: CurveModel | None = None
        self._news = 0
        self._best = -math.inf

    def report(self, number: int, index: int) -> None:
        """Judge a trial by its next report, unless it is stopped already."""
        if number in self.stopped:
            return
        training = self.trainings[number]
        known = self._known.setdefault(number, _Known())
        is_last = index == len(training.steps) - 1
        stops = self._stops(number, known, training.steps[index], training.values[index]) and not is_last
        if stops:
            self.stopped[number] = training.steps[index]
        if stops or is_last:
            known.progress = Progress.STOPPED if stops else Progress.ENDED
            self._news += 1

    def _stops(self, number: int, known: _Known, step: int, value: float) -> bool:
        if not math.isfinite(value):
            return True
        before = known.point
        known.point = point = first_point(step, value) if before is None else before.after(step, value)
        self._best = max(self._best, point.best)
        known.steps.append(float(step))
        known.bests.append(point.best)
        model = self._latest_model()
        reason = decide(Case(_RULE, before, point, _Seen(known, self._best), True, number, model))
        self._news += model is None or model.passes(before.position if before else 0.0, point.position)
        return reason is not None

    def _latest_model(self) -> CurveModel | None:
        trials = 0 if self._model is None else self._model.trials[0]
        if self._news >= max(1.0, RENEWAL_SHARE * trials):
            curves = {
                number: Curve(np.array(known.steps), np.array(known.bests), known.progress)
                for number, known in self._known.items()
                if known.steps
            }
            self._model, self._news = fit(curves), 0
        return self._model


@dataclass(frozen=True, slots=True)
class _Seen:
    """Curves as the rule sees them: its trial's, and the best value of all; see `Curves`."""

    known: _Known
    best: float

    def best_at(self, position: float) -> float | None:
        """See `Curves`."""
        index = int(np.searchsorted(self.known.steps, position, side="right")) - 1
        return self.known.bests[index] if index >= 0 else None

    def any_better(self, best: float) -> bool:
        """See `Curves`."""
        return self.best > best

    def bests_at(self, position: float) -> Sequence[float]:
        """Raise: only other rules ask for it, as for the next two."""
        raise NotImplementedError

    def means_at(self, position: float) -> Sequence[float]:
        """Raise."""
        raise NotImplementedError

    def completed(self, least: int) -> Completed | None:
        """Raise."""
        raise NotImplementedError
