"""Hints in the Gaussian-process bandit: a weight on the acquisition function, and first points.

A hint is a density on its parameter's axis: a part of it is uniform, so that no value is excluded, the rest lies near
the hinted values. The acquisition function is multiplied by the density to the power of beta / n, so hints fade with
the number n of finished trials.

Source: Hvarfner, Stoll, Souza, Lindauer, Hutter and Nardi, piBO: Augmenting Acquisition Functions with User Beliefs for
Bayesian Optimization (2022), with beta a tenth of the budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from dodona_server.algorithms.gp.data.axes import Array, Mask
from dodona_server.algorithms.gp.data.encoding import Encoding
from dodona_server.algorithms.simple.sampling import UNIFORM, WIDTH
from dodona_server.domain.studies.hint import Hint
from dodona_server.domain.studies.study import StudySpec

# The budget of a study without one.
BUDGET = 50
FADING = 0.1
DRAWS = 512
# Trust is 0 if a hinted trial beats another one with a probability of at most `REFUTED`, and 1 from `CONFIRMED` on.
# Before there are results, that probability is `BELIEVED`, which weighs as much as `EARLIER` results.
REFUTED, CONFIRMED = 0.3, 0.7
BELIEVED, EARLIER = 0.7, 0.5
_ROOT_TWO_PI = math.sqrt(2 * math.pi)


class Hints:
    """Densities of a study's hints.

    Args:
        encoding: of its space.
        hints: by the parameters' names.
    """

    def __init__(self, encoding: Encoding, hints: Mapping[str, Hint]) -> None:
        self._encoding = encoding
        self._axes = {
            axis: (hint, places)
            for axis, name in enumerate(encoding.ids)
            if encoding.free[axis]
            and (hint := hints.get(name)) is not None
            and (places := _places(encoding, axis, hint)).size
        }

    def __bool__(self) -> bool:
        return bool(self._axes)

    def log_density(self, z: Array, active: Mask) -> tuple[Array, Array]:
        """Return the logarithm of the density, relative to a uniform one, m, and its derivatives, m x a."""
        value, by_z = np.zeros(len(z)), np.zeros(z.shape)
        for axis in self._axes:
            on = active[:, axis]
            density, slope = self._density(axis, z[:, axis])
            value += np.where(on, np.log(density), 0.0)
            by_z[:, axis] = np.where(on, slope / density, 0.0)
        return value, by_z

    def trust(self, z: Array, active: Mask, merit: Array) -> float:
        """Return how far the results agree with the hints, from 0 to 1.

        It follows from how often a trial where the hints are denser than uniform beats one where they are not.

        Args:
            z: positions of the finished trials, n x a.
            active: n x a.
            merit: of these trials, lower is better, n.
        """
        if not self:
            return 0.0
        near = self.log_density(z, active)[0] > 0
        ours, theirs = merit[near][:, None], merit[~near]
        fewer = min(len(ours), len(theirs))
        wins = float(np.mean((ours < theirs) + 0.5 * (ours == theirs))) if fewer else 0.0
        expected = (wins * fewer + BELIEVED * EARLIER) / (fewer + EARLIER)
        return float(np.clip((expected - REFUTED) / (CONFIRMED - REFUTED), 0.0, 1.0))

    def default(self) -> Array:
        """Return the default point with the first value of each hint, a."""
        z = self._encoding.default()
        for axis, (_, places) in self._axes.items():
            z[axis] = places[0]
        first: Array = self._encoding.snap(z[None])[0]
        return first

    def draws(self, proposed: Array, generator: np.random.Generator) -> Array:
        """Return the proposed points, m x a, with positions drawn from the hints' densities."""
        drawn = proposed.copy()
        for axis in self._axes:
            u = generator.random((DRAWS, self._encoding.size))
            z = self._encoding.spread(u)[:, axis]
            density, _ = self._density(axis, z)
            drawn[:, axis] = generator.choice(z, len(proposed), p=density / density.sum())
        return self._encoding.snap(drawn)

    def _density(self, axis: int, z: Array) -> tuple[Array, Array]:
        """Return the density on an axis, relative to a uniform one, m, and its derivative, m."""
        hint, places = self._axes[axis]
        uniform = UNIFORM[hint.sure]
        if self._encoding.categorical[axis]:
            size = self._encoding.sizes[axis]
            among = (z[:, None] == places).any(axis=1)
            return uniform + (1 - uniform) * among * size / len(places), np.zeros(len(z))
        width = WIDTH[hint.sure]
        inside = np.array([_normal(1 - place, width) - _normal(-place, width) for place in places])
        u = (z[:, None] - places) / width
        each = np.exp(-0.5 * u * u) / (_ROOT_TWO_PI * width * inside)
        return uniform + (1 - uniform) * each.mean(axis=1), (1 - uniform) * (-each * u / width).mean(axis=1)


def _places(encoding: Encoding, axis: int, hint: Hint) -> Array:
    places = np.array([encoding.axes[axis].place(value) for value in hint.values])
    # An axis of the same name in another branch may not have the value.
    return places[(places >= 0) & (places <= encoding.sizes[axis])] if encoding.categorical[axis] else places


def _normal(place: float, width: float) -> float:
    """Return the normal distribution; SciPy has it too, but its import takes longer than workers should wait."""
    return 0.5 * (1 + math.erf(place / (width * math.sqrt(2))))


def exponent(spec: StudySpec, finished: int) -> float:
    """Return the power of the density after that many finished trials, for hints that are trusted."""
    return FADING * (spec.stopping.max_num_trials or BUDGET) / max(1, finished)
