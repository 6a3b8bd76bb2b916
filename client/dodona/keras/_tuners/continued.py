"""Trials that the server gives a number of epochs, some of which continue another trial."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from keras_tuner import HyperModel, HyperParameters
from keras_tuner.engine.trial import Trial

from dodona._codec import EPOCHS, INITIAL_EPOCH, RESUME_FROM, TUNER_PREFIX
from dodona.keras._checkpoints.retention import Checkpoints

logger = logging.getLogger("dodona")


def epochs_of(trial: Trial) -> dict[str, int]:
    """Return the arguments of `fit` for the epochs that the server has set; empty if it has set none."""
    values = trial.hyperparameters.values
    return {"epochs": values[EPOCHS], "initial_epoch": values[INITIAL_EPOCH]} if EPOCHS in values else {}


def parent_of(trial: Trial, checkpoints: Checkpoints) -> str | None:
    """Return the trial that this one continues, whose weights are here then; None if it starts from the beginning.

    A trial that cannot continue another one, because there are no weights, gets all of its epochs.
    """
    values = trial.hyperparameters.values
    parent: str | None = values.get(RESUME_FROM)
    if parent is None or EPOCHS not in values:
        return None
    try:
        checkpoints.fetch(int(parent))
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
        del values[RESUME_FROM]
        values[INITIAL_EPOCH] = 0
        return None
    return parent


@contextmanager
def own_learning_rate(model: Any, trial: Trial, parent: Trial) -> Iterator[None]:
    """Keep the model's learning rate while it loads its parent's state, if their hyperparameters differ.

    The learning rate is a variable of the optimizer. With equal hyperparameters the loaded one is right: a callback may
    have lowered it.
    """
    optimizer = getattr(model, "optimizer", None)
    # Another optimizer may be inside, as with mixed precision.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = None if optimizer is None else optimizer.get_config().get("learning_rate")
    yield
    # Otherwise it is a schedule, which is no variable.
    if optimizer is not None and isinstance(rate, float) and _own_values(trial) != _own_values(parent):
        optimizer.learning_rate = rate


def _own_values(trial: Trial) -> dict[str, Any]:
    return {name: one for name, one in trial.hyperparameters.values.items() if not name.startswith(TUNER_PREFIX)}


@contextmanager
def after_each_build(hypermodel: HyperModel, prepare: Callable[[Any], None]) -> Iterator[None]:
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


def train_for(model: Any, epochs: dict[str, int]) -> None:
    """Set the default epochs of the model's `fit`, unless its caller passes others."""
    fit = model.fit
    parameters = inspect.signature(fit)

    def fit_for(*args: Any, **kwargs: Any) -> Any:
        given = parameters.bind_partial(*args, **kwargs).arguments | kwargs
        if given.get("epochs", epochs["epochs"]) == epochs["epochs"]:
            kwargs |= {name: value for name, value in epochs.items() if name not in given}
        return fit(*args, **kwargs)

    model.fit = fit_for
