"""Results of `run_trial` and `fit` as a trial's metrics and epoch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
from keras_tuner import Objective
from keras_tuner.errors import FatalTypeError, FatalValueError

from dodona._text import shortened, words_of
from dodona.keras._compat import DefaultObjective, MultiObjective, validate_trial_results
from dodona.keras._mapping.epochs import UNKNOWN, Epochs, as_history, epochs_of
from dodona.keras._mapping.metrics import numbers
from dodona.keras._mapping.objective import score


class MissingObjective(FatalValueError, FatalTypeError):  # type: ignore[misc]  # keras_tuner has no types
    """The objective is missing in a trial's metrics and would be in every other trial: the search ends."""


def metrics_and_epoch(
    results: Any, objective: Objective, source: str = "Tuner.run_trial()"
) -> tuple[dict[str, float], int]:
    """Return the metrics and their epoch, from 0 on; UNKNOWN if the number of their epoch is not known.

    Args:
        results: a number, a dict, a History, or a list of them, which counts as its mean.
        objective: the study's objective.
        source: the function that returned the results, for errors.

    Raises:
        MissingObjective: the objective is not among the results' metrics.
        FatalError: the results have another type.
        ValueError: the objective's value is not a number.
    """
    if isinstance(results, list) and results:
        return _mean([metrics_and_epoch(one, objective, source) for one in results])
    epochs, given, where = _read(results, objective, source)
    best = best_of(epochs, objective)
    if best is None:
        raise _missing_value(given, objective, where)
    epoch, metrics = best
    return metrics, max(epoch, UNKNOWN)


def _read(results: Any, objective: Objective, source: str) -> tuple[Epochs, Mapping[Any, Any], str]:
    """Return the epochs that count, the given metrics, and their description for errors."""
    if (history := as_history(results)) is not None:
        return epochs_of(history), history.history, f"the History of {source}"
    if isinstance(results, Mapping):
        return [(0, numbers(results))], results, f"the returned dictionary from {source}"
    if isinstance(results, Real) or hasattr(results, "ndim"):
        value = {objective.name: results}
        return [(0, numbers(value))], value, f"the return value of {source}"
    validate_trial_results(results, objective, source)
    return [], {}, f"the results of {source}"


def missing_objective(objective: Objective, found: Iterable[Any], where: str) -> MissingObjective:
    """Return the error for a missing objective, which names the metrics that exist.

    Args:
        objective: the study's objective.
        found: the names of the metrics that exist.
        where: the description of the result that lacks it.
    """
    there = sorted(map(words_of, found))
    names = shortened(", ".join(map(repr, there)), 1500) or "no metric at all"
    if isinstance(objective, DefaultObjective):
        words = f"Expected {where} to be a single float when `objective` is left unspecified. It has {names}."
    else:
        lacking = [part for part in _parts(objective) if part not in there]
        words = f"Expected {where} to have the specified objective, {', '.join(lacking)}. It has {names}."
        if lacking[0].startswith("val_") and there and not any(name.startswith("val_") for name in there):
            words += " Nothing was validated: is validation_data= or validation_split= missing?"
    return MissingObjective(f"{words} Name one of the metrics that there are as the objective.")


def is_better(objective: Objective, value: float, than: float | None) -> bool:
    """Return whether one value of the objective is better than another; any value is better than none or NaN."""
    if than is None or math.isnan(than):
        return than is None or not math.isnan(value)
    return bool(objective.better_than(value, than))


def _missing_value(given: Mapping[Any, Any], objective: Objective, where: str) -> Exception:
    """Return the error for metrics without a usable value of the objective."""
    parts = _parts(objective)
    if objective.name not in given and any(part not in given for part in parts):
        return missing_objective(objective, given, where)
    name = next((name for name in (objective.name, *parts) if name in given and name not in numbers(given)), None)
    if name is None:
        return ValueError(f"no epoch in {where} has a number for each of {', '.join(parts)}, the objective")
    value = shortened(words_of(given[name]), 200)
    return ValueError(f"the objective {name} in {where} is {value}, which is not a number")


def _parts(objective: Objective) -> list[str]:
    return list(objective.name_to_direction) if isinstance(objective, MultiObjective) else [objective.name]


def best_of(epochs: Epochs, objective: Objective) -> tuple[int, dict[str, float]] | None:
    """Return the first epoch with the best objective, which its metrics include; None if no epoch has it."""
    best: tuple[int, dict[str, float]] | None = None
    for epoch, metrics in epochs:
        value = score(objective, metrics)
        if value is not None and is_better(objective, value, best[1][objective.name] if best else None):
            best = epoch, {objective.name: value, **metrics}
    return best


def _mean(outcomes: list[tuple[dict[str, float], int]]) -> tuple[dict[str, float], int]:
    names = dict.fromkeys(name for metrics, _ in outcomes for name in metrics)
    means = {name: float(np.mean([one[name] for one, _ in outcomes if name in one])) for name in names}
    known = [epoch for _, epoch in outcomes if epoch != UNKNOWN]
    return means, int(statistics.mean(known)) if known else UNKNOWN
