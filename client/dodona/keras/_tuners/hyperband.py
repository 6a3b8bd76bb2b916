"""Hyperband: many short trainings, of which the best continue."""

from __future__ import annotations

from typing import Any

import keras_tuner

from dodona.keras._oracle.arguments import hyperband_options
from dodona.keras._tuners.with_oracle import AlgorithmTuner


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
        **kwargs: see `RandomSearch`. `max_trials` may also limit the study. `sampler` ("random", "tpe" or "gp_bandit")
            says how new points are chosen. `fidelity` names a hyperparameter that grows from round to round instead of
            the epochs; `max_epochs` has no effect then, and trials are not continued.

    """

    _keras_tuner_class = keras_tuner.Hyperband
    _algorithm = "HYPERBAND"

    def _tuner_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        options = hyperband_options(*(arguments.pop(name) for name in ("max_epochs", "factor", "hyperband_iterations")))
        if (sampler := arguments.pop("sampler", None)) is not None:
            options["sampler"] = sampler.upper()
        if (fidelity := arguments.pop("fidelity", None)) is not None:
            options["fidelity"] = fidelity
            del options["max_epochs"]
        return arguments | {"algorithm_options": options}
