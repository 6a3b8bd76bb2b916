"""Values of a Float or Int with a step, in exact decimals.

KerasTuner computes them in binary. It misses `max_value` where (max - min) // step comes out one too small, as for 0 to
0.3 by 0.1, and returns 0.30000000000000004 for 0.3. Here a value has the digits of its minimum and step.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from keras_tuner.engine.hyperparameters import Float, HyperParameter, Int

# A step that decimals cannot express, such as 1/3, may miss the end of its range by this part of a step.
_SLACK = 1e-9


def has_grid(hp: HyperParameter) -> bool:
    """Return whether only every `step`-th value of the range is possible."""
    return isinstance(hp, Float | Int) and hp.step is not None and not (isinstance(hp, Int) and hp.step == 1)


def grid_size(hp: Any) -> int:
    """Return how many values a Float or Int with a step has, including `max_value` if a step ends there."""
    return _last_index(hp) + 1


def grid_value(hp: Any, index: int) -> Any:
    """Return the value after `index` steps of a Float or Int with a step, from 0 to `grid_size(hp) - 1`.

    KerasTuner's order: linear and log ascend from `min_value`, reverse_log descends from `max_value`.
    """
    value = _exact(hp, index)
    if isinstance(hp, Int):
        return int(value)
    return min(max(_at_end(hp, float(value)), hp.min_value), hp.max_value)


def snapped(hp: Any, value: float) -> Any:
    """Return the grid value nearest to `value` on the scale of a Float or Int with a step."""
    return grid_value(hp, min(max(round(_steps_to(hp, value)), 0), _last_index(hp)))


def _steps_to(hp: Any, value: float) -> float:
    """Return the number of steps, with a fraction, from the grid's first value to `value`."""
    low, high, step = _decimal(hp.min_value), _decimal(hp.max_value), _decimal(hp.step)
    at = min(max(_decimal(value), low), high)
    match hp.sampling:
        case "log":
            return math.log(at / low) / math.log(step)
        case "reverse_log":
            return math.log((high - at + low) / low) / math.log(step)
        case _:
            return float((at - low) / step)


def _last_index(hp: Any) -> int:
    end = hp.min_value if hp.sampling == "reverse_log" else hp.max_value
    return math.floor(_steps_to(hp, end) + _SLACK)


def _exact(hp: Any, index: int) -> Decimal:
    low, high, step = _decimal(hp.min_value), _decimal(hp.max_value), _decimal(hp.step)
    match hp.sampling:
        case "log":
            return low * step**index
        case "reverse_log":
            return high + low - low * step**index
        case _:
            return low + index * step


def _at_end(hp: Any, value: float) -> float:
    """Return the end of the range for a value that differs from it by a rounding error; any other value unchanged."""
    for end in (hp.min_value, hp.max_value):
        if math.isclose(value, end, rel_tol=1e-12):
            return float(end)
    return value


def _decimal(value: float) -> Decimal:
    """Return the shortest decimal for a number: 0.1 and not the binary fraction next to it."""
    return Decimal(repr(value.item() if hasattr(value, "item") else value))
