"""Studies: the search space, the metrics, the settings of the search, and its progress."""

from __future__ import annotations

import dataclasses
import enum
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dodona_server.domain.errors import Field, InvalidArgument, inside
from dodona_server.domain.hint import Hint
from dodona_server.domain.names import StudyName
from dodona_server.domain.prior_study import PriorStudy
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.stopping_rule import StoppingRule

MAX_METRICS = 16
MAX_METRIC_NAME_LENGTH = 256
MAX_PRIOR_STUDIES = 16
DEFAULT_MAX_ATTEMPTS = 3
MAX_MAX_ATTEMPTS = 1000
MAX_WANTED_WORKERS = 100_000

Option = bool | int | float | str


class Goal(enum.StrEnum):
    """The direction of a metric."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"


class StudyState(enum.StrEnum):
    """ACTIVE studies suggest trials, INACTIVE ones are paused, COMPLETED ones have nothing left to suggest."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    COMPLETED = "COMPLETED"


class Selection(enum.StrEnum):
    """Which measurement becomes the final one, if a trial is completed without one."""

    LAST = "LAST"
    BEST = "BEST"


class Noise(enum.StrEnum):
    """How much two measurements of the same parameters may differ."""

    UNSPECIFIED = "UNSPECIFIED"
    LOW = "LOW"
    HIGH = "HIGH"


@dataclass(frozen=True, slots=True)
class Safety:
    """A safety constraint on a metric: values worse than the threshold are unsafe."""

    threshold: float
    desired_min_safe_trials_fraction: float | None = None

    def __post_init__(self) -> None:
        fraction = self.desired_min_safe_trials_fraction
        if not math.isfinite(self.threshold):
            raise InvalidArgument(f"{self.threshold!r} is not a finite number", "safety_threshold")
        if fraction is not None and not 0 <= fraction <= 1:
            raise InvalidArgument(f"{fraction!r} is not from 0 to 1", "desired_min_safe_trials_fraction")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that the study optimizes."""

    id: str
    goal: Goal
    safety: Safety | None = None

    def is_better(self, one: float, other: float) -> bool:
        """Return whether the value `one` is better than the value `other`."""
        return one > other if self.goal is Goal.MAXIMIZE else one < other

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidArgument("is empty; every metric needs a name", "metric_id")
        if len(self.id) > MAX_METRIC_NAME_LENGTH:
            raise InvalidArgument(f"{len(self.id)} characters; {MAX_METRIC_NAME_LENGTH} are allowed", "metric_id")


@dataclass(frozen=True, slots=True)
class TimeConstraint:
    """Either a duration in seconds or an end time in seconds since the epoch, never both."""

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
    """What a study has used, and what is to be expected of the rest.

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
        """Return what the compute costs; None without a price."""
        return None if price_per_hour is None else self.compute_seconds / 3600 * price_per_hour


@dataclass(frozen=True, slots=True)
class StoppingConfig:
    """The budget of a study: the study ends at the first maximum reached, but not before all minimums.

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


@dataclass(frozen=True, slots=True)
class StudySpec:
    """The search space, the metrics, and the settings of the search.

    `algorithm_options` are options of the algorithm. `prior_studies` names the studies to learn from; with
    `auto_prior_studies` the server finds them, and `found_prior_studies` names those that it found. A trial becomes
    infeasible when `max_attempts` attempts at it were lost. `hints` are by the parameters' names.
    """

    metrics: tuple[Metric, ...]
    space: SearchSpace
    algorithm: str = "ALGORITHM_UNSPECIFIED"
    noise: Noise = Noise.UNSPECIFIED
    selection: Selection = Selection.LAST
    stopping: StoppingConfig = StoppingConfig()
    stopping_rule: StoppingRule | None = None
    algorithm_options: Mapping[str, Option] = field(default_factory=dict)
    prior_studies: tuple[str, ...] = ()
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    hints: Mapping[str, Hint] = field(default_factory=dict)
    auto_prior_studies: bool = False
    # They depend on when the study was created, so two specs may differ in them and still ask for the same.
    found_prior_studies: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= MAX_MAX_ATTEMPTS:
            raise InvalidArgument(f"{self.max_attempts} is not from 1 to {MAX_MAX_ATTEMPTS}", "max_attempts")
        if len(self.prior_studies) > MAX_PRIOR_STUDIES:
            raise InvalidArgument(
                f"{len(self.prior_studies)} studies; {MAX_PRIOR_STUDIES} are allowed", "prior_studies"
            )
        if not self.metrics:
            raise InvalidArgument("is empty; a study needs at least one metric", "metrics")
        if len(self.metrics) > MAX_METRICS:
            raise InvalidArgument(f"{len(self.metrics)} metrics; {MAX_METRICS} are allowed", "metrics")
        ids = [metric.id for metric in self.metrics]
        for index, metric_id in enumerate(ids):
            if metric_id in ids[:index]:
                with inside(f"metrics[{index}]"):
                    raise InvalidArgument(f"{metric_id!r} appears twice", "metric_id")

    @property
    def objective(self) -> Metric:
        """The first metric, which ranks trials where a single number is needed."""
        return self.metrics[0]

    @property
    def learns_from(self) -> tuple[str, ...]:
        """The names of the earlier studies that the algorithm learns from."""
        return self.found_prior_studies if self.auto_prior_studies else self.prior_studies

    @property
    def stops_trials(self) -> bool:
        """Whether its stopping rule stops trials: not with several objectives, which studies of old servers have."""
        return self.stopping_rule is not None and len(self.objectives) == 1

    @property
    def foretells(self) -> bool:
        """Whether its stopping rule stops trials by the model of the study's curves."""
        return self.stops_trials and self.stopping_rule is not None and self.stopping_rule.foretells

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """The metrics to optimize: all that are not safety constraints; if all are constraints, all."""
        return tuple(metric for metric in self.metrics if metric.safety is None) or self.metrics


