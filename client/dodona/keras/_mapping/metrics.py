"""Values that count as metrics: one rule for every kind of result.

A number counts as it is. A vector of numbers, such as an F1 score for each class, counts as its mean, whether it is an
array, a tensor or a list; KerasTuner averages the results of a trial too. Everything else is left out: matrices, None,
text, nested dicts, empty vectors, and names that the server cannot store.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import keras
import numpy as np

from dodona._text import sendable

# The server's limit.
MAX_NAME_LENGTH = 256
# NumPy's kinds of arrays without real numbers: objects, bytes, text, times and complex numbers.
_NO_NUMBERS = frozenset("OSUMmc")


def numbers(metrics: Mapping[Any, Any]) -> dict[str, float]:
    """Return the metrics that count, each as a single number.

    Args:
        metrics: such as the logs of an epoch.
    """
    counted = {name: number_of(value) for name, value in metrics.items() if _is_name(name)}
    return {name: value for name, value in counted.items() if value is not None}


def number_of(value: object) -> float | None:
    """Return the number for a metric's value; None if the value is left out."""
    if isinstance(value, str | bytes | Mapping):
        return None
    try:
        if isinstance(value, Real | Decimal):
            return float(value)
        array = np.asarray(keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value)
        if array.dtype.kind in _NO_NUMBERS or array.ndim > 1 or not array.size:
            return None
        return float(array.astype(np.float64).mean())
    except Exception:  # noqa: BLE001 - objects of anybody's, and a metric must not decide over a trial
        return None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME_LENGTH and sendable(name) == name
