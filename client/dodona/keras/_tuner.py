"""Tuner: keras_tuner.Tuner with its oracle on a Dodona server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import keras
from keras_tuner import HyperModel, HyperParameters, Objective, Oracle
from keras_tuner.engine.trial import Trial
from keras_tuner.engine.tuner import maybe_distribute

from dodona.keras._garbage import OldObjects
from dodona.keras._graphs import graphs_released
from dodona.keras._keeping import KeepsModels
from dodona.keras._private import SaveBestEpoch, TunerCallback, files, load_json, save_json, validate_trial_results
from dodona.keras._reporting import ReportEpochs, Reporter
from dodona.keras._results import with_sum
from dodona.keras._tensorboard import log_trial


class Tuner(KeepsModels):
    """keras_tuner.Tuner: tunes a Keras model together with all other workers of a study.

    Args:
        oracle: as of `BaseTuner`: a `CloudOracle`, the name of an algorithm, an oracle of KerasTuner, or None.
        hypermodel: a function that takes HyperParameters and returns a model, or a keras_tuner.HyperModel. Its
            hyperparameters need not be declared ahead.
        max_model_size: how many parameters a model may have.
        optimizer: as in KerasTuner, for models that are not compiled, or instead of what they are compiled with.
        loss: likewise.
        metrics: likewise.
        distribution_strategy: each trial runs in its scope.
        directory: as of `KeepsModels`: the working directory, for weights; a path or a URL.
        project_name: the project's folder in it, and the study's name if `study_id` is not given.
        logger: ignored with a warning, as in KerasTuner.
        tuner_id: this worker's name.
        overwrite: whether to start the study over if nobody can be using it.
        executions_per_trial: how often each trial is trained.
        **kwargs: as of `KeepsModels` (upload, keep_checkpoints, backup_seconds) and of `BaseTuner` (objective,
            max_trials, study_id, url, token, trials_per_process and so on).

    Raises:
        ValueError: as of `BaseTuner`; or there is nothing to train.

    """

    def __init__(
        self,
        oracle: Oracle | str | None = None,
        hypermodel: HyperModel | Callable[[HyperParameters], Any] | None = None,
        max_model_size: int | None = None,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        distribution_strategy: Any = None,
        directory: Any = None,
        project_name: str | None = None,
        logger: Any = None,
        tuner_id: str | None = None,
        overwrite: bool = False,
        executions_per_trial: int = 1,
        **kwargs: Any,
    ) -> None:
        if hypermodel is None and type(self).run_trial is Tuner.run_trial:
            raise ValueError("without a hypermodel there is nothing to train; give one, or override run_trial")
        self._old_objects = OldObjects()
        super().__init__(
            oracle,
            hypermodel,
            directory=directory,
            project_name=project_name,
            overwrite=overwrite,
            tuner_id=tuner_id,
            max_model_size=max_model_size,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            distribution_strategy=distribution_strategy,
            logger=logger,
            executions_per_trial=executions_per_trial,
            **kwargs,
        )
        if type(self).load_model is not Tuner.load_model:
            # Whoever calls it, the user's own method finds the files of another machine.
            own: Callable[[Trial], Any] = self.load_model

            def load_model(trial: Trial) -> Any:
                self._models.fetch_all(int(trial.trial_id))
                return own(trial)

            self.load_model = load_model  # type: ignore[method-assign]

    # --- training

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """See `BaseTuner.search`."""
        with self._old_objects.while_searching():
            super().search(*fit_args, **fit_kwargs)

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
        checkpoint = _SaveBestEpoch(self.oracle.objective, self._get_checkpoint_fname(trial.trial_id), reporter)
        training = self._training(trial, checkpoint)
        results: list[Any] = [] if training is None else training.results
        for execution in range(len(results), self.executions_per_trial):
            callbacks = self._deepcopy_callbacks(own_callbacks)
            self._configure_tensorboard_dir(callbacks, trial, execution)
            if reporter is not None:
                callbacks.append(ReportEpochs(reporter))
            callbacks.extend(self.oracle.watchers(self.executions_per_trial))
            callbacks.append(TunerCallback(self, trial))
            callbacks.append(_SaveBuildConfig(self._get_build_config_fname(trial.trial_id)))
            callbacks.append(checkpoint)
            if training is not None:
                callbacks += training.callbacks()
            with graphs_released():
                results.append(self._fit_once(trial, args, {**kwargs, "callbacks": callbacks}))
            if reporter is not None:
                reporter.fitting = False
                if reporter.should_stop:
                    break
        return results

    def _fit_once(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Overrides that are older than KerasTuner 1.1 take the arguments of `fit` as two.
        if list(signature(self._build_and_fit_model).parameters) == ["trial", "fit_args", "fit_kwargs"]:
            return self._build_and_fit_model(trial, args, kwargs)
        return self._build_and_fit_model(trial, *args, **kwargs)

    def _build_and_fit_model(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        hp = trial.hyperparameters
        model = self._try_build(hp)
        results = with_sum(self.hypermodel.fit(hp, model, *args, **kwargs), self.oracle.objective)
        # The hypermodel's own fit may leave the callbacks out.
        save_json(self._get_build_config_fname(trial.trial_id), model.get_build_config())
        validate_trial_results(results, self.oracle.objective, "HyperModel.fit()")
        return results

    def _try_build(self, hp: HyperParameters) -> Any:
        self._old_objects.set_aside()
        return super()._try_build(hp)

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

    def load_model(self, trial: Trial) -> Any:
        """The trial's model with the weights of its best epoch, whichever worker trained it.

        Args:
            trial: whose weights are to be loaded.

        Raises:
            FileNotFoundError: they are not kept.
        """
        model = self._try_build(trial.hyperparameters)
        # KerasTuner makes the variables of an unbuilt model outside the scope.
        with maybe_distribute(self.distribution_strategy):
            self._restore(model, trial.trial_id)
        return model

    def _restore(self, model: Any, trial_id: str) -> None:
        """Gives a model the weights of a trial's best epoch, and the optimizer's state of that epoch."""
        self._models.fetch(int(trial_id))
        if not model.built:
            model.build_from_config(load_json(self._get_build_config_fname(trial_id)))
        if getattr(model, "optimizer", None) is not None:
            # One that has no variables yet would take none from the file.
            model.optimizer.build(model.trainable_variables)
        model.load_weights(self._get_checkpoint_fname(trial_id))


class _SaveBestEpoch(SaveBestEpoch):  # type: ignore[misc]  # keras_tuner has no types
    """Writes the weights of the best epoch, as long as the trial is this worker's.

    Otherwise it would write over those of the worker that has the trial now, where both share a folder.

    Args:
        objective: the study's.
        path: of the file.
        reporter: of the trial; None if another replica reports.

    """

    def __init__(self, objective: Objective, path: str, reporter: Reporter | None) -> None:
        super().__init__(objective, path)
        self._reporter = reporter

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Writes the file if the epoch is the best so far."""
        if self._reporter is None or not self._reporter.lost:
            super().on_epoch_end(epoch, logs)


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
