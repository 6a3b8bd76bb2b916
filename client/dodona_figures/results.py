"""Figures of results: history, distribution, and several studies beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dodona_figures.records import Goal, Mark, Metric, Study, Trial, Value
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
    """The best value so far: each entry is an improvement, by the trial `numbers`; the last one holds up to `end`."""

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
    """The results of trials, and the best so far.

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


@dataclass(frozen=True, slots=True)
class Distribution:
    """The share `y` of a study's trials whose value is at most `x`."""

    study: str
    x: list[float]
    y: list[float]


@dataclass(frozen=True, slots=True)
class Edf:
    """The empirical distribution function of the results of one or more studies."""

    metric: str
    goal: Goal
    lines: list[Distribution]


def edf(studies: Sequence[Study], metric: str | None = None, most: int | None = None) -> Edf:
    """Return the empirical distribution function of the results of each study, without trials stopped early.

    Args:
        studies: at least one.
        metric: the metric's name; None for the objective of the first study.
        most: how many points a line may have; None for all.

    Raises:
        ValueError: a study has no such metric.
    """
    chosen = studies[0].metric(metric)
    lines = []
    for study in studies:
        values = sorted(value for _, value in study.results(study.metric(chosen.name)))
        kept = list(range(len(values))) if most is None else thin(len(values), set(), most)
        lines.append(
            Distribution(study.name, [values[index] for index in kept], [(index + 1) / len(values) for index in kept])
        )
    return Edf(chosen.name, chosen.goal, lines)


@dataclass(frozen=True, slots=True)
class Compared:
    """One of several studies: its best so far, its best trial, and how many trials it has.

    `seconds` is the compute time of all its trials. `parameters` are those of the best trial.
    """

    study: str
    best: BestSoFar
    number: int | None
    value: float | None
    parameters: dict[str, Value]
    trials: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Shared:
    """A parameter that several studies have, with its value in the best trial of each; None where it is not active."""

    name: str
    values: list[Value | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best so far of several studies; x as in `History`, from the start of each study."""

    metric: str
    goal: Goal
    by: By
    x_title: str
    x_unit: str
    studies: list[Compared]
    parameters: list[Shared]


def compare(studies: Sequence[Study], metric: str | None = None, by: By = "trial") -> Comparison:
    """Return several studies beside each other: the best so far of each, and the parameters that they share.

    Args:
        studies: at least one.
        metric: the metric's name; None for the objective of the first study.
        by: what the x axis is.

    Raises:
        ValueError: a study has no such metric.
    """
    chosen = studies[0].metric(metric)
    found = [_compared(study, study.metric(chosen.name), by) for study in studies]
    having = Counter(name for study in studies for name in study.parameter_names)
    shared = [name for name, count in having.items() if count > 1 or len(studies) == 1]
    return Comparison(
        metric=chosen.name,
        goal=chosen.goal,
        by=by,
        x_title=TITLES[by],
        x_unit="" if by == "trial" else "s",
        studies=found,
        parameters=[Shared(name, [one.parameters.get(name) for one in found]) for name in shared],
    )


def _compared(study: Study, metric: Metric, by: By) -> Compared:
    line = history(study, metric.name, by, most=4)
    best = study.best(metric)
    return Compared(
        study.name,
        line.best,
        None if best is None else best.number,
        None if best is None else best.value(metric),
        {} if best is None else dict(best.parameters),
        len(study.trials),
        sum(trial.seconds for trial in study.trials),
    )
