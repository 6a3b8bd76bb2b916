"""Training that resumes after a crash: Keras's BackupAndRestore, for a whole trial.

A backup is a zip file with the model's last weights and the optimizer's state, the weights of the best epoch, the build
config of the model, and `state.json`: the epoch, the metrics of the epochs so far, and the results of finished
executions. So the trial's result is that of an uninterrupted training.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import dodona
from dodona.keras._checkpoints.retention import Checkpoints
from dodona.keras._checkpoints.storage import BUILD_CONFIG, CHECKPOINT
from dodona.keras._checkpoints.unpacking import open_archive
from dodona.keras._compat import SaveBestEpoch, set_initial_epoch
from dodona.keras._mapping.epochs import Epochs, as_history, epochs_of, set_epochs
from dodona.keras._mapping.metrics import number_of, numbers
from dodona.keras._training.active_trial import ActiveTrial

logger = logging.getLogger("dodona")

LATEST = "latest.weights.h5"
STATE = "state.json"
# The largest share of the time for backups; slow ones are made less often, unless each epoch is to have one.
LARGEST_PART = 0.05
# While the server is away, training continues without backups.
PATIENCE_SECONDS = 2.0


class Training:
    """Training of a trial, from its first epoch or from its last backup.

    Args:
        checkpoints: stores the backups.
        active: the trial.
        identity: distinguishes this trial from one with the same number in a deleted study.
        checkpoint: the callback that saves the best epoch.
        seconds: how long to train before the next backup; None to make and use no backups.

    Attributes:
        results: the results of finished executions.

    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        active: ActiveTrial,
        identity: str,
        checkpoint: SaveBestEpoch,
        seconds: float | None,
    ) -> None:
        self.results: list[Any] = []
        self.checkpoint = checkpoint
        self.seconds = seconds
        self.active = active
        self._checkpoints = checkpoints
        self._identity = identity
        self._folder = tempfile.mkdtemp(prefix="dodona-backup-")
        weakref.finalize(self, shutil.rmtree, self._folder)
        self._state: dict[str, Any] | None = None
        self._names: set[str] = set()
        active.trainings += 1
        if seconds is None:
            return
        if active.trainings > 1:
            # One of several trainings of a run, such as one per fold: an epoch does not say to which one it belongs.
            self.seconds = None
            self.remove_backups()
        elif active.may_resume:
            self._find()
        elif active.failures:
            self.remove_backups()

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the callbacks that make the backups of the next execution and resume from the existing one."""
        if self.seconds is None:
            return []
        state, self._state = self._state, None
        if state is None:
            return [_Backup(self)]
        history = _ResumedHistory(state["epochs"])
        return [history, _Resume(self, state, history)]

    def path(self, name: str) -> str:
        """Return the temporary path of a part of the backup."""
        return os.path.join(self._folder, name)

    def _find(self) -> None:
        """Load the newest intact backup."""
        number = self.active.handle.number
        try:
            names = self._checkpoints.backups(number)
            self._names = set(names)
            for name in names:
                self._checkpoints.load(number, name, self.path("backup.zip"))
                if (state := self._read()) is not None:
                    self._load_state(state)
                    return
        except (dodona.DodonaError, OSError) as error:
            # Training from the beginning takes longer, but is correct.
            logger.warning("trial %d starts from the beginning, its backup cannot be used: %s", number, error)

    def _read(self) -> dict[str, Any] | None:
        """Return the state in the backup and unpack its files; None if it is broken or belongs to another trial."""
        try:
            with open_archive(self.path("backup.zip")) as archive:
                for name in (LATEST, CHECKPOINT, BUILD_CONFIG):
                    if name in archive.namelist():
                        archive.extract(name, self._folder)
                state: dict[str, Any] = json.loads(archive.read(STATE))
        except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
            logger.warning("a backup of trial %d is broken: %s", self.active.handle.number, error)
            return None
        return state if state["identity"] == self._identity and "epochs" in state else None

    def _load_state(self, state: dict[str, Any]) -> None:
        self._state = state
        self.results = [_result_of(one) for one in state["results"]]
        base = state["steps"][0]
        self.active.reporter.continue_from(base, base)
        number = self.active.handle.number
        for name in (CHECKPOINT, BUILD_CONFIG):
            if os.path.exists(self.path(name)):
                target = Path(self._checkpoints.path(number, name))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(Path(self.path(name)).read_bytes())

    def continue_from(self, state: Mapping[str, Any]) -> None:
        """Continue after the model has loaded the backup."""
        logger.warning("trial %d continues from epoch %d", self.active.handle.number, state["epoch"] + 1)
        self.active.reporter.continue_from(*state["steps"])
        if state["best_value"] is not None:
            self.checkpoint.best_value = state["best_value"]

    def save(self, model: Any, epoch: int, epochs: Epochs) -> None:
        """Save a backup after an epoch; a failure is logged and does not affect the training.

        Args:
            model: the model after the epoch.
            epoch: how many epochs of this execution are finished.
            epochs: their numbers and metrics.
        """
        handle, reporter = self.active.handle, self.active.reporter
        try:
            best = self.checkpoint.best_value
            state = {
                "identity": self._identity,
                "epoch": epoch,
                "epochs": epochs,
                "results": [_plain(result) for result in self.results],
                "steps": reporter.steps,
                "best_value": best if np.isfinite(best) else None,
            }
            model.save_weights(self.path(LATEST))
            with zipfile.ZipFile(self.path("backup.zip"), "w", zipfile.ZIP_STORED) as archive:
                archive.write(self.path(LATEST), LATEST)
                for name in (CHECKPOINT, BUILD_CONFIG):
                    if os.path.exists(self._checkpoints.path(handle.number, name)):
                        archive.write(self._checkpoints.path(handle.number, name), name)
                archive.writestr(STATE, json.dumps(state))
            name, archived = f"backup-{handle.attempt}-{reporter.steps[1]}.zip", self.path("backup.zip")
            reporter.checkpoint = self._checkpoints.save(
                handle.number, name, archived, handle.attempt, PATIENCE_SECONDS
            )
            self._names, older = {name}, self._names - {name}
            for one in older:
                self._checkpoints.delete(handle.number, one, PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001 - no room, no server, a model of other code: the training is worth more
            logger.warning("trial %d has no new backup: %s", handle.number, error)

    def start_again(self, reason: object) -> None:
        """Start from the beginning because the backup cannot be used."""
        logger.warning(
            "trial %d starts from the beginning, its backup does not fit: %s", self.active.handle.number, reason
        )
        base = self.active.reporter.steps[0]
        self.active.reporter.continue_from(base, base)
        self.checkpoint.best_value = -np.inf if self.checkpoint.objective.direction == "max" else np.inf

    def remove_backups(self) -> None:
        """Remove the trial's backups."""
        number = self.active.handle.number
        try:
            for name in self._checkpoints.backups(number):
                self._checkpoints.delete(number, name)
        except (dodona.DodonaError, OSError) as error:
            logger.warning("the backups of trial %d could not be removed: %s", number, error)


