"""Budget of a study: its limits, and what it has used of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from dodona_server.domain.errors import Field, InvalidArgument


@dataclass(frozen=True, slots=True)
class TimeConstraint:
    """Duration in seconds, or end time in seconds since the epoch; never both."""

    max_duration: float | None = None
    end_time: float | None = None

    def __post_init__(self) -> None:
        if (self.max_duration is None) == (self.end_time is None):
            raise InvalidArgument(("needs exactly one of ", Field("max_duration"), " and ", Field("end_time")))
        if self.max_duration is not None and self.max_duration < 0:
            raise InvalidArgument(f"{self.max_duration!r} is below 0", "max_duration")

    def end(self, start: float) -> float:
        """Return the end time for a study created at `start`; both in seconds since the epoch."""
        if self.end_time is not None:
            return self.end_time
        return start + (self.max_duration or 0.0)


@dataclass(frozen=True, slots=True)
class Usage:
    """Use of a study's budget, and the forecast for the rest.

    Args:
        finished: the number of finished trials.
        compute_seconds: the time in which workers ran trials, times their GPUs.
        left: how many more trials its budget allows at the present pace; None without a limit.
        chance: the chance that these bring a clear improvement, from 0 to 1; None while nobody knows.
    """

    finished: int = 0
    compute_seconds: float = 0.0
    left: int | None = None
    chance: float | None = None

    def cost(self, price_per_hour: float | None) -> float | None:
        """Return the cost of the compute; None without a price."""
        return None if price_per_hour is None else self.compute_seconds / 3600 * price_per_hour


@dataclass(frozen=True, slots=True)
class Progress:
    """Facts on which a study's budget depends, besides the number of trials.

    Args:
        finished: the number of finished trials.
        failed: the number of infeasible trials among them.
        best: the best value of the first metric.
        best_time: when it was reached, in seconds since the epoch.
        since_best: the number of trials finished since then.
    """

    finished: int = 0
    failed: int = 0
    best: float | None = None
    best_time: float | None = None
    since_best: int = 0

    def after(
        self, objective: float | None, now: float, is_better: Callable[[float, float], bool], *, stopped: bool = False
    ) -> Progress:
        """Return the progress after one more finished trial.

        Args:
            objective: the trial's value of the first metric; None if it is infeasible.
            now: the time, in seconds since the epoch.
            is_better: whether a value of the first metric is better than another one.
            stopped: whether it was stopped early; such a trial never is the best.
        """
        failed = self.failed + (objective is None)
        if not stopped and objective is not None and (self.best is None or is_better(objective, self.best)):
            return Progress(self.finished + 1, failed, objective, now, 0)
        return Progress(self.finished + 1, failed, self.best, self.best_time, self.since_best + 1)


@dataclass(frozen=True, slots=True)
class StoppingConfig:
    """Budget of a study: the study ends at the first maximum reached, but not before all minimums.

    `max_num_trials` holds whatever the minimums are. With `should_stop_asap`, running trials are asked to stop too.
    Compute is the time in which workers run trials, times their GPUs, in seconds; `price_per_hour` is its price. The
    study ends when the chance of a clear improvement is below `improvement_unlikely`.
    """

    should_stop_asap: bool | None = None
    minimum_runtime: TimeConstraint | None = None
    maximum_runtime: TimeConstraint | None = None
    min_num_trials: int | None = None
    max_num_trials: int | None = None
    max_num_trials_no_progress: int | None = None
    max_duration_no_progress: float | None = None
    max_failed_trials: int | None = None
    max_compute_duration: float | None = None
    max_cost: float | None = None
    price_per_hour: float | None = None
    improvement_unlikely: float | None = None

    def __post_init__(self) -> None:
        for name in ("min_num_trials", "max_num_trials", "max_num_trials_no_progress", "max_failed_trials"):
            count = getattr(self, name)
            if count is not None and not 0 <= count < 2**31:
                raise InvalidArgument(f"{count} is not from 0 to 2147483647", name)
        if self.max_num_trials == 0:
            raise InvalidArgument("is 0; leave it out for a study without a limit", "max_num_trials")
        if self.max_duration_no_progress is not None and self.max_duration_no_progress < 0:
            raise InvalidArgument(f"{self.max_duration_no_progress!r} is below 0", "max_duration_no_progress")
        for name in ("max_compute_duration", "max_cost", "price_per_hour"):
            amount = getattr(self, name)
            if amount is not None and not 0 < amount < math.inf:
                raise InvalidArgument(f"{amount!r} is not above 0", name)
        if self.max_cost is not None and self.price_per_hour is None:
            raise InvalidArgument(("needs ", Field("price_per_hour"), ", the price of an hour of compute"), "max_cost")
        if self.improvement_unlikely is not None and not 0 < self.improvement_unlikely < 1:
            raise InvalidArgument(f"{self.improvement_unlikely!r} is not above 0 and below 1", "improvement_unlikely")

    @property
    def needs_usage(self) -> bool:
        """Whether the budget depends on what the study has used."""
        return (self.max_compute_duration, self.max_cost, self.improvement_unlikely) != (None, None, None)

    @property
    def needs_progress(self) -> bool:
        """Whether the budget depends on the study's progress."""
        limits = (self.min_num_trials, self.max_failed_trials, self.max_num_trials_no_progress)
        others = self.needs_usage or self.max_duration_no_progress is not None
        return others or any(limit is not None for limit in limits)

    def reached(self, progress: Progress, create_time: float, now: float, usage: Usage) -> str:
        """Return which limit other than the number of trials is reached, as text; empty for none.

        Args:
            progress: the study's.
            create_time: when the study was created, in seconds since the epoch.
            now: the current time, in seconds since the epoch.
            usage: what the study has used; anything unless `needs_usage`.
        """
        if self.minimum_runtime is not None and now < self.minimum_runtime.end(create_time):
            return ""
        if progress.finished < (self.min_num_trials or 0):
            return ""
        if self.maximum_runtime is not None and now >= self.maximum_runtime.end(create_time):
            return "the study's time is over (maximumRuntimeConstraint)"
        if self.max_failed_trials is not None and progress.failed >= max(1, self.max_failed_trials):
            return f"{progress.failed} trials are infeasible (maxFailedTrials)"
        if self.max_num_trials_no_progress and progress.since_best >= self.max_num_trials_no_progress:
            return f"{progress.since_best} trials brought nothing better (maxNumTrialsNoProgress)"
        idle = now - (progress.best_time or create_time)
        if self.max_duration_no_progress is not None and idle >= self.max_duration_no_progress:
            return f"nothing better was found in {idle:.0f} s (maxDurationNoProgress)"
        if self.max_compute_duration is not None and usage.compute_seconds >= self.max_compute_duration:
            return f"{usage.compute_seconds / 3600:.2f} hours of compute are used (maxComputeDuration)"
        cost = usage.cost(self.price_per_hour)
        if self.max_cost is not None and cost is not None and cost >= self.max_cost:
            return f"{cost:.2f} are spent (maxCost)"
        unlikely = self.improvement_unlikely
        if unlikely is not None and usage.chance is not None and usage.chance < unlikely:
            return f"the chance of a clear improvement is {usage.chance:.1%} (improvementUnlikely)"
        return ""

    def check_time(self, progress: Progress, create_time: float) -> float | None:
        """Return when the study may next end without a new trial, in seconds since the epoch; None for never."""
        ends = []
        if self.maximum_runtime is not None:
            ends.append(self.maximum_runtime.end(create_time))
        if self.max_duration_no_progress is not None:
            ends.append((progress.best_time or create_time) + self.max_duration_no_progress)
        if not ends:
            return None
        earliest = 0.0 if self.minimum_runtime is None else self.minimum_runtime.end(create_time)
        return max(min(ends), earliest)
