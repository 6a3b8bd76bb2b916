"""What a tuner does with the models of its trials: keep the best ones, for all workers, and go on after a crash."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from dodona.keras._backup import Training
from dodona.keras._base import BaseTuner
from dodona.keras._models import Models
from dodona.keras._private import SaveBestEpoch
from dodona.keras._vault import FolderVault, folder_in


class KeepsModels(BaseTuner, keras_tuner.Tuner):  # type: ignore[misc]  # keras_tuner has no types
    """A tuner of Keras models whose weights are found by all workers.

    Args:
        oracle: as of `BaseTuner`.
        hypermodel: likewise.
        directory: the working directory; or a URL that fsspec knows, such as "s3://bucket/folder", and a folder for
            temporary files takes its place here.
        upload: whether checkpoints go to the server's artifact store, unless `directory` is a URL; say False if all
            workers share `directory`.
        keep_checkpoints: of how many trials checkpoints are kept, of the best ones; None for all.
        backup_seconds: how long to train before the state of the training is saved, at the end of an epoch, so that
            another worker goes on from there if this one dies; 0 for each epoch, None for never.
        **kwargs: as of `BaseTuner`.

    """

    def __init__(
        self,
        oracle: Any = None,
        hypermodel: Any = None,
        *,
        directory: str | os.PathLike[str] | None = None,
        upload: bool = True,
        keep_checkpoints: int | None = 10,
        backup_seconds: float | None = 30.0,
        **kwargs: Any,
    ) -> None:
        if backup_seconds is not None and not backup_seconds >= 0:
            raise ValueError(f"backup_seconds is {backup_seconds!r}; it must be 0 or more, or None for no backups")
        place = os.fspath(directory) if directory is not None else ""
        remote = "://" in place
        if remote:
            # What nothing knows is told before anything is made.
            FolderVault(place)
            temporary = tempfile.TemporaryDirectory(prefix="dodona-")
            self._end = weakref.finalize(self, temporary.cleanup)
            directory = temporary.name
        self._backup_seconds = backup_seconds
        super().__init__(oracle, hypermodel, directory=directory, **kwargs)
        shared = self.project_dir
        if remote:
            shared = folder_in(f"{place.rstrip('/')}/{self.project_name}", tells=True)
        self._models = Models(
            lambda: self.oracle.study,
            lambda: self.oracle.objective,
            self.project_dir,
            None if upload and not remote else shared,
            keep_checkpoints,
            user_saves=type(self).save_model is not keras_tuner.Tuner.save_model,
        )

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """See keras_tuner.Tuner.search; afterwards only the checkpoints to be kept are there."""
        super().search(*fit_args, **fit_kwargs)
        self._models.prune(in_any_case=True)

    def _try_run_and_update_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> None:
        running = self.oracle.running(trial.trial_id)
        if running is not None:
            self._models.begin(running)
        super()._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
        if running is not None and trial.status == TrialStatus.COMPLETED:
            self._models.finish(running)

    def _training(self, trial: Trial, checkpoint: SaveBestEpoch) -> Training | None:
        """The training of a trial that runs here, from its last backup on; None if another replica keeps it."""
        running = self.oracle.running(trial.trial_id)
        if running is None:
            return None
        study = self.oracle.study
        # What an override trains, and how often, is not known here: it begins anew.
        known = getattr(self.run_trial, "__module__", "").startswith("dodona.keras.")
        identity = f"{study.name}/trials/{trial.trial_id} of {study.create_time}"
        return Training(self._models, running, identity, checkpoint, self._backup_seconds if known else None)
