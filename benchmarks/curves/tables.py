"""Tables of curves behind one form: TaskSet, our trainings, networks trained at once, and synthetic curves.

A rule's constants may be chosen with the tables that are not held back. The others show what a rule is worth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curves import synthetic
from dodona_server.domain.space import Categorical, Double, Parameter, Scale, SearchSpace, Value

Array = npt.NDArray[np.float64]

TRAININGS = Path(__file__).parent / "trainings.npz"
NETWORKS = Path(__file__).parent / "networks.npz"
HELD_BACK = (
    "sklearn_mlp_wine",
    "sklearn_sgd_digits",
    "sklearn_boosting_breast_cancer",
    "keras_mlp_diabetes",
    "keras_cnn_digits",
    "keras_attention_breast_cancer",
    "jax_autoencoder_digits",
    "jax_cnn_digits_few",
    "jax_gru_sums",
    "jax_linear_digits",
    "jax_mlp_cancer",
    "jax_mlp_checkers",
    "jax_mlp_diabetes",
    "jax_mlp_friedman3",
    "jax_mlp_quantiles",
)
SYNTHETIC = range(10)
SYNTHETIC_HELD_BACK = range(100, 110)


@dataclass(frozen=True)
class CurveTable:
    """Configurations of a task with their whole curves.

    Args:
        name: of the task and its metric.
        group: taskset, trainings, networks or synthetic.
        space: the search space.
        unit: the configurations in the unit cube (n x d); a categorical value as its index divided by the largest one.
        values: the metric after each epoch (n x epochs), oriented so that larger is better; NaN if diverged.
        seconds: of an epoch of each configuration (n); 1 if unknown.
        maximized: whether the metric itself is maximized.
        held_back: whether no constant may be chosen with it.
    """

    name: str
    group: str
    space: SearchSpace
    unit: Array
    values: Array
    seconds: Array
    maximized: bool
    held_back: bool

    def parameters(self, row: int) -> dict[str, Value]:
        """Return a configuration as the server has it."""
        return {
            one.id: _value(one.kind, float(place))
            for one, place in zip(self.space.parameters, self.unit[row], strict=True)
        }

    def place(self, parameters: Mapping[str, Value]) -> Array:
        """Return a point of the space in the unit cube."""
        return np.array([_place(one.kind, parameters[one.id]) for one in self.space.parameters])

    def bests(self) -> Array:
        """Return the best value of each configuration's whole curve; minus infinity if it has none."""
        return np.where(np.isfinite(self.values), self.values, -np.inf).max(axis=1)

    def gap(self) -> float:
        """Return the difference between the best configuration and the median one."""
        bests = self.bests()
        return float(bests.max() - np.median(bests))


def read(taskset: Path | None = None) -> list[CurveTable]:
    """Return all tables; those of TaskSet if its file is given."""
    return [*(_taskset(taskset) if taskset else ()), *_stored(TRAININGS), *_stored(NETWORKS), *_synthetic()]


def _taskset(path: Path) -> Iterator[CurveTable]:
    with np.load(path) as stored:
        names = [str(name) for name in stored["hyperparameters"]]
        tasks = sorted(name.removesuffix("/valid") for name in stored.files if name.endswith("/valid"))
        for task in tasks:
            x = stored[f"{task}/x"].astype(float)
            parameters = [
                Parameter(name, Double(float(column.min()), float(column.max()), Scale.LOG))
                for name, column in zip(names, x.T, strict=True)
            ]
            # The first evaluation is of the untrained network.
            losses = stored[f"{task}/valid"][:, 1:].astype(float)
            yield _table(task, "taskset", parameters, x, -losses, np.ones(len(x)), maximized=False, held_back=False)


def _stored(path: Path) -> Iterator[CurveTable]:
    with np.load(path) as stored:
        for task, about in json.loads(str(stored["about"])).items():
            x, seconds = (stored[f"{task}/{part}"].astype(float) for part in ("x", "seconds"))
            parameters = [_parameter(one) for one in about["parameters"]]
            for metric, goal in about["metrics"].items():
                values = stored[f"{task}/{metric}"].astype(float) * (1 if goal == "max" else -1)
                yield _table(
                    f"{task} {metric}",
                    path.stem,
                    parameters,
                    x,
                    values,
                    seconds,
                    maximized=goal == "max",
                    held_back=task in HELD_BACK,
                )


def _parameter(about: dict[str, Any]) -> Parameter:
    if about["values"]:
        return Parameter(about["name"], Categorical(tuple(map(str, about["values"]))))
    scale = Scale.LOG if about["scale"] == "log" else Scale.LINEAR
    return Parameter(about["name"], Double(about["low"], about["high"], scale))


def _synthetic() -> Iterator[CurveTable]:
    for seed in (*SYNTHETIC, *SYNTHETIC_HELD_BACK):
        u, losses, seconds = synthetic.losses(seed)
        parameters = [Parameter(f"u{index}", Double(0.0, 1.0)) for index in range(u.shape[1])]
        held_back = seed in SYNTHETIC_HELD_BACK
        yield _table(
            f"synthetic {seed}", "synthetic", parameters, u, -losses, seconds, maximized=False, held_back=held_back
        )


def _table(
    name: str,
    group: str,
    parameters: Sequence[Parameter],
    x: Array,
    values: Array,
    seconds: Array,
    *,
    maximized: bool,
    held_back: bool,
) -> CurveTable:
    unit = np.column_stack([_unit(one.kind, column) for one, column in zip(parameters, x.T, strict=True)])
    values = np.where(np.isfinite(values), values, np.nan)
    space = SearchSpace(tuple(_with_defaults(parameters, unit)))
    return CurveTable(name, group, space, unit, values, seconds, maximized, held_back)


def _with_defaults(parameters: Sequence[Parameter], unit: Array) -> Iterator[Parameter]:
    """Yield the parameters with the configuration nearest to the middle as their default.

    An algorithm that begins with the default would suggest it again for as long as no trial has exactly its values.
    """
    middle = unit[((unit - 0.5) ** 2).sum(axis=1).argmin()]
    for one, place in zip(parameters, middle, strict=True):
        yield replace(one, kind=replace(one.kind, default_value=_value(one.kind, float(place))))


def _unit(kind: Any, column: Array) -> Array:
    """Return the places of stored values in the unit interval; a categorical one is stored as its index."""
    if isinstance(kind, Categorical):
        return column / max(len(kind.values) - 1, 1)
    return np.array([_place(kind, value) for value in column])


def _place(kind: Any, value: Any) -> float:
    if isinstance(kind, Categorical):
        return kind.values.index(value) / max(len(kind.values) - 1, 1)
    low, high = kind.min_value, kind.max_value
    if kind.scale is Scale.LOG:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _value(kind: Any, place: float) -> Value:
    if isinstance(kind, Categorical):
        return kind.values[round(place * max(len(kind.values) - 1, 1))]
    low, high = kind.min_value, kind.max_value
    if kind.scale is Scale.LOG:
        return min(max(math.exp(math.log(low) + place * math.log(high / low)), low), high)
    return low + place * (high - low)
