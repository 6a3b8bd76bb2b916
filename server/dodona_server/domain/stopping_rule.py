"""Stopping rules: when the server asks a trial to stop early."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument

LEAST_REDUCTION_FACTOR = 2.0
LEAST_PATIENCE = 1.0


class StoppingMethod(enum.StrEnum):
    """How a stopping rule decides.

    DECAY_CURVE: by the curve's expected end; CONVEX: by a model of all curves. Neither stops trials yet.
    MEDIAN: by the median of the other trials. ASHA: by the trial's rank at each rung. NO_PROGRESS: by the trial alone.
    """

    DECAY_CURVE = "DECAY_CURVE"
    MEDIAN = "MEDIAN"
    CONVEX = "CONVEX"
    ASHA = "ASHA"
    NO_PROGRESS = "NO_PROGRESS"


ACTING = frozenset({StoppingMethod.MEDIAN, StoppingMethod.ASHA, StoppingMethod.NO_PROGRESS})


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """A rule for stopping trials early.

    A position on a curve is a step, or a number of seconds with `use_elapsed_time`.

    Args:
        method: how it decides.
        use_elapsed_time: whether it compares curves by the elapsed time instead of the steps.
        max_steps: the steps of a whole training. This and the next four are of CONVEX only.
        min_steps: no trial stops before this step.
        min_measurements: no trial stops before it has this many measurements.
        learning_rate_parameter: the name of the parameter that is the learning rate.
        update_stopped_trials: whether stopped trials are judged again.
        min_resource: the position of the first rung. This and the next two are of ASHA only.
        max_resource: all rungs are below this position; None for no limit.
        reduction_factor: one in this many trials goes on at a rung; each rung is this many times the one before.
        patience: how many positions a trial may go on without improvement; of NO_PROGRESS, as the next one.
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

    @property
    def acts(self) -> bool:
        """Whether the server stops trials by it."""
        return self.method in ACTING
