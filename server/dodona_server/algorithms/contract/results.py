"""Results of trials as algorithms see them: losses to minimize, and the violation of safety constraints.

All algorithms treat several objectives, safety metrics and infeasible trials in the same way, by Deb's constraint rules
("An efficient constraint handling method for genetic algorithms", 2000): a smaller violation ranks before a larger one,
whatever the losses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.domain.space import MAX_DOUBLE
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Result of a finished trial.

    Args:
        losses: one for each objective, finite, lower is better; empty if the trial has no valid result.
        violation: the sum of the amounts by which safety metrics exceed their thresholds. It is 0 for a safe trial and
            infinite for one without a valid result.
    """

    losses: tuple[float, ...]
    violation: float = 0.0

    @property
    def loss(self) -> float:
        """Sum of the losses, as in KerasTuner; infinite if and only if there is no valid result."""
        return min(max(sum(self.losses), -MAX_DOUBLE), MAX_DOUBLE) if self.losses else math.inf

    @property
    def merit(self) -> tuple[float, float]:
        """Sort key of the trial: the best trial has the least."""
        return self.violation, self.loss


INFEASIBLE = TrialResult((), math.inf)


def with_stopped(
    spec: StudySpec, completed: Sequence[Trial], stopped: Sequence[Trial]
) -> tuple[list[Trial], list[tuple[float, float]]]:
    """Return all these trials in the order in which they finished, and their sort keys.

    The trials that were stopped early come after all that succeeded, and before those without a valid result. Among
    them the one that was stopped latest comes first, then the one with the best value: values at different steps do not
    compare.
    """
    reader = ResultReader(spec)
    if not stopped:
        arrived = by_arrival(completed)
        return arrived, reader.merits(arrived)
    keys = dict(zip([trial.number for trial in completed], reader.merits(completed), strict=True))

    def survival(trial: Trial) -> tuple[float, float, tuple[float, float]]:
        final = trial.final_measurement or Measurement({})
        return -final.step, -final.elapsed_seconds, reader.result(trial).merit

    valid = [trial for trial in stopped if reader.result(trial).losses]
    keys |= dict.fromkeys((trial.number for trial in stopped), INFEASIBLE.merit)
    keys |= {trial.number: (math.inf, float(rank)) for rank, trial in enumerate(sorted(valid, key=survival))}
    arrived = by_arrival([*completed, *stopped])
    return arrived, [keys[trial.number] for trial in arrived]


class ResultReader:
    """Reads the results of a study's trials.

    Args:
        spec: the study's.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._signs = [(metric.id, _sign(metric)) for metric in spec.objectives]
        self._limits = [
            (metric.id, _sign(metric), metric.safety.threshold) for metric in spec.metrics if metric.safety is not None
        ]

    def merits(self, trials: Sequence[Trial]) -> list[tuple[float, float]]:
        """Return the sort key of each trial; see `TrialResult.merit`."""
        if len(self._signs) > 1 or self._limits:
            return [self.result(trial).merit for trial in trials]
        # The common case, without an object for each trial: there may be 100 000.
        ((name, sign),) = self._signs
        merits = []
        for trial in trials:
            measured = trial.final_measurement
            if measured is None or trial.state is not TrialState.SUCCEEDED:
                merits.append(INFEASIBLE.merit)
                continue
            loss = sign * measured.metrics.get(name, math.nan)
            merits.append((0.0, loss) if -MAX_DOUBLE <= loss <= MAX_DOUBLE else INFEASIBLE.merit)
        return merits

    def result(self, trial: Trial) -> TrialResult:
        """Return the trial's result; that of an infeasible trial if a metric is missing, infinite or NaN."""
        if trial.state is not TrialState.SUCCEEDED or trial.final_measurement is None:
            return INFEASIBLE
        metrics = trial.final_measurement.metrics
        violation = 0.0
        try:
            losses = tuple([sign * metrics[name] for name, sign in self._signs])
            for name, sign, threshold in self._limits:
                # In this order: max(0.0, NaN) would be 0.0, as if it were safe.
                violation += max(sign * (metrics[name] - threshold), 0.0)
        except KeyError:
            return INFEASIBLE
        for loss in losses:
            if not -MAX_DOUBLE <= loss <= MAX_DOUBLE:
                return INFEASIBLE
        return TrialResult(losses, violation) if violation == violation else INFEASIBLE


def _sign(metric: Metric) -> float:
    return 1.0 if metric.goal is Goal.MINIMIZE else -1.0


def by_arrival(trials: Sequence[Trial]) -> list[Trial]:
    """Return finished trials in the order in which they finished.

    A history in this order grows only at its end: a slow trial does not change the order of earlier ones.
    """
    return sorted(trials, key=lambda trial: (trial.end_time or 0.0, trial.number))
