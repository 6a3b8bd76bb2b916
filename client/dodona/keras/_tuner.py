"""CloudTuner: keras_tuner.Tuner with its oracle on a Dodona server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import keras_tuner
from keras_tuner import HyperModel, HyperParameters, Objective
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalError

from dodona import Study
from dodona.keras._errors import SearchInterrupted
from dodona.keras._exploring import explore
from dodona.keras._garbage import only_new_objects_are_collected
from dodona.keras._leaving import sigterm_leaves
from dodona.keras._oracle import CloudOracle
from dodona.keras._private import SaveBestEpoch, TunerCallback, files, save_json
from dodona.keras._reporting import ReportEpochs
from dodona.keras._tensorboard import log_trial
from dodona.keras._worker import without_chief

_OF_THE_ORACLE = (
    "algorithm",
    "allow_new_entries",
    "max_consecutive_failed_trials",
    "max_retries_per_trial",
    "overwrite",
    "seed",
    "tune_new_entries",
)


class CloudTuner(keras_tuner.Tuner):  # type: ignore[misc]  # keras_tuner has no types
    """Tunes a Keras model together with all other workers of a study.

    Args:
        hypermodel: a function that takes HyperParameters and returns a model, or a keras_tuner.HyperModel. Its
            hyperparameters need not be declared ahead.
        project_id: the project that the study belongs to.
        region: the location within the project.
        objective: as in KerasTuner, such as "val_accuracy" or keras_tuner.Objective("val_f1", "max").
        hyperparameters: the search space, or a part of it, declared ahead.
        study_config: the study as Vertex AI's StudySpec, a dict of its JSON, instead of the two above.
        max_trials: how many trials the study may have, of all workers together; None for no limit.
        study_id: the study's name, which all its workers share; None for `project_name`.
        url: the server's address; None for what DODONA_URL says.
        token: the server's secret; None for what DODONA_TOKEN says.
        **kwargs: as of keras_tuner.Tuner (max_model_size, optimizer, loss, metrics, distribution_strategy, directory,
            project_name, logger, tuner_id, executions_per_trial) and of `CloudOracle` (algorithm, overwrite, seed,
            allow_new_entries, tune_new_entries, max_retries_per_trial, max_consecutive_failed_trials). `tuner_id` is
            this worker's name; `project_name`, the folder within `directory`, is the study's name if not given.

    Raises:
        ValueError: the arguments make no study, contradict each other, or name an objective that is not that of the
            study there is.

    """

    oracle: CloudOracle
    _bars = True

    def __init__(
        self,
        hypermodel: HyperModel | Callable[[HyperParameters], Any] | None = None,
        project_id: str = "default",
        region: str = "local",
        objective: str | Objective | list[str | Objective] | None = None,
        hyperparameters: HyperParameters | None = None,
        study_config: Mapping[str, Any] | None = None,
        max_trials: int | None = None,
        study_id: str | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        **kwargs: Any,
    ) -> None:
        if hypermodel is None and type(self).run_trial is CloudTuner.run_trial:
            raise ValueError("without a hypermodel there is nothing to train; give one, or override run_trial")
        project = kwargs.pop("project_name", None)
        oracle = CloudOracle(
            project_id,
            region,
            objective,
            hyperparameters,
            study_config,
            max_trials,
            study_id or project,
            url=url,
            token=token,
            worker=kwargs.pop("tuner_id", None),
            **{name: kwargs.pop(name) for name in _OF_THE_ORACLE if name in kwargs},
        )
        with without_chief():
            super().__init__(
                oracle, hypermodel, project_name=project or oracle.study_id, tuner_id=oracle.worker, **kwargs
            )

    @property
    def study(self) -> Study:
        """The study as a plain client has it, fetched now: trials, figures such as `plot_history`, a data frame."""
        study = self.oracle.study
        study.refresh()
        return study

    # --- the search

    def _populate_initial_space(self) -> None:
        if self.hypermodel is not None:
            explore(self.hypermodel, self.oracle)
        # An argument that makes no study shows now, and the next worker finds the space whole.
        _ = self.oracle.study

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Runs trials until the study has none left.

        Args:
            *fit_args: for `run_trial`, such as the training data.
            **fit_kwargs: likewise. `verbose=0` prints nothing; without `verbose`, the progress of trial, worker and
                study is shown in a terminal or a notebook, instead of Keras's progress bars.

        Raises:
            RuntimeError: too many trials of this worker have failed in a row.
            SearchInterrupted: the server does not answer; the trial in hand goes on with the next search.
            KeyboardInterrupt: Ctrl-C; the trial in hand was handed back, for any worker to run.
            SystemExit: SIGTERM, likewise, unless the program handles it.
        """
        self._bars = "verbose" in fit_kwargs
        shown = nullcontext() if self._bars else self.oracle.shown_live()
        with without_chief(), _progress_bars(self._bars), sigterm_leaves(), only_new_objects_are_collected(), shown:
            try:
                super().search(*fit_args, **fit_kwargs)
            except (KeyboardInterrupt, SystemExit):
                self.oracle.hand_back()
                raise

    def _try_run_and_update_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> None:
        try:
            super()._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
        except SearchInterrupted:
            raise
        except FatalError as error:
            # The search ends here, and nobody would come back for the trial.
            self.oracle.abandon(trial.trial_id, f"{type(error).__name__}: {error}")
            raise

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Trains the trial's model, `executions_per_trial` times unless the server wants it stopped.

        Args:
            trial: what to run.
            *args: for `fit`, as given to `search`.
            **kwargs: likewise.

        Returns:
            The results of the executions, as keras_tuner.Tuner.run_trial.

        """
        own_callbacks = kwargs.pop("callbacks", None) or []
        reporter = self.oracle.reporter(trial.trial_id)
        # One for all executions, as it keeps the best epoch of all.
        checkpoint = SaveBestEpoch(self.oracle.objective, self._get_checkpoint_fname(trial.trial_id))
        results = []
        for execution in range(self.executions_per_trial):
            callbacks = self._deepcopy_callbacks(own_callbacks)
            self._configure_tensorboard_dir(callbacks, trial, execution)
            if reporter is not None:
                callbacks.append(ReportEpochs(reporter))
            callbacks.extend(self.oracle.watchers(self.executions_per_trial))
            callbacks.append(TunerCallback(self, trial))
            callbacks.append(_SaveBuildConfig(self._get_build_config_fname(trial.trial_id)))
            callbacks.append(checkpoint)
            results.append(self._build_and_fit_model(trial, *args, **{**kwargs, "callbacks": callbacks}))
            if reporter is not None and reporter.should_stop:
                break
        return results

    def on_epoch_end(self, trial: Trial, model: Any, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Reports an epoch of a custom training loop; in `fit` a callback does.

        Afterwards `model.stop_training` says whether to stop, as the server wants it or the model did already.

        Args:
            trial: what is running.
            model: what is trained.
            epoch: from 0 on.
            logs: the epoch's metrics.
        """
        reporter = self.oracle.reporter(trial.trial_id)
        if reporter is None or reporter.fitting:
            return
        reporter.epoch(epoch, logs)
        # A model that was never fitted lacks it.
        model.stop_training = reporter.should_stop or getattr(model, "stop_training", False)

    # --- models

    def _build_hypermodel(self, hp: HyperParameters) -> Any:
        if not self._bars:
            # KerasTuner clears Keras's session before each model, and that forgets the setting.
            keras.config.disable_interactive_logging()
        return super()._build_hypermodel(hp)

    def _override_compile_args(self, model: Any) -> None:
        if getattr(model, "compiled", True):
            super()._override_compile_args(model)
            return
        given = {"optimizer": self.optimizer, "loss": self.loss, "metrics": self.metrics}
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            # An optimizer belongs to one model.
            given["optimizer"] = keras.optimizers.deserialize(keras.optimizers.serialize(self.optimizer))
        if any(given.values()):
            model.compile(**{name: value for name, value in given.items() if value})

    def _configure_tensorboard_dir(self, callbacks: list[Any], trial: Trial, execution: int = 0) -> None:
        log_trial(callbacks, trial, lambda folder: self._get_tensorboard_dir(folder, trial.trial_id, execution))

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The best models of all workers, with the weights of their best epochs, best first.

        Args:
            num_models: how many; fewer are returned if fewer trials have succeeded.

        Raises:
            FileNotFoundError: a trial's weights are not in this worker's `directory`.
        """
        best = self.oracle.get_best_trials(num_models)
        return [self.load_model(trial) for trial in best if trial.status == TrialStatus.COMPLETED]

    def load_model(self, trial: Trial) -> Any:
        """The trial's model with the weights of its best epoch.

        Args:
            trial: whose weights are to be loaded.

        Raises:
            FileNotFoundError: they are not in this worker's `directory`.
        """
        path = self._get_checkpoint_fname(trial.trial_id)
        if not files.exists(path):
            worker = self.oracle.study.trial(int(trial.trial_id)).worker
            raise FileNotFoundError(
                f"the weights of trial {trial.trial_id} are not at {path}; worker {worker!r} trained it. "
                "Give all workers the same directory= on a shared file system"
            )
        return super().load_model(trial)

    # --- what a server makes needless

    def save(self) -> None:
        """Nothing: the server has it all."""

    def reload(self) -> None:
        """Looks for new hyperparameters; KerasTuner calls this instead of doing so if it finds a file of its own."""
        self._populate_initial_space()


class _SaveBuildConfig(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Writes what `load_model` needs to build a model that knows its input's shape only from the data.

    KerasTuner writes it in a method that its users override.

    Args:
        path: of the file.

    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Writes the file after the first epoch."""
        if epoch == 0 or not files.exists(self._path):
            save_json(self._path, self.model.get_build_config())


@contextmanager
def _progress_bars(shown: bool) -> Iterator[None]:
    """Keeps Keras's progress bars out of log files."""
    if shown:
        yield
        return
    keras.config.disable_interactive_logging()
    try:
        yield
    finally:
        keras.config.enable_interactive_logging()
