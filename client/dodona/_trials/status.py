"""A worker's progress for the `dodona run` that started it: a small file, rewritten at each step."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dodona._trials.record import number_of
from dodona_schemas import vertex
from dodona_schemas.vertex import GoalType, TrialState

logger = logging.getLogger("dodona")

# Names the file; `dodona run` sets it.
VARIABLE = "DODONA_STATUS"


@dataclass(frozen=True, slots=True)
class Status:
    """A worker as it was at its last step.

    Attributes:
        study: the name that people gave the study.
        worker: the worker's id.
        metric: the study's objective.
        maximize: whether the objective is better when it is higher.
        limit: how many trials the study may have.
        trial: the number of the current or last trial.
        running: whether it runs.
        step: its last reported step.
        value: the objective at that step.
        finished: how many trials this process has finished.
        steps: how many steps it has reported.
        best: the best result among them.
        best_trial: the trial with that result.
        page: the address of the study's page.

    """

    study: str
    worker: str
    metric: str
    maximize: bool
    limit: int | None = None
    trial: int | None = None
    running: bool = False
    step: int | None = None
    value: float | None = None
    finished: int = 0
    steps: int = 0
    best: float | None = None
    best_trial: int | None = None
    page: str = ""

    def better(self, value: float | None, than: float | None) -> bool:
        """Return whether a result is better than another one; any is better than none."""
        if value is None or math.isnan(value):
            return False
        return than is None or (value > than if self.maximize else value < than)


class StatusFile:
    """Status file and its updates; may be used by many threads at once.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # The counts before a restart or a fork are part of the totals.
        self._status = read_status(path)
        self._complained = False

    def began(self, study: vertex.Study, page: str, worker: str, number: int) -> None:
        """Record that this process has started a trial of the study, whose page has that address."""
        metric = study.study_spec.metrics[0]
        stopping = study.study_spec.study_stopping_config
        with self._lock:
            before = self._status
            if before is None or before.study != study.display_name:
                before = Status(study.display_name, worker, metric.metric_id, metric.goal is not GoalType.MINIMIZE)
            limit = stopping.max_num_trials if stopping else None
            begun = replace(before, worker=worker, page=page, limit=limit, trial=number, running=True)
            self._write(replace(begun, step=None, value=None))

    def reported(self, number: int, measured: vertex.Measurement) -> None:
        """Record a report."""
        with self._lock:
            if self._status is not None:
                value = _value(measured, self._status.metric)
                steps = self._status.steps + 1
                now = replace(
                    self._status, trial=number, running=True, step=measured.step_count, value=value, steps=steps
                )
                self._write(now)

    def ended(self, wire: vertex.Trial) -> None:
        """Record that a trial is finished or was released."""
        with self._lock:
            status = self._status
            if status is None:
                return
            status = replace(status, trial=number_of(wire), running=False)
            if wire.state in {TrialState.SUCCEEDED, TrialState.INFEASIBLE}:
                status = replace(status, finished=status.finished + 1)
            if wire.state is TrialState.SUCCEEDED and wire.final_measurement is not None:
                value = _value(wire.final_measurement, status.metric)
                status = replace(status, value=value)
                if not wire.stopped and status.better(value, status.best):
                    status = replace(status, best=value, best_trial=status.trial)
            self._write(status)

    def _write(self, status: Status) -> None:
        self._status = status
        # A reader finds the old file or the new one, never half of it.
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            new.write_text(json.dumps(asdict(status)))
            new.replace(self._path)
        except OSError as error:
            # Training is worth more than its progress display.
            if not self._complained:
                self._complained = True
                logger.warning("the progress cannot be written to %s: %s", self._path, error)


def status_file() -> StatusFile | None:
    """Return the status file that the environment names; None without one."""
    path = os.environ.get(VARIABLE)
    return StatusFile(Path(path)) if path else None


def read_status(path: Path) -> Status | None:
    """Return a worker's last status; None before its first."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return Status(**content)


def _value(measured: vertex.Measurement, name: str) -> float | None:
    return next((metric.value for metric in measured.metrics if metric.metric_id == name), None)
