"""A trial that this worker runs, for KerasTuner and for the server."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_tuner import HyperParameters, Objective
from keras_tuner.engine.trial import Trial, TrialStatus

import dodona
from dodona.keras._mapping.search_space import Space, filled
from dodona.keras._mapping.stopping import early_end
from dodona.keras._mapping.trials import reason_of, step_of
from dodona.keras._mapping.wire_values import used_values
from dodona.keras._training.reporting import LOST, Reporter
from dodona_schemas.vertex import TrialParameter

logger = logging.getLogger("dodona")

# How long a process that was asked to exit tries to release its trial.
LEAVING_SECONDS = 3.0


class RunningTrial(Trial):  # type: ignore[misc]  # keras_tuner has no types
    """KerasTuner's trial while it runs here; a copy of it is never to be stopped."""

    _reporter: Reporter | None = None

    @property
    def should_stop(self) -> bool:
        """Whether a custom training loop is to end, by the server's last answer; `on_epoch_end` gets one."""
        return self._reporter is not None and self._reporter.should_stop

    def follow(self, reporter: Reporter) -> None:
        """Follow the reporter: `should_stop` is its answer."""
        self._reporter = reporter

    def __getstate__(self) -> dict[str, Any]:
        # The reporter belongs to this process.
        return {**self.__dict__, "_reporter": None}


@dataclass
class ActiveTrial:
    """A trial between `create_trial` and `end_trial`.

    Args:
        handle: the client's trial.
        worker: the id of the worker that runs it.
        objective: the study's objective.
        on_step: called with each step of the trial and its metrics.

    Attributes:
        trial: KerasTuner's trial; its metrics are the tuner's results, never the reports of single epochs.
        reporter: sends the reports of the epochs.
        failures: how many runs of the trial have failed.
        may_resume: whether this run may resume from the backup of an interrupted earlier run.
        trainings: how many trainings this run has begun.

    """

    handle: dodona.Trial
    worker: str
    objective: Objective
    on_step: Callable[[int, Mapping[str, float]], None]
    trial: RunningTrial = field(init=False)
    reporter: Reporter = field(init=False)
    failures: int = 0
    may_resume: bool = False
    trainings: int = 0

    def begin(self, space: HyperParameters) -> None:
        """Start a run with the suggested values; the results of the last run are dropped.

        Args:
            space: the study's hyperparameters.
        """
        values = filled(space, self.handle.parameters)
        self.trial = RunningTrial(values, str(self.handle.number), TrialStatus.RUNNING)
        self.reporter = Reporter(self.handle, self.objective, self.on_step)
        self.trial.follow(self.reporter)
        # A retry after a failure starts from the beginning; and later `last_step` includes this run's own steps.
        self.may_resume = not self.failures and (self.handle.attempt > 1 or self.handle.last_step is not None)
        self.trainings = 0

    def score(self) -> None:
        """Set the score of a completed trial; a trial without a result, or with NaN, becomes INVALID."""
        trial, name = self.trial, self.objective.name
        if not trial.metrics.exists(name):
            trial.status = TrialStatus.INVALID
            trial.message = f"no value was reported for {name}"
            return
        values = {one.step: one.mean() for one in trial.metrics.get_history(name) if not math.isnan(one.mean())}
        if not values:
            trial.status = TrialStatus.INVALID
            trial.message = f"the value of {name} is NaN"
            return
        best = max if self.objective.direction == "max" else min
        trial.best_step = best(values, key=lambda step: values[step])
        trial.score = float(values[trial.best_step])

    def send_result(self, space: Space) -> bool:
        """End the trial on the server with the values it used; return False if it was no longer this worker's.

        Args:
            space: the study's space, with the hyperparameters that the trial has found.

        Raises:
            ServerUnreachable: the server does not answer.
            ApiError: the server refused.
        """
        trial, handle = self.trial, self.handle
        end = None
        if handle.state == "STOPPING":
            end = early_end(self.reporter.steps[1], self.reporter.planned, handle.stopping_reason)
        try:
            if not self.reporter.lost:
                used = used_values(space, trial.hyperparameters, handle.parameters)
                self._end(used, trained_fully=end is None)
        except LOST as error:
            logger.warning("the result of trial %d was refused, continuing with the next: %s", handle.number, error)
            self.reporter.lost = True
        if self.reporter.lost:
            trial.status, trial.message = TrialStatus.FAILED, "it was no longer this worker's"
        elif trial.status == TrialStatus.COMPLETED and handle.state == "INFEASIBLE":
            trial.status, trial.message = TrialStatus.FAILED, f"{self.objective.name} is {trial.score}"
        elif trial.status == TrialStatus.COMPLETED and end is not None:
            trial.status, trial.message = TrialStatus.STOPPED, str(end)
        return not self.reporter.lost

    def _end(self, used: list[TrialParameter] | None, *, trained_fully: bool) -> None:
        try:
            if self.trial.status == TrialStatus.COMPLETED:
                step = step_of(self.trial.best_step)
                self.handle.complete(self._final_metrics(), step, used, trained_fully=trained_fully)
            else:
                self.handle.fail(reason_of(self.trial), used)
        except dodona.InvalidArgument as error:
            if used is None:
                raise
            # The result matters more than the further values.
            logger.warning("the values that trial %d used were refused: %s", self.handle.number, error)
            self._end(None, trained_fully=trained_fully)

    def hand_back(self) -> bool:
        """Release the trial for any worker; return whether the server accepted it in the time that is left."""
        try:
            self.handle.release(LEAVING_SECONDS)
        except dodona.DodonaError as error:
            logger.warning("trial %d could not be released: %s", self.handle.number, error)
            return False
        return True

    def _final_metrics(self) -> dict[str, float]:
        """Return the metrics of the trial's best step only: those of other steps belong to another model."""
        metrics, best = self.trial.metrics, self.trial.best_step
        measured = [(name, one) for name in metrics.metrics for one in metrics.get_history(name) if one.step == best]
        return {name: float(one.mean()) for name, one in measured}
