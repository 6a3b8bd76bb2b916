"""Data sets that ship with scikit-learn, scaled and split in the same way for all trainings."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


class Data(NamedTuple):
    """Training and validation parts; the targets of a regression have mean 0 and variance 1."""

    x: Any
    y: Any
    x_valid: Any
    y_valid: Any

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.y.max()) + 1


@functools.cache
def load(name: str, noisy_labels: float = 0.0) -> Data:
    """Return a data set of scikit-learn: digits, breast_cancer, wine or diabetes.

    Args:
        name: of the data set.
        noisy_labels: the share of training labels that are replaced by random ones, so that models overfit.
    """
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    regression = name == "diabetes"
    x, x_valid, y, y_valid = train_test_split(x, y, test_size=0.3, random_state=0, stratify=None if regression else y)
    scaler = StandardScaler().fit(x)
    x, x_valid = (scaler.transform(part).astype("float32") for part in (x, x_valid))
    if regression:
        mean, deviation = y.mean(), y.std()
        y, y_valid = (((part - mean) / deviation).astype("float32") for part in (y, y_valid))
    rng = np.random.default_rng(0)
    replaced = rng.random(len(y)) < noisy_labels
    y = np.where(replaced, rng.integers(0, y.max() + 1, len(y)), y) if noisy_labels else y
    return Data(x, y, x_valid, y_valid)