class _Backup(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """A callback that makes the backups of an execution.

    Args:
        training: the trial's training.

    """

    def __init__(self, training: Training) -> None:
        super().__init__()
        self._training = training
        self._fits = 0
        self._epochs: list[tuple[int, dict[str, float]]] = []
        self._last = time.monotonic()
        self._cost = 0.0

    @property
    def in_fit(self) -> bool:
        """Whether Keras's own `fit` is training: a custom loop would not begin at the backup's epoch."""
        return "epochs" in (self.params or {})

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Count the calls of `fit`, and make no more backups after the first one."""
        self._fits += 1
        if self._fits == 2:
            # An epoch alone no longer identifies the state of the training.
            self._training.remove_backups()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save a backup, if one is due."""
        self._epochs.append((int(epoch), numbers(logs or {})))
        began = time.monotonic()
        seconds = self._training.seconds
        pause = max(seconds, self._cost / LARGEST_PART) if seconds else 0.0
        due = self.in_fit and self._fits == 1 and not self._training.active.reporter.lost
        if due and began - self._last >= pause:
            self._training.save(self.model, int(epoch) + 1, self._epochs)
            self._last = time.monotonic()
            self._cost = self._last - began


class _Resume(_Backup):
    """A callback that resumes an execution from a backup, and then makes further backups.

    Args:
        training: the trial's training.
        state: the backup's state.
        history: the History that `fit` will return.

    """

    def __init__(self, training: Training, state: dict[str, Any], history: _ResumedHistory) -> None:
        super().__init__(training)
        self._state = state
        self._history = history
        # The model's earlier variables, until its first epoch shows that the backup can be used.
        self._before: list[tuple[Any, Any]] = []
        self._pending = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Load the backup into the model."""
        super().on_train_begin(logs)
        if self._fits > 1:
            return
        if not self.in_fit:
            self._start_again("the training is not Keras's own fit")
            return
        optimizer = getattr(self.model, "optimizer", None)
        try:
            if not self.model.built:
                self.model.build_from_config(json.loads(Path(self._training.path(BUILD_CONFIG)).read_text()))
            if optimizer is not None and not optimizer.built:
                # An optimizer without variables would load none from the file.
                optimizer.build(self.model.trainable_variables)
            variables = [*self.model.variables, *(optimizer.variables if optimizer is not None else ())]
            self._before = [(variable, keras.ops.convert_to_numpy(variable)) for variable in variables]
            self.model.load_weights(self._training.path(LATEST))
        except Exception as error:  # noqa: BLE001 - whatever a model of other code says to these weights
            self._start_again(error)
            return
        self._epochs = list(self._state["epochs"])
        self._training.continue_from(self._state)
        set_initial_epoch(self.model, self._state["epoch"])
        self._pending = True

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Check whether training continues at the backup's epoch."""
        if not self._pending:
            return
        self._reset_initial_epoch()
        if epoch != self._state["epoch"]:
            self._start_again(f"training begins with epoch {epoch + 1}")
        self._before = []

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Make a further `fit` train all its epochs, if this one had none left."""
        if self._pending:
            self._reset_initial_epoch()

    def _reset_initial_epoch(self) -> None:
        # Keras itself never resets it.
        set_initial_epoch(self.model, None)
        self._pending = False

    def _start_again(self, reason: object) -> None:
        for variable, value in self._before:
            variable.assign(value)
        self._before, self._epochs = [], []
        self._history.remove()
        self._training.start_again(reason)


class _ResumedHistory(keras.callbacks.History):  # type: ignore[misc]  # keras has no types
    """History of a resumed training, with the epochs before the crash."""

    def __init__(self, earlier: Epochs) -> None:
        super().__init__()
        self._earlier = earlier

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begin with the earlier epochs."""
        earlier, self._earlier = self._earlier, ()
        set_epochs(self, earlier)

    def remove(self) -> None:
        """Remove the epochs before the crash."""
        set_epochs(self, ())


def _plain(result: Any) -> Any:
    """Return a result of `fit` as JSON, with everything in it that counts."""
    if isinstance(result, list):
        return [_plain(one) for one in result]
    if (history := as_history(result)) is not None:
        return {"epochs": epochs_of(history)}
    return {"metrics": numbers(result)} if isinstance(result, Mapping) else number_of(result)


def _result_of(plain: Any) -> Any:
    """Return the result for the output of `_plain`."""
    if isinstance(plain, list):
        return [_result_of(one) for one in plain]
    if not isinstance(plain, dict):
        return plain
    if "metrics" in plain:
        return plain["metrics"]
    history = keras.callbacks.History()
    set_epochs(history, plain["epochs"])
    return history
