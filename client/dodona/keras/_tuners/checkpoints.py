"""A tuner's models: the best ones are stored for all workers, and training resumes after a crash."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from dodona.keras._checkpoints.resume import Training
from dodona.keras._checkpoints.retention import Checkpoints
from dodona.keras._checkpoints.storage import BUILD_CONFIG, FolderFileStore
from dodona.keras._compat import SaveBestEpoch, save_json
from dodona.keras._study.folders import project_folder
from dodona.keras._tuners.base import BaseTuner


class CheckpointTuner(BaseTuner, keras_tuner.Tuner):  # type: ignore[misc]  # keras_tuner has no types
    """A tuner of Keras models whose weights all workers can find.

    Args:
        oracle: see `BaseTuner`.
        hypermodel: see `BaseTuner`.
        directory: the working directory; or a URL that fsspec supports, such as "s3://bucket/folder", with a temporary
            folder on this machine.
        upload: whether checkpoints go to the server's artifact store, unless `directory` is a URL; False if all workers
            share `directory`.
        keep_checkpoints: of how many trials checkpoints are kept, of the best ones; None for all.
        backup_seconds: how long to train before the training state is saved at the end of an epoch, so that another
            worker can resume if this one dies; 0 for each epoch, None for never.
        **kwargs: see `BaseTuner`.

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
            # An unsupported URL fails before anything is created.
            FolderFileStore(place)
            temporary = tempfile.TemporaryDirectory(prefix="dodona-")
            self._end = weakref.finalize(self, temporary.cleanup)
            directory = temporary.name
        self._backup_seconds = backup_seconds
        super().__init__(oracle, hypermodel, directory=directory, **kwargs)
        shared = self.project_dir
        if remote:
            shared = project_folder(place.rstrip("/"), self.project_name, warn=True)
        self._checkpoints = Checkpoints(
            lambda: self.oracle.study,
            lambda: self.oracle.objective,
            self.project_dir,
            None if upload and not remote else shared,
            keep_checkpoints,
            user_saves=type(self).save_model is not CheckpointTuner.save_model,
        )

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """See keras_tuner.Tuner.search; afterwards only the checkpoints to keep are left."""
        super().search(*fit_args, **fit_kwargs)
        self._checkpoints.prune(in_any_case=True)

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
        """Save a trial's model, so that `load_model` finds it on any machine.

        While the trial runs, the models of its best and its latest step are kept. When it ends, the model of the best
        step becomes the trial's model, or the latest one if none was saved at that step. It replaces the weights that
        `fit` has saved. A model that the hypermodel builds is saved by its weights; a model of a tuner without a
        hypermodel is saved with its architecture.

        Args:
            trial_id: the trial's number.
            model: a built keras.Model.
            step: the epoch, from 0 on, as `on_epoch_end` counts.

        Raises:
            TypeError: it is not a keras.Model; override `save_model` and `load_model` for anything else.
            DodonaError: the trial does not run here, and the server refused its model.
        """
        if not isinstance(model, keras.Model):
            kind = type(model).__name__
            raise TypeError(f"model is a {kind}, not a keras.Model; override save_model and load_model to save it")
        number, active = int(trial_id), self.oracle.active_trial(trial_id)
        if not self.oracle.should_report or (active is not None and active.reporter.lost):
            return
        if self.hypermodel is None:
            self._checkpoints.save_at(number, step, ".keras", model.save)
        else:
            self._checkpoints.save_at(number, step, ".weights.h5", model.save_weights)
            save_json(self._checkpoints.path(number, BUILD_CONFIG), model.get_build_config())
        if active is None or active.trial.status != TrialStatus.RUNNING:
            self._checkpoints.choose_step(number, step)
            self._checkpoints.publish(number, None if active is None else active.handle.attempt)
        else:
            best = active.reporter.best
            self._checkpoints.remove_steps(number, {int(step), best[1] if best is not None else int(step)})

    def _try_run_and_update_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> None:
        active = self.oracle.active_trial(trial.trial_id)
        if active is not None:
            self._checkpoints.begin(active)
        super()._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
        if active is not None and trial.status == TrialStatus.COMPLETED:
            self._checkpoints.finish(active)

    def _training(self, trial: Trial, checkpoint: SaveBestEpoch) -> Training | None:
        """Return the training of a trial, from its last backup on; None if another replica runs it."""
        active = self.oracle.active_trial(trial.trial_id)
        if active is None:
            return None
        study = self.oracle.study
        # It is not known what an override trains, and how often: it gets no backups.
        known = getattr(self.run_trial, "__module__", "").startswith("dodona.keras.")
        identity = f"{study.name}/trials/{trial.trial_id} of {study.create_time}"
        return Training(self._checkpoints, active, identity, checkpoint, self._backup_seconds if known else None)
