"""Tuner: keras_tuner.Tuner with its oracle on a Dodona server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from inspect import signature
from typing import Any

import keras
from keras_tuner import HyperModel, HyperParameters, Oracle
from keras_tuner.engine.trial import Trial
from keras_tuner.engine.tuner import maybe_distribute

from dodona.keras._checkpoints.storage import WHOLE_MODEL
from dodona.keras._compat import (
    TunerCallback,
    build_config_path,
    checkpoint_path,
    copied_callbacks,
    load_json,
    save_json,
    tensorboard_folder,
)
from dodona.keras._mapping.epochs import RecordEpochs
from dodona.keras._mapping.results import metrics_and_epoch
from dodona.keras._process.garbage import FrozenObjects
from dodona.keras._process.tf_graphs import graphs_released
from dodona.keras._training.callbacks import SaveBestMeasuredEpoch, SaveBuildConfig, callbacks_of
from dodona.keras._training.expected_metrics import ExpectObjective, expects_objective
from dodona.keras._training.reporting import ReportEpochs, Reporter
from dodona.keras._training.tensorboard import log_trial
from dodona.keras._tuners.checkpoints import CheckpointTuner
from dodona.keras._tuners.continued import after_each_build, epochs_of, own_learning_rate, parent_of, train_for


class Tuner(CheckpointTuner):
    """keras_tuner.Tuner: tunes a Keras model together with the study's other workers.

    Args:
        oracle: a `CloudOracle`, the name of an algorithm, an oracle of KerasTuner, or None; see `BaseTuner`.
        hypermodel: a function that takes HyperParameters and returns a model, or a keras_tuner.HyperModel. Its
            hyperparameters need not be declared in advance.
        max_model_size: how many parameters a model may have.
        optimizer: see KerasTuner: for models that are not compiled, or instead of the compiled optimizer.
        loss: the same for the loss.
        metrics: the same for the metrics.
        distribution_strategy: the strategy in whose scope each trial runs.
        directory: the working directory, for weights; a path or a URL, see `CheckpointTuner`.
        project_name: the project's folder in it, and the study's name if `study_id` is not given.
        logger: ignored with a warning, as in KerasTuner.
        tuner_id: this worker's id.
        overwrite: whether to start the study over if no other worker can be using it.
        executions_per_trial: how often each trial is trained.
        **kwargs: further arguments of `CheckpointTuner` (upload, keep_checkpoints, backup_seconds) and of `BaseTuner`
            (objective, max_trials, study_id, url, token, trials_per_process and so on).

    Raises:
        ValueError: see `BaseTuner`; or there is nothing to train.

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
            why = "without a hypermodel there is nothing to train; give one, or override run_trial"
            raise ValueError(f"Received `hypermodel=None`: {why}")
        self._frozen_objects = FrozenObjects()
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
            # Every call of the user's own method finds the files of other machines.
            own: Callable[[Trial], Any] = self.load_model

            def load_model(trial: Trial) -> Any:
                self._checkpoints.fetch_all(int(trial.trial_id))
                return own(trial)

            self.load_model = load_model  # type: ignore[method-assign]

    # --- training

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """See `BaseTuner.search`; `callbacks` may have any form that Keras's `fit` accepts.

        Raises:
            TypeError: an element of `callbacks` is not a callback; no trial has begun.
        """
        if "callbacks" in fit_kwargs:
            # Overridden methods get a list, as KerasTuner documents.
            fit_kwargs["callbacks"] = callbacks_of(fit_kwargs["callbacks"])
        with self._frozen_objects.during_search():
            super().search(*fit_args, **fit_kwargs)

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Train the trial's model `executions_per_trial` times, unless the server asks to stop.

        An algorithm such as Hyperband sets the trial's epochs. A promoted trial begins with the best weights and the
        optimizer's state of the trial that it continues.

        Args:
            trial: the trial to run.
            *args: arguments for `fit`, as passed to `search`.
            **kwargs: arguments for `fit`, as passed to `search`.

        Returns:
            The results of the executions; see keras_tuner.Tuner.run_trial.

        """
        number = parent_of(trial, self._checkpoints)
        parent = None if number is None else self.oracle.get_trial(number)
        epochs = epochs_of(trial)

        def prepare(model: Any) -> None:
            if parent is not None:
                with own_learning_rate(model, trial, parent):
                    self._load_weights(model, parent.trial_id)
                self.on_trial_continue(trial, model, parent)
            train_for(model, epochs)

        with after_each_build(self.hypermodel, prepare) if epochs else nullcontext():
            return self._run_executions(trial, args, kwargs | epochs)

    def on_trial_continue(self, trial: Trial, model: Any, parent: Trial) -> None:
        """Change a model that continues another trial's training; override it, it does nothing.

        The model has been built with the trial's hyperparameters, and has loaded the weights and the optimizer's state
        of the other trial. Whatever is not a variable of the model or its optimizer, such as a rate of dropout or the
        weight decay, is the trial's own, and so is the learning rate if it is a number. Set here what your
        hyperparameters put into other variables.

        Args:
            trial: the running trial.
            model: its model.
            parent: the trial that it continues.
        """

    def _run_executions(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        own_callbacks = callbacks_of(kwargs.pop("callbacks", None))
        reporter = self.oracle.reporter(trial.trial_id)
        # One callback for all executions, since it saves the best epoch of all.
        checkpoint = SaveBestMeasuredEpoch(self.oracle.objective, checkpoint_path(self, trial.trial_id), reporter)
        training = self._training(trial, checkpoint)
        results: list[Any] = [] if training is None else training.results
        for execution in range(len(results), self.executions_per_trial):
            callbacks = copied_callbacks(self, own_callbacks)
            self._configure_tensorboard_dir(callbacks, trial, execution)
            if reporter is not None:
                reporter.epochs, reporter.execution = [], execution
                callbacks.append(ReportEpochs(reporter, self.executions_per_trial))
            callbacks.extend(self.oracle.progress_callbacks(self.executions_per_trial))
            callbacks.append(TunerCallback(self, trial))
            callbacks.append(SaveBuildConfig(build_config_path(self, trial.trial_id)))
            callbacks.append(checkpoint)
            callbacks.append(RecordEpochs())
            if expects_objective(self, own_callbacks):
                callbacks.append(ExpectObjective(self.oracle.objective, kwargs.get("validation_freq", 1)))
            if training is not None:
                callbacks += training.callbacks()
            with graphs_released():
                results.append(self._fit_once(trial, args, {**kwargs, "callbacks": callbacks}, reporter))
            if reporter is not None:
                reporter.fitting = False
                if reporter.should_stop:
                    is_whole = reporter.steps[1] == reporter.planned
                    # The result is the mean of whole executions, if there is one.
                    return results if is_whole else results[:-1] or results
        return results

    def _fit_once(self, trial: Trial, args: tuple[Any, ...], kwargs: dict[str, Any], reporter: Reporter | None) -> Any:
        if self._takes_two:
            results = self._build_and_fit_model(trial, args, kwargs)
        else:
            results = self._build_and_fit_model(trial, *args, **kwargs)
        if reporter is not None:
            results = reporter.completed(results)
        if reporter is None or not reporter.should_stop:
            # A missing objective fails before the next execution.
            metrics_and_epoch(results, self.oracle.objective, "HyperModel.fit()")
        return results

    @property
    def _takes_two(self) -> bool:
        """Whether `_build_and_fit_model` takes the arguments of `fit` as two parameters, as in KerasTuner 1.0."""
        parameters = list(signature(self._build_and_fit_model).parameters.values())[1:]
        plain = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        two = len(parameters) == len(plain) == 2
        return two and plain[0].endswith("args") and plain[1].endswith("kwargs")

    def _build_and_fit_model(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        if self._takes_two and len(args) == 2:
            # Called by `super()` in the same form.
            args, kwargs = args
        hp = trial.hyperparameters
        model = self._try_build(hp)
        results = self.hypermodel.fit(hp, model, *args, **kwargs)
        # The hypermodel's own fit may ignore the callbacks.
        save_json(build_config_path(self, trial.trial_id), model.get_build_config())
        return results

    def _try_build(self, hp: HyperParameters) -> Any:
        self._frozen_objects.freeze_all()
        return super()._try_build(hp)

    def on_epoch_end(self, trial: Trial, model: Any, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report an epoch of a custom training loop; in `fit` a callback does.

        Afterwards `trial.should_stop` and `self.should_stop` say whether the server asks to stop. `model.stop_training`
        says it too, and stays true if the model itself had stopped.

        Args:
            trial: the running trial.
            model: the model in training.
            epoch: the epoch, from 0 on.
            logs: the epoch's metrics.
        """
        reporter = self.oracle.reporter(trial.trial_id)
        if reporter is None or reporter.fitting:
            return
        reporter.epoch(epoch, logs)
        # A model that was never fitted lacks the attribute.
        model.stop_training = reporter.should_stop or getattr(model, "stop_training", False)

    # --- models

    def _build_hypermodel(self, hp: HyperParameters) -> Any:
        if not self._bars:
            # KerasTuner clears Keras's session before each model, which resets the setting.
            keras.config.disable_interactive_logging()
        return super()._build_hypermodel(hp)

    def _override_compile_args(self, model: Any) -> None:
        if getattr(model, "compiled", True):
            super()._override_compile_args(model)
            return
        given = {"optimizer": self.optimizer, "loss": self.loss, "metrics": self.metrics}
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            # An optimizer belongs to one model only.
            given["optimizer"] = keras.optimizers.deserialize(keras.optimizers.serialize(self.optimizer))
        if any(given.values()):
            model.compile(**{name: value for name, value in given.items() if value})

    def _configure_tensorboard_dir(self, callbacks: list[Any], trial: Trial, execution: int = 0) -> None:
        log_trial(callbacks, trial, lambda folder: tensorboard_folder(self, folder, trial.trial_id, execution))

    def load_model(self, trial: Trial) -> Any:
        """Return the trial's model with the weights of its best epoch, whichever worker trained it.

        Args:
            trial: the trial whose weights are loaded.

        Raises:
            FileNotFoundError: the weights are no longer stored.
        """
        number = int(trial.trial_id)
        # A running trial may have saved a model already.
        active = self.oracle.active_trial(trial.trial_id)
        saved = None if active is None else self._checkpoints.saved_at(number, trial.best_step)
        if saved is None:
            self._checkpoints.fetch(number)
        if self.hypermodel is None:
            return keras.models.load_model(saved or self._checkpoints.path(number, WHOLE_MODEL))
        model = self._try_build(trial.hyperparameters)
        # KerasTuner creates the variables of an unbuilt model outside the scope.
        with maybe_distribute(self.distribution_strategy):
            self._load_weights(model, trial.trial_id, saved)
        return model

    def _load_weights(self, model: Any, trial_id: str, path: str | None = None) -> None:
        """Load the weights of a trial's best epoch, and the optimizer's state of that epoch, into a model."""
        if not model.built:
            model.build_from_config(load_json(build_config_path(self, trial_id)))
        if getattr(model, "optimizer", None) is not None:
            # An optimizer without variables would load none from the file.
            model.optimizer.build(model.trainable_variables)
        model.load_weights(path or checkpoint_path(self, trial_id))
