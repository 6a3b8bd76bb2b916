"""Fitted model: predictions, their derivatives, and draws of the results of pending trials.

| symbol | meaning | shape |
| --- | --- | --- |
| `mean` | posterior mean under each fantasy | m x s |
| `variance` | posterior variance of the noiseless objective, the same under every fantasy | m |
| `alpha` | K^-1 y of each fantasy | n x s |

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.features import Features
from dodona_server.algorithms.gp.model.kernel import matern, matern_and_slope, squared_distances, warp, warp_slopes
from dodona_server.algorithms.gp.model.likelihood import MEAN_VARIANCE, Hyperparameters, cholesky, inverse

LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Prediction:
    """Result of `Surrogate.predict`, with the terms that `Surrogate.pull_back` needs."""

    mean: Array
    variance: Array
    scaled: Array
    slope: Array
    covariance: Array
    solved: Array
    basis: Array
    parts: Sequence[Prediction]


class Surrogate:
    """A Gaussian process with its hyperparameters, conditioned on observations.

    Args:
        features: of the observations.
        hyper: the fitted values.
        z: positions of the observations, n x a.
        active: n x a.
        y: n x 1; if there are draws, of all but the last q observations.
        basis: earlier studies' models, whose predictions this one corrects.
        extra: noise variance of each observation besides the common one, n; None for none.
        name: of the earlier study that this is a model of.
        normal: standard normal numbers, q x s: the last q observations are joint draws from the model of the others,
            one for each of s fantasies. None if all are known.

    Attributes:
        y: n x s.
    """

    def __init__(
        self,
        features: Features,
        hyper: Hyperparameters,
        z: Array,
        active: Mask,
        y: Array,
        basis: Sequence[Surrogate] = (),
        extra: Array | None = None,
        name: str = "",
        normal: Array | None = None,
    ) -> None:
        self.name = name
        self.features, self.hyper, self.z, self.active, self.basis = features, hyper, z, active, basis
        self._root = np.sqrt(hyper.weight[features.group])
        self._scaled = self._scale(features(z, active))
        self._basis = self._predictions(z, active)
        prior = matern(squared_distances(self._scaled, self._scaled))
        prior *= hyper.scale
        prior += MEAN_VARIANCE
        if basis:
            prior += (self._basis * hyper.basis) @ self._basis.T
        noisy = prior.copy()
        noisy[np.diag_indices(len(z))] += hyper.noise if extra is None else hyper.noise + extra
        factor = cholesky(noisy)
        self.y = y if normal is None else _with_draws(factor, y, normal)
        self._inverse = inverse(factor)
        self.alpha = self._inverse @ self.y
        self.fitted = prior @ self.alpha  # n x s: the mean at the observations

    @property
    def left_out(self) -> Array:
        """Mean at each observation given all others, n x s."""
        return np.asarray(self.y - self.alpha / np.diag(self._inverse)[:, None])

    def _scale(self, x: Array) -> Array:
        count = len(self.hyper.warp_a)
        warped = warp(x[:, :count], self.hyper.warp_a, self.hyper.warp_b)
        return np.concatenate([warped, x[:, count:]], axis=1) * self._root

    def _predictions(self, z: Array, active: Mask) -> Array:
        if not self.basis:
            return np.empty((len(z), 0))
        return np.concatenate([model.mean(z, active) for model in self.basis], axis=1)

    def mean(self, z: Array, active: Mask) -> Array:
        """Return the posterior mean, m x s."""
        scaled = self._scale(self.features(z, active))
        k = matern(squared_distances(scaled, self._scaled))
        k *= self.hyper.scale
        k += MEAN_VARIANCE
        if self.basis:
            k += (self._predictions(z, active) * self.hyper.basis) @ self._basis.T
        return np.asarray(k @ self.alpha)

    def shares_of_basis(self, prediction: Prediction) -> Array:
        """Return the part of a prediction at one point that comes from each earlier study, from 0 to 1."""
        by_basis = prediction.basis[0] * self.hyper.basis * (self._basis.T @ self.alpha).mean(axis=1)
        theirs, own = np.abs(by_basis), abs(float(prediction.mean.mean() - by_basis.sum()))
        return np.asarray(theirs / max(theirs.sum() + own, np.finfo(float).tiny))

    def predict(self, z: Array, active: Mask, *, slopes: bool = True) -> Prediction:
        """Return mean and variance at the points; if `slopes`, with the terms that `pull_back` needs."""
        scaled = self._scale(self.features(z, active))
        parts = [model.predict(z, active, slopes=slopes) for model in self.basis]
        basis = np.concatenate([np.empty((len(z), 0)), *[part.mean for part in parts]], axis=1)
        r2 = squared_distances(scaled, self._scaled)
        correlation, slope = matern_and_slope(r2) if slopes else (matern(r2), np.empty(0))
        k = np.multiply(correlation, self.hyper.scale, out=correlation)
        k += MEAN_VARIANCE
        if self.basis:
            k += (basis * self.hyper.basis) @ self._basis.T
        solved = k @ self._inverse  # m x n
        own = self.hyper.scale + MEAN_VARIANCE + (basis * basis) @ self.hyper.basis
        variance = np.maximum(own - np.einsum("ij,ij->i", k, solved), LEAST_VARIANCE)
        return Prediction(k @ self.alpha, variance, scaled, slope, k, solved, basis, parts)

    def pull_back(self, z: Array, prediction: Prediction, by_mean: Array, by_variance: Array) -> Array:
        """Return derivatives by the numeric positions, m x a, from those by mean (m x s) and by variance (m)."""
        by_k = by_mean @ self.alpha.T - 2.0 * by_variance[:, None] * prediction.solved  # m x n
        pull = by_k * prediction.slope * self.hyper.scale
        by_scaled = 2.0 * (pull.sum(axis=1)[:, None] * prediction.scaled - pull @ self._scaled)
        numeric = self.features.numeric
        count = len(numeric)
        by_x, _, _ = warp_slopes(z[:, numeric], self.hyper.warp_a, self.hyper.warp_b)
        by_z = np.zeros(z.shape)
        by_z[:, numeric] = by_scaled[:, :count] * self._root[:count] * by_x
        if self.basis:
            by_basis = (by_k @ self._basis + 2.0 * by_variance[:, None] * prediction.basis) * self.hyper.basis
            for column, (model, part) in enumerate(zip(self.basis, prediction.parts, strict=True)):
                by_z += model.pull_back(z, part, by_basis[:, column : column + 1], np.zeros(len(z)))
        return by_z


def _with_draws(factor: Array, y: Array, normal: Array) -> Array:
    """Return the observations under each fantasy, n x s: the known ones, and joint draws of the noisy others.

    The Cholesky factor of the covariance of all observations contains that of the known ones and, below, the
    conditional distribution of the others.

    Args:
        factor: of the covariance of all observations, the known ones first, n x n.
        y: the known ones, (n - q) x 1.
        normal: standard normal numbers, q x s.
    """
    known, fantasies = len(y), normal.shape[1]
    solved, _ = lapack.dtrtrs(factor[:known, :known], y, lower=1)
    drawn = factor[known:, :known] @ solved + factor[known:, known:] @ normal
    return np.concatenate([np.repeat(y, fantasies, axis=1), drawn])
