"""Reports of a running trial: each epoch's metrics to the server, and its stop request back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras_tuner import Objective

import dodona
from dodona._text import sendable
from dodona.keras._errors import outages_end_the_search
from dodona.keras._mapping.epochs import set_epochs
from dodona.keras._mapping.metrics import numbers
from dodona.keras._mapping.objective import score
from dodona.keras._mapping.results import is_better
from dodona_schemas.vertex.fields import MAX_CHECKPOINT_LENGTH

logger = logging.getLogger("dodona")

# The trial is no longer this worker's: handed on, deleted, or ended by another client.
LOST = (dodona.Aborted, dodona.NotFound, dodona.FailedPrecondition)


class Reporter:
    """Reports of one trial, however it is trained.

    Each epoch counts once, whether it comes from a callback in `fit` or from a custom loop that calls the tuner's
    `on_epoch_end`. Steps count the epochs of the whole trial: further executions continue the count.

    Args:
        trial: the client's trial.
        objective: the study's objective; the sum of several objectives is reported too.
        on_step: called with each step and its metrics.

    Attributes:
        fitting: whether a callback in `fit` reports now, so that the hook must not.
        lost: whether the trial is no longer this worker's.
        best: the metrics of the epoch with the best objective so far, and the epoch, from 0 on; None before one.
        planned: how many epochs `fit` would train in all executions; None if unknown.
        checkpoint: where to resume the trial, for the next report; None without one.
        execution: which training of the trial reports, from 0 on.
        epochs: the epochs of this execution so far, from 0 on, with their metrics.
        seen: the names of all metrics so far.

    """

    def __init__(
        self, trial: dodona.Trial, objective: Objective, on_step: Callable[[int, Mapping[str, float]], None]
    ) -> None:
        self.fitting = False
        self.lost = False
        self.best: tuple[dict[str, float], int] | None = None
        self.planned: int | None = None
        self.checkpoint: str | None = None
        self.execution = 0
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.seen: set[str] = set()
        self._trial = trial
        self._objective = objective
        self._on_step = on_step
        self._base = 0
        self._last_step = 0
        self._warned = False

    @property
    def should_stop(self) -> bool:
        """Whether to end the training, by the server's last answer."""
        return self.lost or self._trial.should_stop

    @property
    def steps(self) -> tuple[int, int]:
        """Step before the first epoch of this execution, and the last step: the arguments of `continue_from`."""
        return self._base, self._last_step

    def continue_from(self, base: int, last_step: int) -> None:
        """Continue the count of steps from there."""
        self._base, self._last_step = base, last_step

    def epoch(self, epoch: int, logs: Mapping[str, Any] | None) -> None:
        """Report an epoch.

        Args:
            epoch: from 0 on, as Keras counts.
            logs: the epoch's metrics; `numbers` says which count.

        Raises:
            SearchInterrupted: the server does not answer.
        """
        metrics = numbers(logs or {})
        if (value := score(self._objective, metrics)) is not None:
            metrics[self._objective.name] = value
        self._record(metrics, int(epoch))
        step = self._step(int(epoch))
        self._on_step(step, metrics)
        if not metrics or self.lost:
            return
        try:
            with outages_end_the_search():
                self._trial.report(metrics, step, _place(self.checkpoint), self.execution)
        except LOST as error:
            self.lost = True
            logger.warning(
                "trial %d is no longer this worker's, continuing with the next: %s", self._trial.number, error
            )
        except dodona.ApiError as error:
            # Training matters more than one of its reports.
            if not self._warned:
                logger.warning("the metrics of trial %d were refused: %s", self._trial.number, error)
            self._warned = True

    def completed(self, results: Any) -> Any:
        """Return a training's result; a History that `fit` did not fill gets the reported epochs."""
        if isinstance(results, list) and len(results) == 1:
            return [self.completed(results[0])]
        if isinstance(results, keras.callbacks.History) and not results.history:
            set_epochs(results, self.epochs)
        return results

    def _record(self, metrics: dict[str, float], epoch: int) -> None:
        self.epochs.append((epoch, metrics))
        self.seen |= metrics.keys()
        name = self._objective.name
        best = None if self.best is None else self.best[0][name]
        if name in metrics and is_better(self._objective, metrics[name], best):
            self.best = metrics, epoch

    def _step(self, epoch: int) -> int:
        step = self._base + epoch + 1
        if step <= self._last_step:
            # The epochs start again: this is the next execution.
            self._base = self._last_step - epoch
            step = self._last_step + 1
        self._last_step = step
        return step


def _place(checkpoint: str | None) -> str | None:
    """Return the checkpoint for a report; None if the server cannot store it, since a backup is found without it."""
    if checkpoint is None or sendable(checkpoint) != checkpoint or len(checkpoint) > MAX_CHECKPOINT_LENGTH:
        return None
    return checkpoint


class ReportEpochs(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """A callback that reports each epoch of `fit`, and ends the training when the server asks for it.

    Args:
        reporter: the trial's reporter.
        executions: how often the trial is trained.

    """

    def __init__(self, reporter: Reporter, executions: int) -> None:
        super().__init__()
        self._reporter = reporter
        self._executions = executions

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Silence the tuner's own hook."""
        self._reporter.fitting = True
        epochs = (self.params or {}).get("epochs")
        self._reporter.planned = epochs * self._executions if epochs else None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the epoch."""
        # A custom loop may call only this method.
        self._reporter.fitting = True
        self._reporter.epoch(epoch, logs)
        if self._reporter.should_stop:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Hand reporting back to the tuner's own hook."""
        self._reporter.fitting = False
