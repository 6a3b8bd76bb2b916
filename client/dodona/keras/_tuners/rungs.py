"""Successive halving, ASHA and freeze-thaw: all trials train a little, and the best continue."""

from __future__ import annotations

from typing import Any, ClassVar

from dodona.keras._tuners.tuner import Tuner


class _RungTuner(Tuner):
    """A tuner whose trials pause at rungs, from which the best continue; see `SuccessiveHalving`."""

    _algorithm: ClassVar[str]

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: float | None = None,
        factor: int | None = None,
        max_trials: int | None = None,
        *,
        min_epochs: float | None = None,
        fidelity: str | None = None,
        sampler: str | None = None,
        **kwargs: Any,
    ) -> None:
        options = {
            "max_resource": max_epochs,
            "min_resource": min_epochs,
            "reduction_factor": factor,
            "fidelity": fidelity,
            "sampler": None if sampler is None else sampler.upper(),
            **self._own_options(kwargs),
        }
        super().__init__(
            self._algorithm,
            hypermodel,
            objective=objective,
            max_trials=max_trials,
            algorithm_options={name: value for name, value in options.items() if value is not None},
            **kwargs,
        )

    def _own_options(self, kwargs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Remove this tuner's own arguments from `kwargs`, and return the options for them."""
        return {}


class SuccessiveHalving(_RungTuner):
    """One epoch for all trials, then the best to the end; or more rungs.

    A trial that continues another one begins with its best weights and its optimizer's state, on any worker.

    Args:
        hypermodel: see `CloudTuner`.
        objective: see `CloudTuner`.
        max_epochs: the epochs of the last rung; None for 100.
        factor: one in this many trials continues to the next rung; None for 5.
        max_trials: how many trials the study may have, where a trial that continues counts again; None for 100 on the
            first rung.
        min_epochs: the epochs of the first rung; None for 1.
        initial_trials: how many trials the first rung has; None for as many as `max_trials` allows.
        rungs: how many rungs there are; 0 for rungs that are each `factor` times the one before; None for 2.
        fidelity: the name of a hyperparameter that grows from rung to rung instead of the epochs, such as the image
            size; `min_epochs` and `max_epochs` are then values of it, and None its own range. Trials are not continued.
        sampler: how new points are chosen: "random", "tpe" or "gp_bandit"; None for random ones.
        **kwargs: further arguments of `CloudTuner`: seed, hyperparameters, study_id, url, directory and so on.

    """

    _algorithm = "SUCCESSIVE_HALVING"

    def _own_options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {name: kwargs.pop(name, None) for name in ("initial_trials", "rungs")}


class ASHA(_RungTuner):
    """Asynchronous successive halving: a worker continues a trial as soon as it is among the best, and never waits.

    A trial that continues another one begins with its best weights and its optimizer's state, on any worker.

    Args:
        hypermodel: see `CloudTuner`.
        objective: see `CloudTuner`.
        max_epochs: the epochs of the last rung; None for 100.
        factor: one in this many trials continues, and each rung has this many times the epochs; None for 3.
        max_trials: how many trials the study may have, where a trial that continues counts again; None for no limit.
        min_epochs: the epochs of the first rung; None for 1.
        fidelity: see `SuccessiveHalving`.
        sampler: see `SuccessiveHalving`.
        **kwargs: see `SuccessiveHalving`.

    """

    _algorithm = "ASHA"


class FreezeThaw(_RungTuner):
    """Trials pause, and those whose curves say that they may end as the best continue; the rest never do.

    A trial that continues another one begins with its best weights and its optimizer's state, on any worker.

    Args:
        hypermodel: see `CloudTuner`.
        objective: see `CloudTuner`.
        max_epochs: the epochs of a whole training; None for 100.
        max_trials: how many trials the study may have, where a trial that continues counts again; None for no limit.
        initial_trials: how many configurations there are; the search ends when none of them may still become the best.
            None for new ones until `max_trials`.
        min_epochs: the epochs after which a trial pauses for the first time; None for 6% of `max_epochs`.
        fidelity: see `SuccessiveHalving`.
        sampler: see `SuccessiveHalving`.
        **kwargs: see `SuccessiveHalving`.

    """

    _algorithm = "FREEZE_THAW"

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: float | None = None,
        max_trials: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(hypermodel, objective, max_epochs, None, max_trials, **kwargs)

    def _own_options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"initial_trials": kwargs.pop("initial_trials", None)}
