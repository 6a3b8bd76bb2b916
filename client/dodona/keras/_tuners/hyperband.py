"""Hyperband: many short trainings, of which the best go on where they ended."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras_tuner
from keras_tuner import HyperModel, HyperParameters
from keras_tuner.engine.trial import Trial

from dodona.keras._oracle.arguments import hyperband_options
from dodona.keras._tuners.with_oracle import NamedTuner

logger = logging.getLogger("dodona")


class Hyperband(NamedTuner):
    """keras_tuner.Hyperband: each trial trains for the epochs that the server gives it; the best of them go on.

    A trial that is promoted begins with the best weights of the trial that it continues, and the optimizer's state of
    that epoch, and trains from that one's last epoch to its own. This holds for any model that the hypermodel builds,
    however its `fit` is called: an overridden `_build_and_fit_model` need not pass `epochs` and `initial_epoch` on. An
    overridden `run_trial` finds them in `trial.hyperparameters.values`. If the weights are not kept, as with a `fit` of
    your own that saves none, the trial trains from the beginning for all of its epochs, and a warning says so.

    Args:
        *args: as of keras_tuner.Hyperband: hypermodel, objective, max_epochs=100, factor=3, hyperband_iterations=1,
            seed, hyperparameters and so on.
        **kwargs: as of `RandomSearch`. `max_trials` may limit the study besides.

    """

    _theirs = keras_tuner.Hyperband
    _algorithm = "HYPERBAND"

    def _translate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        options = hyperband_options(*(arguments.pop(name) for name in ("max_epochs", "factor", "hyperband_iterations")))
        return arguments | {"algorithm_options": options}

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Trains the trial's model from its first epoch to its last; see `Tuner.run_trial`."""
        values = trial.hyperparameters.values
        if "tuner/epochs" not in values:
            # Somebody has queued these values by hand.
            return super().run_trial(trial, *args, **kwargs)
        parent = self._parent_of(trial)
        epochs = {"epochs": values["tuner/epochs"], "initial_epoch": values["tuner/initial_epoch"]}

        def prepare(model: Any) -> None:
            if parent is not None:
                self._restore(model, parent)
            _train_for(model, epochs)

        with _after_each_build(self.hypermodel, prepare):
            return super().run_trial(trial, *args, **kwargs | epochs)

    def _parent_of(self, trial: Trial) -> str | None:
        """The trial that this one continues; None if it begins anew, also because that one's weights are nowhere."""
        values = trial.hyperparameters.values
        parent: str | None = values.get("tuner/trial_id")
        if parent is None:
            return None
        try:
            self._models.fetch(int(parent))
        except FileNotFoundError as error:
            logger.warning(
                "trial %s trains from the beginning for all of its %d epochs, since it cannot go on where trial %s "
                "ended: %s. Does your own fit save no weights? That of Keras does, and so does Tuner.save_model()",
                trial.trial_id,
                values["tuner/epochs"],
                parent,
                error,
            )
            # For a fit that goes by these.
            del values["tuner/trial_id"]
            values["tuner/initial_epoch"] = 0
            return None
        return parent


@contextmanager
def _after_each_build(hypermodel: HyperModel, prepare: Callable[[Any], None]) -> Iterator[None]:
    """Prepares every model that the hypermodel builds within the block, whoever calls it."""
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
    """Makes `fit` train for these epochs, unless its caller asks for others."""
    fit = model.fit
    parameters = inspect.signature(fit)

    def fit_for(*args: Any, **kwargs: Any) -> Any:
        given = parameters.bind_partial(*args, **kwargs).arguments | kwargs
        if given.get("epochs", epochs["epochs"]) == epochs["epochs"]:
            kwargs |= {name: value for name, value in epochs.items() if name not in given}
        return fit(*args, **kwargs)

    model.fit = fit_for
