"""Epoch of each value in a History.

A History has a list of values for each metric. KerasTuner pairs these lists by index, which mixes epochs as soon as a
metric is not measured in every epoch, such as validation metrics with `validation_freq=2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from keras.callbacks import Callback, History

from dodona.keras._mapping.metrics import numbers

# Epoch numbers from 0 on, and the metrics measured in each. UNKNOWN and the numbers below it are epochs whose number is
# not known.
Epochs: TypeAlias = Sequence[tuple[int, dict[str, float]]]
UNKNOWN = -1

# The epochs in which `fit` has measured each metric.
_measured: WeakKeyDictionary[History, dict[str, list[int]]] = WeakKeyDictionary()


class RecordEpochs(Callback):  # type: ignore[misc]  # keras has no types
    """A callback that records in which epochs `fit` measured each metric of its History."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Clear the records of an earlier `fit` with the same History."""
        if isinstance(history := getattr(self.model, "history", None), History):
            _measured[history] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record the epoch's metrics."""
        if isinstance(history := getattr(self.model, "history", None), History):
            for name in logs or {}:
                _measured.setdefault(history, {}).setdefault(name, []).append(int(epoch))


def set_epochs(history: History, epochs: Epochs) -> None:
    """Replace a History's content by these epochs.

    Args:
        history: the History; its old content is removed.
        epochs: their numbers and metrics.
    """
    history.epoch, history.history = [epoch for epoch, _ in epochs], {}
    measured = _measured[history] = {}
    for epoch, metrics in epochs:
        for name, value in metrics.items():
            history.history.setdefault(name, []).append(value)
            measured.setdefault(name, []).append(epoch)


def as_history(results: Any) -> History | None:
    """Return a result as a History: one that `fit` or the user returned, or the lists of one (`fit(...).history`)."""
    if isinstance(results, History):
        return results
    if not isinstance(results, Mapping) or not results or not all(isinstance(one, list) for one in results.values()):
        return None
    history = History()
    history.history = dict(results)
    return history


def epochs_of(history: History) -> list[tuple[int, dict[str, float]]]:
    """Return the epochs of a History in order, with the metrics measured in each."""
    lists = {name: _listed(values) for name, values in history.history.items()}
    longest = max(map(len, lists.values()), default=0)
    # A History that a user filled has no epoch numbers.
    trained = list(getattr(history, "epoch", None) or range(longest))
    recorded = _measured.get(history, {})
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for name, values in lists.items():
        measured, group = recorded.get(name, []), ""
        if len(measured) != len(values):
            measured, group = _epochs_by_count(name, len(values), trained)
        for epoch, value in zip(measured, values, strict=True):
            found.setdefault((epoch, group), {})[name] = value
    return [(epoch, numbers(metrics)) for (epoch, _), metrics in sorted(found.items(), key=lambda one: one[0])]


def _epochs_by_count(name: str, count: int, trained: list[int]) -> tuple[list[int], str]:
    """Return the epochs in which a metric was measured; for unknown ones also the group of metrics measured together.

    Args:
        name: the metric's name.
        count: how many values it has.
        trained: the epochs of the training.
    """
    if count == len(trained):
        return trained, ""
    unknown = [UNKNOWN - index for index in range(count)]
    if not name.startswith("val_"):
        return unknown, name
    # The epochs that `fit` would have validated with a validation_freq of 2, 3 and so on.
    regular = [[epoch for epoch in trained if (epoch + 1) % every == 0] for every in range(2, len(trained) + 1)]
    possible = [epochs for epochs in regular if len(epochs) == count]
    if possible and all(epochs == possible[0] for epochs in possible):
        return possible[0], ""
    # All validation metrics are measured together.
    return unknown, f"val_ {count}"


def _listed(values: Any) -> Sequence[Any]:
    try:
        return list(values)
    except TypeError:
        return [values]
