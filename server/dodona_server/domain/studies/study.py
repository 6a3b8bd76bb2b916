"""Studies: the search space, the metrics, the settings of the search, and its progress."""

from __future__ import annotations

import dataclasses
import enum
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.names import StudyName
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.budget import Progress, StoppingConfig
from dodona_server.domain.studies.hint import Hint
from dodona_server.domain.studies.prior_study import PriorStudy
from dodona_server.domain.studies.stopping_rule import StoppingRule

MAX_METRICS = 16
MAX_METRIC_NAME_LENGTH = 256
MAX_PRIOR_STUDIES = 16
DEFAULT_MAX_ATTEMPTS = 3
MAX_MAX_ATTEMPTS = 1000
MAX_WANTED_WORKERS = 100_000

Option = bool | int | float | str


class Goal(enum.StrEnum):
    """Direction of a metric."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"


class StudyState(enum.StrEnum):
    """ACTIVE studies suggest trials, INACTIVE ones are paused, COMPLETED ones have nothing left to suggest."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    COMPLETED = "COMPLETED"


class Selection(enum.StrEnum):
    """Choice of the final measurement, if a trial is completed without one."""

    LAST = "LAST"
    BEST = "BEST"


class Noise(enum.StrEnum):
    """Noise of measurements: how much two of the same parameters may differ."""

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
class StudySpec:
    """Search space, metrics, and settings of the search.

    `algorithm_options` are options of the algorithm. `prior_studies` names the studies to learn from; with
    `auto_prior_studies` the server finds them, and `found_prior_studies` names those that it found. A trial becomes
    infeasible when `max_attempts` attempts at it were lost. `hints` are by the parameters' names.
    """

    metrics: tuple[Metric, ...]
    space: SearchSpace
    algorithm: str = "ALGORITHM_UNSPECIFIED"
    noise: Noise = Noise.UNSPECIFIED
    selection: Selection = Selection.LAST
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
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
        """First metric, which ranks trials where a single number is needed."""
        return self.metrics[0]

    @property
    def learns_from(self) -> tuple[str, ...]:
        """Names of the earlier studies that the algorithm learns from."""
        return self.found_prior_studies if self.auto_prior_studies else self.prior_studies

    @property
    def stops_trials(self) -> bool:
        """Whether its stopping rule stops trials: not with several objectives, which studies of old servers have."""
        return self.stopping_rule is not None and len(self.objectives) == 1

    @property
    def uses_curve_model(self) -> bool:
        """Whether its stopping rule stops trials by the model of the study's curves."""
        return self.stops_trials and self.stopping_rule is not None and self.stopping_rule.uses_curve_model

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """Metrics to optimize: all that are not safety constraints; if all are constraints, all."""
        return tuple(metric for metric in self.metrics if metric.safety is None) or self.metrics


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
    progress: Progress = field(default_factory=Progress)
    archive_time: float | None = None
    wanted_workers: int | None = None
    prior_studies: tuple[PriorStudy, ...] = ()

    def in_state(self, state: StudyState, reason: str = "") -> Study:
        """Return the study in that state; the reason says why it is INACTIVE or COMPLETED."""
        return dataclasses.replace(self, state=state, inactive_reason=reason)

    @property
    def rng(self) -> random.Random:
        """Random generator for the next suggestions, derived from the seed and the next trial's number alone.

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
        """Number of trials that the budget still allows; None without a limit."""
        limit = self.spec.stopping.max_num_trials
        return None if limit is None else max(0, limit - self.trial_count)
