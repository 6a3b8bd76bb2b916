"""Rest of a study's budget of time."""

from __future__ import annotations

from dataclasses import dataclass

from dodona_server.domain.studies.budget import Progress, StoppingConfig

# Why a study is completed before its time is over.
TOO_LATE = "no trial is likely to end before the study's time is over (maximumRuntimeConstraint)"


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Rest of a budget of time.

    Args:
        seconds: until the study's time is over; None if only compute or its cost is limited.
    """

    seconds: float | None = None


def seconds_left(stopping: StoppingConfig, progress: Progress, create_time: float, now: float) -> float | None:
    """Return the seconds until the study's time is over, at least 0; None if it has no end that is known.

    The minimums of the budget delay the end. While trials are missing to the least number, nobody knows it.

    Args:
        stopping: the budget.
        progress: the study's.
        create_time: when the study was created, in seconds since the epoch.
        now: the current time, in seconds since the epoch.
    """
    if stopping.maximum_runtime is None or progress.finished < (stopping.min_num_trials or 0):
        return None
    end = stopping.maximum_runtime.end(create_time)
    if stopping.minimum_runtime is not None:
        end = max(end, stopping.minimum_runtime.end(create_time))
    return max(0.0, end - now)


def time_left(stopping: StoppingConfig, progress: Progress, create_time: float, now: float) -> TimeLeft | None:
    """Return the rest of a study's budget of time; None without such a budget.

    The arguments are those of `seconds_left`.
    """
    limits = (stopping.maximum_runtime, stopping.max_compute_duration, stopping.max_cost)
    if all(limit is None for limit in limits):
        return None
    return TimeLeft(seconds_left(stopping, progress, create_time, now))
