"""A figure of time: which worker held which trial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dodona_figures.records import Attempt, Outcome, Study, Trial


@dataclass(frozen=True, slots=True)
class Bar:
    """A worker held a trial from `start` to `end`; `outcome` is how that ended: "lost" is a lost lease."""

    worker: str
    number: int
    attempt: int
    start: float
    end: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class WorkerTime:
    """Time of a worker in seconds, between its first trial and its last one: with a trial, and idle.

    Args:
        name: the worker's.
        start: when its first trial began.
        end: when its last one ended; the figure's end if it runs.
        busy: how long it held trials; two at once count once.
        idle: the rest.
        trials: how many attempts it made.
        lost: how many of them were lost.
    """

    name: str
    start: float
    end: float
    busy: float
    idle: float
    trials: int
    lost: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Timeline of which worker held which trial; times are in seconds since the epoch.

    Args:
        study: its name.
        start: when the first attempt began; None if there is none.
        end: when the last one ended, or the present time if one runs.
        workers: by their first trial.
        bars: by their start.
        total: how many attempts there are; `bars` may be the latest of them.
    """

    study: str
    start: float | None
    end: float | None
    workers: list[WorkerTime]
    bars: list[Bar]
    total: int


def timeline(study: Study, now: float, most: int | None = None) -> Timeline:
    """Return which worker held which trial.

    Args:
        study: with its trials, and their attempts if they are known.
        now: the present time, up to which running trials are shown.
        most: how many bars to return at most, the latest ones; None for all.
    """
    bars = sorted((bar for trial in study.trials for bar in _bars(trial, now)), key=lambda bar: (bar.start, bar.number))
    by_worker: dict[str, list[Bar]] = {}
    for bar in bars:
        by_worker.setdefault(bar.worker, []).append(bar)
    return Timeline(
        study=study.name,
        start=bars[0].start if bars else None,
        end=max((bar.end for bar in bars), default=None),
        workers=[_time_of(name, its_bars) for name, its_bars in by_worker.items()],
        bars=bars if most is None else bars[-most:],
        total=len(bars),
    )


def _bars(trial: Trial, now: float) -> Iterable[Bar]:
    for count, attempt in enumerate(trial.attempts or _only_attempt(trial), 1):
        end = now if attempt.end is None else attempt.end
        yield Bar(attempt.worker, trial.number, count, attempt.start, max(end, attempt.start), attempt.outcome)


def _only_attempt(trial: Trial) -> list[Attempt]:
    mark = trial.mark
    if trial.start is None or mark == "queued":
        return []
    return [Attempt(trial.worker, trial.start, trial.end, mark)]


def _time_of(name: str, bars: list[Bar]) -> WorkerTime:
    busy, reached = 0.0, bars[0].start
    for bar in bars:
        busy += max(0.0, bar.end - max(bar.start, reached))
        reached = max(reached, bar.end)
    lost = sum(bar.outcome == "lost" for bar in bars)
    whole = reached - bars[0].start
    return WorkerTime(name, bars[0].start, reached, busy, whole - busy, len(bars), lost)
