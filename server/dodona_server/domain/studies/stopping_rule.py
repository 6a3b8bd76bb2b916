"""Stopping rules: when the server asks a trial to stop early."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument

LEAST_REDUCTION_FACTOR = 2.0
LEAST_PATIENCE = 1.0
MOST_MEASUREMENTS = 1000


class StoppingMethod(enum.StrEnum):
    """Method of a stopping rule.

    AUTOMATIC: the server's best. DECAY_CURVE: by the curve's expected end. MEDIAN: by the median of the other trials.
    CONVEX: by an overestimate of the curve's end. ASHA: by the trial's rank at each rung. NO_PROGRESS: by the trial
    alone.
    """

    AUTOMATIC = "AUTOMATIC"
    DECAY_CURVE = "DECAY_CURVE"
    MEDIAN = "MEDIAN"
    CONVEX = "CONVEX"
    ASHA = "ASHA"
    NO_PROGRESS = "NO_PROGRESS"


PREDICTING = frozenset({StoppingMethod.AUTOMATIC, StoppingMethod.DECAY_CURVE})


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """A rule for stopping trials early.

    A position on a curve is a step, or a number of seconds with `use_elapsed_time`.

    Args:
        method: how it decides.
        use_elapsed_time: whether it compares curves by the elapsed time instead of the steps.
        max_steps: the last position of a whole training; None to learn it from the completed trials. This and the next
            four are of CONVEX only.
        min_steps: no trial stops up to this position; None for a tenth of the last one.
        min_measurements: no trial stops before it has this many measurements, and there is one more completed trial.
        learning_rate_parameter: the name of the parameter that is the learning rate; it helps the predictions.
        update_stopped_trials: whether the predictions of all stopped trials are renewed by the latest model.
        min_resource: the position of the first rung. This and the next two are of ASHA only.
        max_resource: all rungs are below this position; None for no limit.
        reduction_factor: one in this many trials continues at a rung; each rung is this many times the one before.
        patience: how many positions a trial may continue without improvement; of NO_PROGRESS, as the next one.
        least_improvement: smaller improvements of the objective do not count.
    """

    method: StoppingMethod
    use_elapsed_time: bool = False
    max_steps: int | None = None
    min_steps: int | None = None
    min_measurements: int | None = None
    learning_rate_parameter: str | None = None
    update_stopped_trials: bool | None = None
    min_resource: float = 1.0
    max_resource: float | None = None
    reduction_factor: float = 3.0
    patience: float = LEAST_PATIENCE
    least_improvement: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.min_resource < math.inf:
            raise InvalidArgument(f"{self.min_resource!r} is not a finite number above 0", "min_resource")
        if self.max_resource is not None and not self.min_resource <= self.max_resource < math.inf:
            problem = f"{self.min_resource!r} is above the maximum, {self.max_resource!r}"
            raise InvalidArgument(problem, "min_resource")
        if not LEAST_REDUCTION_FACTOR <= self.reduction_factor < math.inf:
            problem = f"{self.reduction_factor!r} is not a finite number from {LEAST_REDUCTION_FACTOR:g} on"
            raise InvalidArgument(problem, "reduction_factor")
        if not LEAST_PATIENCE <= self.patience < math.inf:
            raise InvalidArgument(f"{self.patience!r} is not a finite number from {LEAST_PATIENCE:g} on", "patience")
        if not 0 <= self.least_improvement < math.inf:
            problem = f"{self.least_improvement!r} is not a finite number from 0 on"
            raise InvalidArgument(problem, "least_improvement")

    def check_figures(self) -> None:
        """Refuse figures of CONVEX that cannot be; stored rules of older servers may have them.

        Raises:
            InvalidArgument: a number is out of range, or the minimum is above the maximum.
        """
        if self.max_steps is not None and self.max_steps < 1:
            raise InvalidArgument(f"{self.max_steps} is below 1", "max_step_count")
        if self.min_steps is not None and self.min_steps < 0:
            raise InvalidArgument(f"{self.min_steps} is below 0", "min_step_count")
        if self.min_steps is not None and self.max_steps is not None and self.min_steps >= self.max_steps:
            raise InvalidArgument(f"{self.min_steps} is not below the maximum, {self.max_steps}", "min_step_count")
        if self.min_measurements is not None and not 1 <= self.min_measurements <= MOST_MEASUREMENTS:
            raise InvalidArgument(
                f"{self.min_measurements} is not from 1 to {MOST_MEASUREMENTS}", "min_measurement_count"
            )

    @property
    def uses_curve_model(self) -> bool:
        """Whether it needs the model of the study's curves."""
        return self.method in PREDICTING
