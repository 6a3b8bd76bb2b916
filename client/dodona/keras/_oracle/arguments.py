"""Oracle of a tuner, built from its `oracle` argument."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Mapping
from typing import Any

import keras_tuner
from keras_tuner import oracles

from dodona.keras._compat import DefaultObjective
from dodona.keras._oracle.oracle import CloudOracle

logger = logging.getLogger("dodona")

# The oracle's arguments that a tuner passes on; `worker` and `overwrite` are the tuner's own arguments too.
ORACLE_SETTINGS = frozenset(inspect.signature(CloudOracle).parameters) - {"worker", "overwrite"}

_ALGORITHMS = {
    oracles.RandomSearchOracle: "RANDOM_SEARCH",
    oracles.GridSearchOracle: "GRID_SEARCH",
    oracles.BayesianOptimizationOracle: "GP_BANDIT",
    oracles.HyperbandOracle: "HYPERBAND",
}
# KerasTuner's grid has ten values of a Float without a step, and its default.
GRID_OPTIONS = {"points": 11}
_OF_ALL_ORACLES = (
    "max_trials",
    "seed",
    "allow_new_entries",
    "tune_new_entries",
    "max_retries_per_trial",
    "max_consecutive_failed_trials",
)
# KerasTuner's arguments without a meaning for GP_BANDIT, with their defaults.
BAYESIAN_DEFAULTS = {"num_initial_points": None, "alpha": 1e-4, "beta": 2.6}


def oracle_of(
    oracle: object, settings: Mapping[str, Any], project_name: str | None, worker: str | None, overwrite: bool
) -> CloudOracle:
    """Return the oracle on the server for a tuner's `oracle` argument.

    Args:
        oracle: a CloudOracle, one of KerasTuner's, an algorithm's name, or None.
        settings: the arguments of a CloudOracle.
        project_name: the study's name, if it has no other.
        worker: this worker's id.
        overwrite: whether to start the study over if no other worker can be using it.

    Raises:
        ValueError: `oracle` is none of these, or an argument is given twice.
    """
    match oracle:
        case CloudOracle():
            _refuse_duplicates(settings.keys(), "a CloudOracle is given")
            if overwrite:
                oracle.overwrite()
            return oracle
        case None:
            given: dict[str, Any] = {}
        case str():
            given = {"algorithm": oracle}
        case keras_tuner.Oracle() if type(oracle) in _ALGORITHMS:
            given = _settings_of(oracle)
        case _:
            raise ValueError(
                f"oracle is {oracle!r} of type {type(oracle).__name__}; it must be a CloudOracle, the name of an "
                "algorithm, None, or a RandomSearchOracle, GridSearchOracle, BayesianOptimizationOracle or "
                "HyperbandOracle of KerasTuner"
            )
    _refuse_duplicates(settings.keys() & given.keys(), f"oracle is {oracle!r}")
    given |= settings
    return CloudOracle(
        **{**given, "study_id": given.get("study_id") or project_name}, worker=worker, overwrite=overwrite
    )


def _refuse_duplicates(names: Any, given: str) -> None:
    if names:
        raise ValueError(f"{given}, which sets {', '.join(sorted(names))} already; pass them once")


def _settings_of(oracle: Any) -> dict[str, Any]:
    settings = {name: getattr(oracle, name) for name in _OF_ALL_ORACLES}
    settings["algorithm"] = _ALGORITHMS[type(oracle)]
    if not isinstance(oracle.objective, DefaultObjective):
        settings["objective"] = oracle.objective
    if oracle.hyperparameters.space:
        settings["hyperparameters"] = oracle.hyperparameters
    if isinstance(oracle, oracles.HyperbandOracle):
        settings["algorithm_options"] = hyperband_options(oracle.max_epochs, oracle.factor, oracle.hyperband_iterations)
    if isinstance(oracle, oracles.GridSearchOracle):
        settings["algorithm_options"] = GRID_OPTIONS
    if isinstance(oracle, oracles.BayesianOptimizationOracle):
        warn_of_bayesian({name: getattr(oracle, name) for name in BAYESIAN_DEFAULTS})
    return settings


def hyperband_options(max_epochs: int, factor: int, hyperband_iterations: float) -> dict[str, Any]:
    """Return KerasTuner's arguments of Hyperband as the server's options; the server's 0 means infinite iterations."""
    iterations = 0 if math.isinf(hyperband_iterations) else hyperband_iterations
    return {"max_epochs": max_epochs, "factor": factor, "hyperband_iterations": iterations}


def warn_of_bayesian(given: Mapping[str, Any]) -> None:
    """Warn if arguments of KerasTuner's Gaussian process are not its defaults: GP_BANDIT learns them.

    Args:
        given: `num_initial_points`, `alpha` and `beta`.
    """
    changed = [f"{name}={value}" for name, value in given.items() if value != BAYESIAN_DEFAULTS[name]]
    if changed:
        logger.warning(
            "%s: no effect. GP_BANDIT learns the noise and weighs exploration itself; algorithm='skopt_gp' has such "
            "options",
            ", ".join(changed),
        )
