"""Fit the hyperparameters: the best of a few L-BFGS-B runs on their log posterior."""

from __future__ import annotations

import functools

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.data.features import Features
from dodona_server.algorithms.gp.model.likelihood import Hyperparameters, Layout, NoisePrior, Posterior

# With fewer observations than this a warp cannot be distinguished from a curved objective.
LEAST_WARPED = 12
# A run ends when a step raises the log density by less than this share; the rest is below a thousandth.
TOLERANCE = 1e-6
# The same for a run that begins near the greatest density.
NEAR_TOLERANCE = 1e-5
# A run that comes so close to the best one, in log density and in each logarithm, would end there too.
NEAR_VALUE, NEAR_PLACE = 0.1, 0.3


def fit(
    features: Features,
    x: Array,
    y: Array,
    basis: Array,
    dimensions: float,
    noise: NoisePrior,
    iterations: int = 40,
    warped: bool = True,
    extra: Array | None = None,
    start: Hyperparameters | None = None,
) -> Hyperparameters:
    """Return the hyperparameters with the greatest posterior density.

    Args:
        features: of the model.
        x: features of the observations, n x f.
        y: observations, standardized, n.
        basis: earlier studies' predictions, n x number of them.
        dimensions: active dimensions of a point, on average.
        noise: the prior of the noise.
        iterations: of each run; a run costs about twice as many Cholesky factorizations.
        warped: whether to fit a warp of the numeric axes.
        extra: noise variance of each observation besides the common one, n; None for none.
        start: fitted to most of the observations, with the same features and basis: the only run begins there. It
            takes a third of the time of those from the prior.
    """
    warped = warped and len(y) >= LEAST_WARPED and len(features.numeric) > 0
    layout = Layout(features.groups, len(features.numeric), basis.shape[1], warped)
    extra = np.zeros(len(y)) if extra is None else extra
    data = x.tobytes(), y.tobytes(), basis.tobytes(), features.group.tobytes(), extra.tobytes()
    near = None if start is None else layout.theta(start).tobytes()
    return layout.hyperparameters(_theta(data, layout, dimensions, noise, iterations, near))


# Points chosen one after the other from the same results share a fit, and so do the models of an earlier study, which
# never changes.
@functools.lru_cache(maxsize=64)
def _theta(
    data: tuple[bytes, bytes, bytes, bytes, bytes],
    layout: Layout,
    dimensions: float,
    noise: NoisePrior,
    iterations: int,
    near: bytes | None,
) -> Array:
    """Return the mode of the posterior; do not modify it.

    `data`: bytes of `x`, `y`, `basis`, the feature groups, `extra`. `near`: of the logarithms to begin with.
    """
    y, group = np.frombuffer(data[1]), np.frombuffer(data[3], dtype=np.intp)
    x, basis = (np.frombuffer(data[at]).reshape(len(y), -1) for at in (0, 2))
    target = Posterior(x, y, basis, group, layout, dimensions, noise, np.frombuffer(data[4]))
    best_value, best = np.inf, target.medians
    starts, tolerance = (
        (_starts(target, layout), TOLERANCE) if near is None else ([np.frombuffer(near)], NEAR_TOLERANCE)
    )
    options = {"maxiter": iterations, "ftol": tolerance}

    def stop_near_the_best(intermediate_result: OptimizeResult) -> None:
        close = intermediate_result.fun - best_value < NEAR_VALUE
        if close and np.abs(intermediate_result.x - best).max() < NEAR_PLACE:
            raise StopIteration

    for start in starts:
        found = minimize(
            target,
            np.clip(start, target.bounds[:, 0], target.bounds[:, 1]),
            jac=True,
            method="L-BFGS-B",
            bounds=target.bounds,
            options=options,
            callback=stop_near_the_best,
        )
        if np.isfinite(found.fun) and found.fun < best_value:
            best_value, best = float(found.fun), found.x
    return best


def _starts(target: Posterior, layout: Layout) -> list[Array]:
    """Return the starts in the prior: its medians with a smaller l, and with a much smaller l and more noise."""
    smooth, rough = target.medians.copy(), target.medians.copy()
    smooth[: layout.groups] -= 1.0
    rough[: layout.groups] -= 2.5
    rough[layout.groups + 1] += 2.0
    return [smooth, rough]
