"""The compared policies by name; a policy is created for each search, since it has a state."""

from __future__ import annotations

import functools
from collections.abc import Callable

from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from replays.baselines import FullTraining, TopAfter
from replays.peers import KerasTunerHyperband, OptunaPruner, RayAsha
from replays.rules import RulePolicy
from replays.rungs import RungPolicy
from replays.simulation import Policy

FULL = "full training"
PRUNERS = ("median", "percentile", "hyperband", "successive_halving")

RULES = {
    "auto": StoppingRule(StoppingMethod.AUTOMATIC),
    "decay_curve": StoppingRule(StoppingMethod.DECAY_CURVE),
    "median": StoppingRule(StoppingMethod.MEDIAN),
    "convex": StoppingRule(StoppingMethod.CONVEX),
    "asha": StoppingRule(StoppingMethod.ASHA),
    "asha, minResource 3": StoppingRule(StoppingMethod.ASHA, min_resource=3),
    "no_progress, 10 epochs": StoppingRule(StoppingMethod.NO_PROGRESS, patience=10),
}

BASELINES: dict[str, Callable[[], Policy]] = {
    FULL: FullTraining,
    "1 epoch, then the top 10%": functools.partial(TopAfter, 1, 0.1),
    "1 epoch, then the top 20%": functools.partial(TopAfter, 1, 0.2),
    "3 epochs, then the top 10%": functools.partial(TopAfter, 3, 0.1),
}
# The name of each algorithm, and its options.
ALGORITHMS: dict[str, tuple[str, dict[str, int]]] = {
    "ASHA": ("ASHA", {"max_resource": 50}),
    "ASHA, min_resource 3": ("ASHA", {"max_resource": 50, "min_resource": 3}),
    "FREEZE_THAW": ("FREEZE_THAW", {"max_resource": 50, "initial_trials": 1_000_000}),
    "HYPERBAND": ("HYPERBAND", {"max_epochs": 50, "hyperband_iterations": 0}),
    "SUCCESSIVE_HALVING": ("SUCCESSIVE_HALVING", {"max_resource": 50, "initial_trials": 100}),
}
OURS: dict[str, Callable[[], Policy]] = {
    **{name: functools.partial(RulePolicy, rule) for name, rule in RULES.items()},
    **{name: functools.partial(RungPolicy, *algorithm) for name, algorithm in ALGORITHMS.items()},
}
PEERS: dict[str, Callable[[], Policy]] = {
    **{f"Optuna {name}": functools.partial(OptunaPruner, name) for name in PRUNERS},
    "Ray ASHA": RayAsha,
    "KerasTuner Hyperband": KerasTunerHyperband,
}
# Those that pause trials, so that workers may have to wait.
PAUSING = (*BASELINES, *ALGORITHMS, "KerasTuner Hyperband")
# Optuna's own without a pruner, which is full training with its TPE.
NO_PRUNER = "Optuna none"
POLICIES = {**BASELINES, **OURS, **PEERS, NO_PRUNER: functools.partial(OptunaPruner, "none")}
# What runs with each model that chooses configurations.
MODELS = {
    "GP_BANDIT": (FULL, "auto", "median", "ASHA, min_resource 3", "FREEZE_THAW", "HYPERBAND"),
    "TPE of Optuna": (NO_PRUNER, *(f"Optuna {name}" for name in PRUNERS)),
}
