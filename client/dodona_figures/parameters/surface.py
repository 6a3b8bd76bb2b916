"""A smooth surface through the results over two parameters; with NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dodona_figures.axes import Axis
from dodona_figures.records import Trial

# More trials would only take longer.
MOST = 2000


def grid_of(axis: Axis, cells: int) -> list[str | float]:
    """Return the values at which a surface is computed: evenly placed on the axis; all names of a category."""
    if axis.kind == "category":
        return list(axis.categories)
    low, high = axis.low or 0.0, axis.high or 0.0
    shares = np.linspace(0.0, 1.0, cells)
    if axis.kind == "log":
        return [float(value) for value in low * (high / low) ** shares]
    if axis.kind == "reverse_log":
        return [float(value) for value in low + high - low * (high / low) ** (1.0 - shares)]
    return [float(value) for value in low + (high - low) * shares]


def surface(
    x_axis: Axis, y_axis: Axis, found: Sequence[tuple[Trial, float]], cells: int, near: float
) -> list[list[float | None]]:
    """Return rows of a surface: at each place the mean of the results, weighted by a Gaussian kernel.

    Nadaraya and Watson, 1964; the kernel's width follows Scott's rule (1992) for points spread over two axes.

    Args:
        x_axis: of the columns.
        y_axis: of the rows.
        found: trials that have both parameters, with their results.
        cells: how many places a numeric axis has.
        near: a place has a value if a trial is at most that far, as a share of the axes.
    """
    if not found:
        return []
    found = found[:: -(-len(found) // MOST)]
    points = np.array([[axis.place(trial.parameters[axis.name]) for axis in (x_axis, y_axis)] for trial, _ in found])
    values = np.array([value for _, value in found])
    columns = np.array([x_axis.place(value) for value in grid_of(x_axis, cells)], dtype=float)
    rows = np.array([y_axis.place(value) for value in grid_of(y_axis, cells)], dtype=float)
    width = 0.3 * len(found) ** (-1 / 6)
    # Names have no neighbours.
    across = _distances(columns, points[:, 0], x_axis.kind == "category")
    along = _distances(rows, points[:, 1], y_axis.kind == "category")
    squares = across[None, :, :] + along[:, None, :]
    weights = np.exp(-(squares - squares.min(axis=2, keepdims=True)) / (2 * width**2))
    means = (weights @ values) / weights.sum(axis=2)
    known = (squares.min(axis=2) <= near**2) & np.isfinite(means)
    return [
        [float(mean) if is_known else None for mean, is_known in zip(*pair, strict=True)]
        for pair in zip(means, known, strict=True)
    ]


def _distances(
    places: np.typing.NDArray[np.float64], points: np.typing.NDArray[np.float64], names: bool
) -> np.typing.NDArray[np.float64]:
    squares: np.typing.NDArray[np.float64] = (places[:, None] - points) ** 2
    return np.where(squares > 1e-12, 1e6, 0.0) if names else squares
