"""Hyperband: many short trainings, of which the best continue."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras_tuner
from keras_tuner import HyperModel, HyperParameters
from keras_tuner.engine.trial import Trial

from dodona._codec import EPOCHS
from dodona.keras._oracle.arguments import hyperband_options
from dodona.keras._tuners.with_oracle import AlgorithmTuner

logger = logging.getLogger("dodona")


class Hyperband(AlgorithmTuner):
    """keras_tuner.Hyperband: the server says how many epochs each trial trains; the best trials continue.

    A promoted trial begins with the best weights and the optimizer's state of the trial that it continues, and trains
    from that trial's last epoch to its own. This holds for any model that the hypermodel builds, however its `fit` is
    called: an overridden `_build_and_fit_model` need not pass `epochs` and `initial_epoch` on. An overridden
    `run_trial` finds them in `trial.hyperparameters.values`. If the weights are not stored, as with a `fit` of your own
    that saves none, the trial trains from the beginning for all of its epochs, and a warning says so.

    Args:
        *args: the arguments of keras_tuner.Hyperband: hypermodel, objective, max_epochs=100, factor=3,
            hyperband_iterations=1, seed, hyperparameters and so on.
        **kwargs: see `RandomSearch`. `max_trials` may also limit the study.

    """

    _keras_tuner_class = keras_tuner.Hyperband
    _algorithm = "HYPERBAND"

    def _tuner_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        options = hyperband_options(*(arguments.pop(name) for name in ("max_epochs", "factor", "hyperband_iterations")))
        return arguments | {"algorithm_options": options}

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Train the trial's model from its first epoch to its last; see `Tuner.run_trial`."""
        values = trial.hyperparameters.values
        if EPOCHS not in values:
            # A user has queued these values.
            return super().run_trial(trial, *args, **kwargs)
        parent = self._parent_of(trial)
        epochs = {"epochs": values[EPOCHS], "initial_epoch": values["tuner/initial_epoch"]}

        def prepare(model: Any) -> None:
            if parent is not None:
                self._restore(model, parent)
            _train_for(model, epochs)

        with _after_each_build(self.hypermodel, prepare):
            return super().run_trial(trial, *args, **kwargs | epochs)

    def _parent_of(self, trial: Trial) -> str | None:
        """Return the trial that this one continues; None for a start from the beginning, or without its weights."""
        values = trial.hyperparameters.values
        parent: str | None = values.get("tuner/trial_id")
        if parent is None:
            return None
        try:
            self._checkpoints.fetch(int(parent))
        except FileNotFoundError as error:
            logger.warning(
                "trial %s trains from the beginning for all of its %d epochs, because it cannot continue trial "
                "%s: %s. Does your own fit save no weights? Keras's fit does, and so does Tuner.save_model()",
                trial.trial_id,
                values[EPOCHS],
                parent,
                error,
            )
            # For a `fit` that reads these values.
            del values["tuner/trial_id"]
            values["tuner/initial_epoch"] = 0
            return None
        return parent


@contextmanager
def _after_each_build(hypermodel: HyperModel, prepare: Callable[[Any], None]) -> Iterator[None]:
    """Call `prepare` on every model that the hypermodel builds within the block."""
    build = hypermodel.build

    def prepared(hp: HyperParameters) -> Any:
        model = build(hp)
        prepare(model)
        return model

    hypermodel.build = prepared
    try:
        yield
    finally:
        hypermodel.build = build


def _train_for(model: Any, epochs: dict[str, int]) -> None:
    """Set the default epochs of the model's `fit`, unless its caller passes others."""
    fit = model.fit
    parameters = inspect.signature(fit)

    def fit_for(*args: Any, **kwargs: Any) -> Any:
        given = parameters.bind_partial(*args, **kwargs).arguments | kwargs
        if given.get("epochs", epochs["epochs"]) == epochs["epochs"]:
            kwargs |= {name: value for name, value in epochs.items() if name not in given}
        return fit(*args, **kwargs)

    model.fit = fit_for
