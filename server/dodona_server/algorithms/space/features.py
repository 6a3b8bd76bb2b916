"""Features of points, from which a linear model learns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dodona_server.algorithms.space.unit_interval import CENTER, Axis
from dodona_server.domain.space import Categorical, Kind, SearchSpace, Value

# From more than this, a few hundred points teach nothing.
MOST_FEATURES = 200


def features_of(space: SearchSpace, points: Sequence[Mapping[str, Value]]) -> npt.NDArray[np.float64]:
    """Return the features of points (points x features), with mean 0 over random points; none if too many.

    A number has two: its position on the parameter's scale, and how far from the center. A category has one for
    each value that it may have. Those of a parameter that is not active are 0.
    """
    axes = {(parameter.id, parameter.kind): Axis(parameter.kind) for _, parameter in space.walk()}
    columns = [_column_group(kind, axis, [point.get(name) for point in points]) for (name, kind), axis in axes.items()]
    features = np.hstack([np.zeros((len(points), 0)), *columns])
    return features if features.shape[1] <= MOST_FEATURES else features[:, :0]


def _column_group(kind: Kind, axis: Axis, values: Sequence[Value | None]) -> npt.NDArray[np.float64]:
    """Return the features of a parameter (points x features), with a variance of about 1 over random points."""
    places = np.array([math.nan if (place := axis.place(value)) is None else place for value in values])
    if isinstance(kind, Categorical):
        size = len(kind.values)
        found = math.sqrt(size) * ((np.floor(places * size)[:, None] == np.arange(size)) - 1 / size)
    else:
        offset = places - CENTER
        found = np.column_stack([math.sqrt(12) * offset, math.sqrt(180) * (offset**2 - 1 / 12)])
    return np.where(np.isnan(places)[:, None], 0.0, found)
