"""Each epoch's metrics to the server while a trial runs, and the server's wish to stop back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import keras
from keras_tuner import Objective

import dodona
from dodona.keras._errors import outages_end_the_search

logger = logging.getLogger("dodona")

# The trial is no longer this worker's: handed on, deleted, or ended by somebody else.
LOST = (dodona.Aborted, dodona.NotFound, dodona.FailedPrecondition)


class Reporter:
    """Reports one trial, however it is trained.

    Each epoch counts once, whether it comes from a callback in `fit` or from a custom loop that calls the tuner's
    `on_epoch_end`. Steps count the epochs of the whole trial: further executions go on where the last one ended.

    Args:
        trial: the client's.
        objective: the study's; a list of objectives is reported as their sum too.
        on_step: told each step, with its numbers.

    Attributes:
        fitting: whether a callback in `fit` is reporting now, so that the hook must not.
        lost: whether the trial is no longer this worker's.
        best: the epoch with the best objective so far, from 0 on, and its metrics; None as long as there is none.
        checkpoint: the place from which the trial can go on, for the next report to name; None if there is none.

    """

    def __init__(
        self, trial: dodona.Trial, objective: Objective, on_step: Callable[[int, Mapping[str, float]], None]
    ) -> None:
        self.fitting = False
        self.lost = False
        self.best: tuple[dict[str, float], int] | None = None
        self.checkpoint: str | None = None
        self._trial = trial
        self._objective = objective
        self._on_step = on_step
        self._base = 0
        self._last_step = 0
        self._warned = False

    @property
    def should_stop(self) -> bool:
        """Whether to end the training: by the server's last answer it is no longer wanted."""
        return self.lost or self._trial.should_stop

    @property
    def steps(self) -> tuple[int, int]:
        """The step before the first epoch of this execution, and the last one: what `go_on` needs."""
        return self._base, self._last_step

    def go_on(self, base: int, last_step: int) -> None:
        """Counts on from there."""
        self._base, self._last_step = base, last_step

    def epoch(self, epoch: int, logs: Mapping[str, Any] | None) -> None:
        """Reports an epoch.

        Args:
            epoch: from 0 on, as Keras counts.
            logs: its metrics; what is no number is left out.

        Raises:
            SearchInterrupted: the server does not answer.
        """
        metrics = numbers(logs or {})
        if metrics and self._objective.name not in metrics and self._objective.has_value(metrics):
            metrics[self._objective.name] = float(self._objective.get_value(metrics))
        self._note(metrics, int(epoch))
        step = self._step(int(epoch))
        self._on_step(step, metrics)
        if not metrics or self.lost:
            return
        try:
            with outages_end_the_search():
                self._trial.report(metrics, step, self.checkpoint)
        except LOST as error:
            self.lost = True
            logger.warning("trial %d is no longer this worker's, going on with the next: %s", self._trial.number, error)
        except dodona.ApiError as error:
            # A training is worth more than one of its reports.
            if not self._warned:
                logger.warning("the metrics of trial %d were not taken: %s", self._trial.number, error)
            self._warned = True

    def _note(self, metrics: dict[str, float], epoch: int) -> None:
        name = self._objective.name
        if name in metrics and (self.best is None or self._objective.better_than(metrics[name], self.best[0][name])):
            self.best = metrics, epoch

    def _step(self, epoch: int) -> int:
        step = self._base + epoch + 1
        if step <= self._last_step:
            # The epochs began anew: the next execution.
            self._base = self._last_step - epoch
            step = self._last_step + 1
        self._last_step = step
        return step


def numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """The single numbers among the logs of an epoch."""
    return {name: float(value) for name, value in logs.items() if _is_number(value)}


def _is_number(value: object) -> bool:
    # Those of NumPy and of Keras's backends have a shape.
    return isinstance(value, Real) or (hasattr(value, "__float__") and getattr(value, "ndim", None) == 0)


class ReportEpochs(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Reports each epoch of `fit`, and ends the training when the server says so.

    Args:
        reporter: of the trial.

    """

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """The hook keeps quiet from now on."""
        self._reporter.fitting = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Reports the epoch."""
        # Loops of the user's own may call nothing but this.
        self._reporter.fitting = True
        self._reporter.epoch(epoch, logs)
        if self._reporter.should_stop:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """The hook may report again."""
        self._reporter.fitting = False