@dataclass(frozen=True, slots=True)
class Progress:
    """What a study's budget depends on, besides the number of trials.

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

    def after(self, spec: StudySpec, objective: float | None, now: float, *, stopped: bool = False) -> Progress:
        """Return the progress after one more finished trial.

        Args:
            spec: the study's.
            objective: the trial's value of the first metric; None if it is infeasible.
            now: the time, in seconds since the epoch.
            stopped: whether it was stopped early; such a trial never is the best.
        """
        failed = self.failed + (objective is None)
        if (
            not stopped
            and objective is not None
            and (self.best is None or spec.objective.is_better(objective, self.best))
        ):
            return Progress(self.finished + 1, failed, objective, now, 0)
        return Progress(self.finished + 1, failed, self.best, self.best_time, self.since_best + 1)


class Version(NamedTuple):
    """See `Study.version`."""

    create_time: float
    revision: int
    deleted_trials: int


@dataclass(frozen=True, slots=True)
class Study:
    """A study and how far it has come.

    `key` is its number in the database. Times are in seconds since the epoch. `revision` grows with each change of
    `spec`. `position` counts the suggestions of its algorithm, `algorithm_failures` the failures since the last one.
    `inactive_reason` says why the study is INACTIVE, or why it was completed. An archived study is left out of lists.
    `wanted_workers` is how many workers people want it to have; None leaves it to those who start workers.
    `prior_studies` is known of a study that is read alone.
    """

    key: int
    name: StudyName
    display_name: str
    spec: StudySpec
    seed: int
    state: StudyState
    create_time: float
    inactive_reason: str
    next_trial_number: int
    trial_count: int
    revision: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    position: int = 0
    algorithm_failures: int = 0
    progress: Progress = field(default_factory=lambda: Progress())
    archive_time: float | None = None
    wanted_workers: int | None = None
    prior_studies: tuple[PriorStudy, ...] = ()

    def in_state(self, state: StudyState, reason: str = "") -> Study:
        """Return the study in that state; the reason says why it is INACTIVE or COMPLETED."""
        return dataclasses.replace(self, state=state, inactive_reason=reason)

    @property
    def rng(self) -> random.Random:
        """The random generator for the next suggestions, derived from the seed and the next trial's number alone.

        So every server makes the same suggestions from the same history.
        """
        return random.Random(f"{self.seed}/{self.next_trial_number}")  # noqa: S311 - a search needs no secrets

    @property
    def has_grown(self) -> bool:
        """Whether its search space has grown since it was created."""
        return self.revision > 1

    @property
    def version(self) -> Version:
        """A value that changes when computed suggestions become invalid.

        It changes when the spec changes and when a trial or the study is deleted: keys and names may be reused.
        """
        return Version(self.create_time, self.revision, self.next_trial_number - 1 - self.trial_count)

    @property
    def remaining_trials(self) -> int | None:
        """The number of trials that the budget still allows; None without a limit."""
        limit = self.spec.stopping.max_num_trials
        return None if limit is None else max(0, limit - self.trial_count)
