"""Which epoch each value of a History belongs to.

A History has a list of values for each metric. KerasTuner pairs these lists by index, which mixes epochs up as soon as
a metric is not measured in every epoch, such as those of validation with `validation_freq=2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from keras.callbacks import Callback, History

from dodona.keras._mapping.metrics import numbers

# The numbers of the epochs, from 0 on, and the metrics that were measured in each. UNKNOWN and the numbers below it
# stand for epochs whose number is not known.
Epochs: TypeAlias = Sequence[tuple[int, dict[str, float]]]
UNKNOWN = -1

# In which epochs `fit` has measured each metric.
_measured: WeakKeyDictionary[History, dict[str, list[int]]] = WeakKeyDictionary()


class NoteEpochs(Callback):  # type: ignore[misc]  # keras has no types
    """Notes in which epochs each metric of the History that `fit` returns was measured."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Forgets an earlier `fit` with the same History."""
        if isinstance(history := getattr(self.model, "history", None), History):
            _measured[history] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Notes the epoch's metrics."""
        if isinstance(history := getattr(self.model, "history", None), History):
            for name in logs or {}:
                _measured.setdefault(history, {}).setdefault(name, []).append(int(epoch))


def fill(history: History, epochs: Epochs) -> None:
    """Makes a History that of these epochs.

    Args:
        history: loses what it has.
        epochs: their numbers and metrics.
    """
    history.epoch, history.history = [epoch for epoch, _ in epochs], {}
    measured = _measured[history] = {}
    for epoch, metrics in epochs:
        for name, value in metrics.items():
            history.history.setdefault(name, []).append(value)
            measured.setdefault(name, []).append(epoch)


def as_history(results: Any) -> History | None:
    """What `fit` or a method of the user returned, if it is a History, or the lists of one: `fit(...).history`."""
    if isinstance(results, History):
        return results
    if not isinstance(results, Mapping) or not results or not all(isinstance(one, list) for one in results.values()):
        return None
    history = History()
    history.history = dict(results)
    return history


def epochs_of(history: History) -> list[tuple[int, dict[str, float]]]:
    """The epochs of a History with the metrics that were measured in each, in order."""
    lists = {name: _listed(values) for name, values in history.history.items()}
    longest = max(map(len, lists.values()), default=0)
    # One that somebody has filled by hand has no numbers of epochs.
    trained = list(getattr(history, "epoch", None) or range(longest))
    noted = _measured.get(history, {})
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for name, values in lists.items():
        measured, group = noted.get(name, []), ""
        if len(measured) != len(values):
            measured, group = _told_by_count(name, len(values), trained)
        for epoch, value in zip(measured, values, strict=True):
            found.setdefault((epoch, group), {})[name] = value
    return [(epoch, numbers(metrics)) for (epoch, _), metrics in sorted(found.items(), key=lambda one: one[0])]


def _told_by_count(name: str, count: int, trained: list[int]) -> tuple[list[int], str]:
    """The epochs in which a metric was measured, and where they are unknown, which metrics were measured with it.

    Args:
        name: the metric's.
        count: how many values it has.
        trained: the epochs of the training.
    """
    if count == len(trained):
        return trained, ""
    unknown = [UNKNOWN - index for index in range(count)]
    if not name.startswith("val_"):
        return unknown, name
    # What a validation_freq of 2, 3 and so on would have measured, as `fit` counts.
    regular = [[epoch for epoch in trained if (epoch + 1) % every == 0] for every in range(2, len(trained) + 1)]
    possible = [epochs for epochs in regular if len(epochs) == count]
    if possible and all(epochs == possible[0] for epochs in possible):
        return possible[0], ""
    # All of validation is measured together.
    return unknown, f"val_ {count}"


def _listed(values: Any) -> Sequence[Any]:
    try:
        return list(values)
    except TypeError:
        return [values]
