"""Results of trials and the best so far, by trial, by time or by compute time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dodona_figures.records import Goal, Mark, Metric, Study, Trial
from dodona_figures.thin import thin

By: TypeAlias = Literal["trial", "time", "compute"]
TITLES: dict[By, str] = {"trial": "trial", "time": "time since the first trial", "compute": "compute time used"}


@dataclass(frozen=True, slots=True)
class Points:
    """Trials as points; the lists have an entry for each trial, by `x`."""

    numbers: list[int]
    x: list[float]
    y: list[float]
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class BestSoFar:
    """Best value so far: each entry is an improvement, by the trial `numbers`; the last one holds up to `end`."""

    numbers: list[int]
    x: list[float]
    y: list[float]
    end: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Failed trials: they have a place on the x axis, and a reason."""

    numbers: list[int]
    x: list[float]
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class History:
    """Results of trials, and the best so far.

    Args:
        study: its name.
        metric: whose values these are.
        goal: which values are better.
        by: what the x axis is: the trial's number, the time since the first trial, or the compute time of all trials.
        x_title: of the axis.
        x_unit: "s" for times, else empty.
        start: when the first trial began, in seconds since the epoch; None if no trial has a time.
        points: the succeeded trials; those stopped early are marked, and are the best only if there are no others.
        best: the best value so far.
        failed: the failed trials.
        total: how many succeeded trials there are; `points` may be thinned.
    """

    study: str
    metric: str
    goal: Goal
    by: By
    x_title: str
    x_unit: str
    start: float | None
    points: Points
    best: BestSoFar
    failed: Failed
    total: int


def history(study: Study, metric: str | None = None, by: By = "trial", most: int | None = None) -> History:
    """Return the results of trials, and the best so far.

    Args:
        study: with its trials.
        metric: the metric's name; None for the objective.
        by: what the x axis is.
        most: how many points to return at most; all improvements are among them. None for all.

    Raises:
        ValueError: the study has no such metric.
    """
    chosen = study.metric(metric)
    start, places = _places(study.trials, by)
    found = study.results(chosen, whole=False)
    pairs = [(trial, value) for trial, value in found if trial.number in places]
    pairs.sort(key=lambda pair: places[pair[0].number])
    improved = _improvements(pairs, chosen)
    important = {index for index, _ in improved}
    kept = range(len(pairs)) if most is None else thin(len(pairs), important, most)
    shown = [pairs[index] for index in kept]
    failed = [trial for trial in study.trials if trial.mark == "failed" and trial.number in places]
    failed = failed if most is None else [failed[index] for index in thin(len(failed), set(), most)]
    return History(
        study=study.name,
        metric=chosen.name,
        goal=chosen.goal,
        by=by,
        x_title=TITLES[by],
        x_unit="" if by == "trial" else "s",
        start=start,
        points=Points(
            [trial.number for trial, _ in shown],
            [places[trial.number] for trial, _ in shown],
            [value for _, value in shown],
            [trial.mark for trial, _ in shown],
        ),
        best=_best_so_far([pairs[index] for index, _ in improved], places),
        failed=Failed(
            [trial.number for trial in failed],
            [places[trial.number] for trial in failed],
            [trial.reason for trial in failed],
        ),
        total=len(pairs),
    )


def _places(trials: Sequence[Trial], by: By) -> tuple[float | None, dict[int, float]]:
    """Return when the first trial began, and the place of each trial that has ended."""
    start = min((trial.start for trial in trials if trial.start is not None), default=None)
    if by == "trial":
        return start, {trial.number: float(trial.number) for trial in trials}
    ended = [(trial.end, trial) for trial in trials if trial.end is not None]
    if by == "time":
        first = start if start is not None else min((end for end, _ in ended), default=0.0)
        return start, {trial.number: max(0.0, end - first) for end, trial in ended}
    used, places = 0.0, dict[int, float]()
    for _, trial in sorted(ended, key=lambda pair: (pair[0], pair[1].number)):
        used += trial.seconds
        places[trial.number] = used
    return start, places


def _improvements(pairs: Sequence[tuple[Trial, float]], metric: Metric) -> list[tuple[int, float]]:
    """Return the index and the value of each result that is better than all before it."""
    whole = any(not trial.stopped for trial, _ in pairs)
    found: list[tuple[int, float]] = []
    for index, (trial, value) in enumerate(pairs):
        if (not whole or not trial.stopped) and (not found or metric.sign * value > metric.sign * found[-1][1]):
            found.append((index, value))
    return found


def _best_so_far(improved: Sequence[tuple[Trial, float]], places: dict[int, float]) -> BestSoFar:
    return BestSoFar(
        [trial.number for trial, _ in improved],
        [places[trial.number] for trial, _ in improved],
        [value for _, value in improved],
        max(places.values(), default=0.0),
    )
