"""Population-based training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dodona.keras._tuners.tuner import Tuner


class PBT(Tuner):
    """Population-based training: the hyperparameters change while the models train.

    A population of models trains `interval` epochs at a time; each of these parts is a trial. After each part, those
    that do worst continue with the weights, the optimizer's state and the hyperparameters of one that does well, and
    their `mutable` hyperparameters change a little. The next part may run on any worker.

    The model of a part is built with its hyperparameters. So the learning rate, the weight decay, dropout and
    everything else that sets no shape may change; see `on_trial_continue` for what needs more.

    Args:
        hypermodel: see `CloudTuner`.
        objective: see `CloudTuner`.
        max_epochs: the epochs of the whole training.
        population: how many models there are; as many as workers, at least.
        interval: the epochs of a part.
        mutable: the names of the hyperparameters that change; None for every Float without a step.
        max_trials: how many parts the study may have; None for all of them.
        **kwargs: further arguments of `CloudTuner`: seed, hyperparameters, study_id, url, directory and so on.

    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: int = 100,
        population: int = 10,
        interval: int = 5,
        mutable: Sequence[str] | None = None,
        max_trials: int | None = None,
        **kwargs: Any,
    ) -> None:
        options: dict[str, Any] = {"max_epochs": max_epochs, "population": population, "interval": interval}
        if mutable is not None:
            options["mutable"] = ",".join(mutable)
        super().__init__(
            "PBT", hypermodel, objective=objective, max_trials=max_trials, algorithm_options=options, **kwargs
        )
