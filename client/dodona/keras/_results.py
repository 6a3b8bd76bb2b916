"""What `run_trial` returns, as the metrics and the step of a trial."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import keras
from keras_tuner import Objective

from dodona.keras._private import MultiObjective, convert_to_metrics_dict, get_best_step, validate_trial_results


def outcome_of(results: Any, objective: Objective) -> tuple[dict[str, float], int]:
    """The metrics, and the epoch they belong to, from 0 on.

    Args:
        results: a number, a dict, a History, or a list of them, of which the mean counts.
        objective: the study's.

    Raises:
        FatalError: it is none of these, or lacks the objective.
    """
    results = with_sum(results, objective)
    validate_trial_results(results, objective, "Tuner.run_trial()")
    return convert_to_metrics_dict(results, objective), _best_epoch(results, objective)


def _best_epoch(results: Any, objective: Objective) -> int:
    if isinstance(results, list):
        return int(statistics.mean(_best_epoch(one, objective) for one in results))
    index = int(get_best_step(results, objective))
    # KerasTuner counts from the first epoch of this training, which need not be that of the model.
    return int(results.epoch[index]) if isinstance(results, keras.callbacks.History) else index


def with_sum(results: Any, objective: Objective) -> Any:
    """The results of a search for several objectives with their sum, which KerasTuner finds in a History alone.

    Args:
        results: of a trial.
        objective: the study's.
    """
    if isinstance(results, list):
        return [with_sum(one, objective) for one in results]
    if isinstance(objective, MultiObjective) and isinstance(results, Mapping) and objective.has_value(results):
        return {objective.name: float(objective.get_value(results)), **results}
    return results
