"""What a training of the table is: hyperparameters with scales, and a function that trains epoch by epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EPOCHS = 50

Configuration = Mapping[str, Any]
# The validation metrics after an epoch, by name.
Metrics = dict[str, float]


@dataclass(frozen=True)
class Dimension:
    """A hyperparameter.

    Args:
        name: of it.
        scale: linear, log, or categorical.
        low: the least value; unused if categorical.
        high: the largest value; unused if categorical.
        values: of a categorical one; the table has their indexes.
    """

    name: str
    scale: str
    low: float = 0.0
    high: float = 0.0
    values: tuple[Any, ...] = ()

    def draw(self, rng: random.Random) -> Any:
        """Return a random value on the scale."""
        if self.values:
            return rng.choice(self.values)
        if self.scale == "log":
            return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return rng.uniform(self.low, self.high)

    def stored(self, value: Any) -> float:
        """Return a value as the table has it."""
        return float(self.values.index(value)) if self.values else float(value)


def log(name: str, low: float, high: float) -> Dimension:
    """Return a hyperparameter on a logarithmic scale."""
    return Dimension(name, "log", low, high)


def linear(name: str, low: float, high: float) -> Dimension:
    """Return a hyperparameter on a linear scale."""
    return Dimension(name, "linear", low, high)


def choice(name: str, *values: Any) -> Dimension:
    """Return a categorical hyperparameter."""
    return Dimension(name, "categorical", values=values)


@dataclass(frozen=True)
class Task:
    """A model on a data set.

    Args:
        name: `LIBRARY_MODEL_DATA`.
        space: its hyperparameters.
        metrics: the goal of each validation metric, min or max.
        train: yields the metrics after each of `EPOCHS` epochs; gets a configuration and a seed.
    """

    name: str
    space: tuple[Dimension, ...]
    metrics: Mapping[str, str]
    train: Callable[[Configuration, int], Iterator[Metrics]]


def about(space: tuple[Dimension, ...], metrics: Mapping[str, str]) -> dict[str, Any]:
    """Return what a table says of a task: its hyperparameters, and the goals of its metrics."""
    return {
        "parameters": [
            {"name": one.name, "scale": one.scale, "low": one.low, "high": one.high, "values": one.values}
            for one in space
        ],
        "metrics": dict(metrics),
    }
