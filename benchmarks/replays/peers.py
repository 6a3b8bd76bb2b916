"""Policies of peers, by their own code: Optuna's pruners, Ray's ASHA, KerasTuner's Hyperband.

A peer's package is imported when the peer is first created.
"""

from __future__ import annotations

import math
import os
from types import SimpleNamespace
from typing import Any

import numpy as np

from curves.tables import CurveTable
from dodona_server.domain.space import Categorical, Scale
from replays.choosing import nearest
from replays.simulation import Board, Verdict

EPOCHS = 50


class OptunaPruner:
    """A pruner of Optuna, with the trials of the search or with those of Optuna's TPE.

    Args:
        pruner: median, percentile, hyperband or successive_halving, all with their defaults.
        seed: of TPE.
    """

    def __init__(self, pruner: str, seed: int = 0) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruners = {
            "none": optuna.pruners.NopPruner,
            "median": optuna.pruners.MedianPruner,
            "percentile": lambda: optuna.pruners.PercentilePruner(25.0),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=EPOCHS),
            "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
        }
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        self._states = optuna.trial.TrialState
        self._study = optuna.create_study(sampler=sampler, pruner=pruners[pruner](), direction="maximize")
        self._trials: dict[int, Any] = {}

    def start(self, board: Board) -> int | None:
        """See `Policy`."""
        return len(board.rows) if board.may_add else None

    def choose(self, board: Board) -> int:
        """Return the configuration nearest to TPE's."""
        trial = self._trials[len(board.rows)] = self._study.ask()
        return nearest(board, _suggested(trial, board.table))

    def report(self, board: Board, trial: int) -> Verdict:
        """See `Policy`."""
        if trial not in self._trials:
            self._trials[trial] = self._study.ask()
        optuna_trial, step = self._trials[trial], board.reached[trial]
        optuna_trial.report(board.value(trial), step)
        if step == board.epochs:
            ended = math.isfinite(board.bests[trial])
            value = board.bests[trial] if ended else None
            self._study.tell(optuna_trial, value, self._states.COMPLETE if ended else self._states.FAIL)
            return Verdict.GO
        if not optuna_trial.should_prune():
            return Verdict.GO
        self._study.tell(optuna_trial, state=self._states.PRUNED)
        return Verdict.STOP


def _suggested(trial: Any, table: CurveTable) -> np.ndarray:
    """Return TPE's suggestion in the unit cube."""
    values: dict[str, Any] = {}
    for parameter in table.space.parameters:
        kind = parameter.kind
        if isinstance(kind, Categorical):
            values[parameter.id] = trial.suggest_categorical(parameter.id, kind.values)
        else:
            log = kind.scale is Scale.LOG
            values[parameter.id] = trial.suggest_float(parameter.id, kind.min_value, kind.max_value, log=log)
    return table.place(values)


class RayAsha:
    """Ray's AsyncHyperBandScheduler with its defaults (reduction factor 4, grace period 1): ASHA that stops trials."""

    def __init__(self) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler

        self._scheduler = AsyncHyperBandScheduler(metric="value", mode="max", max_t=EPOCHS)
        self._trials: dict[int, Any] = {}

    def start(self, board: Board) -> int | None:
        """See `Policy`."""
        return len(board.rows) if board.may_add else None

    def report(self, board: Board, trial: int) -> Verdict:
        """See `Policy`."""
        if trial not in self._trials:
            self._trials[trial] = SimpleNamespace(trial_id=str(trial))
            self._scheduler.on_trial_add(None, self._trials[trial])
        result = {"training_iteration": board.reached[trial], "value": board.value(trial)}
        action = self._scheduler.on_trial_result(None, self._trials[trial], result)
        return Verdict.GO if action == self._scheduler.CONTINUE else Verdict.STOP


class KerasTunerHyperband:
    """KerasTuner's Hyperband with its default factor 3, repeated; a promoted trial continues where it was paused."""

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras_tuner

        class Oracle(keras_tuner.oracles.HyperbandOracle):
            may_add = True

            def _random_trial(self, trial_id: str, bracket: Any) -> dict[str, Any]:
                return super()._random_trial(trial_id, bracket) if self.may_add else {"status": "STOPPED"}

            def _random_values(self) -> dict[str, Any]:
                return {"row": 0}

        objective = keras_tuner.Objective("value", "max")
        self._oracle = Oracle(objective, max_epochs=EPOCHS, hyperband_iterations=10**6)
        # The current training of each trial: KerasTuner counts each promotion as a trial.
        self._trainings: dict[int, Any] = {}

    def start(self, board: Board) -> int | None:
        """See `Policy`."""
        oracle = self._oracle
        oracle.may_add = board.may_add
        name = str(len(oracle.trials))
        values = oracle.populate_space(name).get("values")
        if values is None:
            return None
        earlier = oracle.trials.get(values.get("tuner/trial_id"))
        trial = len(board.rows) if earlier is None else earlier.of
        parameters = SimpleNamespace(values=values)
        training = SimpleNamespace(
            trial_id=name, of=trial, status="RUNNING", score=-math.inf, hyperparameters=parameters
        )
        oracle.trials[name] = self._trainings[trial] = training
        return trial

    def report(self, board: Board, trial: int) -> Verdict:
        """See `Policy`."""
        training, value = self._trainings[trial], board.value(trial)
        training.score = max(training.score, value) if math.isfinite(value) else training.score
        if board.reached[trial] < training.hyperparameters.values["tuner/epochs"]:
            return Verdict.GO
        training.status = "COMPLETED"
        return Verdict.PAUSE
