"""Fit the model, and predict with it.

    k         a rung: a position at which trials are compared
    z_k       the normal score of a trial at rung k: where its best value stands among all trials, see `scores`
    d_k       z_k - z_{k-1}: whether it is climbing
    h         features of its hyperparameters: a small learning rate starts late

The scores follow a Gaussian chain, z_{k+1} = w_0 + w_1 z_k + w_2 d_k + w_3 h + e with e ~ N(0, s²): a Bayesian linear
regression for each rung, on the trials that reached both. Its prior has the weights of the rung before and the errors
that ranks of learning curves have in general, worth `PRIOR_TRIALS` trials. Trials that were stopped
are missing at random, given the scores before, since a rule stops by what it sees. So each regression is unbiased
although only good trials reach it, and the chain predicts the end before any trial has reached it.

Ranks, because losses and accuracies have all scales and shapes: a copula of the ranks copes with outliers, with
diverged trials and with any monotone transformation. As in "Freeze-Thaw" (Swersky et al. 2014) and the curve rule of
Vizier (Golovin et al. 2017), the other trials' curves are the prior of a trial's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from dodona_server.curve_model.curves import Array, Curve, Progress, Table, table_of
from dodona_server.curve_model.scores import Scale, scale_of

PRIOR_TRIALS = 10.0
# How many trials the prior of the weights of hyperparameters is worth, if there is one feature.
FEATURE_TRIALS = 5.0
# Ranks of noisy or slow trainings change ten times as fast as those of others. How many trials the prior of this
# volatility, 1, is worth, and its bounds.
VOLATILITY_TRIALS = 20.0
LEAST_VOLATILITY, MOST_VOLATILITY = 0.25, 4.0
# The correlation of ranks falls by this share when the position grows e-fold; those of real trainings lose 5 to 10%.
DECORRELATION = 0.08
# Errors of the chain have heavier tails than a normal distribution.
DEGREES_OF_FREEDOM = 8.0
MOST_RIVALS = 50
_NARROW = 1e-6
# Possible ends of a training, in deviations from what is expected, and how likely they are.
_ENDS = np.linspace(-8.0, 8.0, 129)
_WEIGHTS = (1 + _ENDS**2 / DEGREES_OF_FREEDOM) ** (-(DEGREES_OF_FREEDOM + 1) / 2)
_WEIGHTS /= _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predicted end of a trial's training.

    Args:
        score: the mean of its normal score among all trials at the end.
        score_deviation: the standard deviation of that.
        mean: of the best value.
        deviation: of the best value.
    """

    score: float
    score_deviation: float
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class _Step:
    """Change of scores from one rung to the next.

    Args:
        weights: of 1, z, d and h.
        variance: of the error.
        uncertainty: the covariance of the weights, as a share of the variance; None if they are taken as known.
    """

    weights: Array
    variance: float
    uncertainty: Array | None = None


@dataclass(frozen=True, slots=True)
class _States:
    """Distributions of (z, d) of trials: means (trials x 2) and covariances (trials x 2 x 2); h (trials x features)."""

    means: Array
    covariances: Array
    features: Array

    def after(self, step: _Step) -> _States:
        """Return the distributions at the next rung."""
        level, trend = step.weights[1:3]
        forward = np.array([[level, trend], [level - 1.0, trend]])
        shifts = step.weights[0] + self.features @ step.weights[3:]
        means = self.means @ forward.T + shifts[:, None]
        variances = np.full(len(means), step.variance)
        if step.uncertainty is not None:
            inputs = np.column_stack([np.ones(len(means)), self.means, self.features])
            variances *= 1.0 + ((inputs @ step.uncertainty) * inputs).sum(axis=1)
        covariances = forward @ self.covariances @ forward.T + variances[:, None, None]
        return _States(means, covariances, self.features)


@dataclass(slots=True)
class _Volatility:
    """Ratio of squared errors: how much more the ranks of a study change than those of other studies."""

    squares: float = VOLATILITY_TRIALS
    trials: float = VOLATILITY_TRIALS

    @property
    def ratio(self) -> float:
        """Ratio so far, within its bounds."""
        return min(max(self.squares / self.trials, LEAST_VOLATILITY), MOST_VOLATILITY)

    def learn(self, errors: Array, general: _Step) -> None:
        """Add the errors of trials at a rung, where others have those of a general step."""
        self.squares += float(errors @ errors) / general.variance
        self.trials += len(errors)


@dataclass(frozen=True, slots=True)
class CurveModel:
    """A fitted model.

    Args:
        rungs: the positions at which trials are compared; the last one is the end of a training.
        scales: of the rungs that trials have reached; rungs after these have none.
        steps: between the rungs.
        inflations: of the deviations predicted at each rung that trials have reached.
        rivals: the numbers of the trials that run or have ended.
        scores: of the rivals at the end: means.
        deviations: of these scores.
        trials: how many trials have reached each rung.
        best: the best value of all curves.
    """

    rungs: Array
    scales: tuple[Scale, ...]
    steps: tuple[_Step, ...]
    inflations: Array
    rivals: Array
    scores: Array
    deviations: Array
    trials: tuple[int, ...]
    best: float

    def rung(self, position: float) -> int | None:
        """Return the index of the last rung up to a position; None if it has reached none that is known."""
        index = int(np.searchsorted(self.rungs[: len(self.scales)], position, side="right")) - 1
        return index if index >= 0 else None

    def passes(self, before: float, position: float) -> bool:
        """Return whether a trial that goes from one position to another tells the model something new."""
        reached = np.searchsorted(self.rungs, [before, position], side="right")
        return bool(reached[0] < reached[1] or position > self.rungs[-1])

    def predict(self, rung: int, best: float, earlier: float | None = None) -> Forecast:
        """Return what the end of a training will be, of whose hyperparameters nothing is known.

        Args:
            rung: the index of the last rung that it has reached.
            best: its best value there.
            earlier: its best value at the rung before; None if there is none.
        """
        score = self.scales[rung].score(best)
        trend = 0.0 if earlier is None or rung == 0 else score - self.scales[rung - 1].score(earlier)
        unknown = np.zeros((1, len(self.steps[0].weights) - 3)) if self.steps else np.zeros((1, 0))
        states = _States(np.array([[score, trend]]), np.zeros((1, 2, 2)), unknown)
        for step in self.steps[rung:]:
            states = states.after(step)
        mean = float(states.means[0, 0])
        deviation = float(np.sqrt(states.covariances[0, 0, 0]) * self.inflations[rung])
        last = self.scales[-1]
        values = [last.value(mean + sign * deviation) for sign in (-1, 0, 1)]
        return Forecast(mean, deviation, max(values[1], best), (values[2] - values[0]) / 2)

    def chance_of_exceeding(self, forecast: Forecast, value: float) -> float | None:
        """Return the probability that a trial exceeds a value at the end; None while no trial has got there."""
        if len(self.scales) < len(self.rungs):
            return None
        distance = forecast.score - self.scales[-1].score(value)
        return float(stdtr(DEGREES_OF_FREEDOM, distance / max(forecast.score_deviation, _NARROW)))

    def chance_of_winning(self, forecast: Forecast, number: int) -> float:
        """Return the probability that a trial ends better than all its rivals; 1 if it has none."""
        return self._chance(forecast.score, forecast.score_deviation, self.rivals != number)

    def likeliest(self, numbers: Collection[int], most: int) -> Mapping[int, float]:
        """Return the chances to end as the best of all, for those rivals of these numbers that may end highest.

        Args:
            numbers: of trials.
            most: how many of them to return.
        """
        highest = self.scores + 2 * self.deviations
        order = np.argsort(-highest, kind="stable")
        # A trial that can hardly beat the leaders hardly lowers their chances.
        serious = np.zeros(len(order), bool)
        serious[order[:MOST_RIVALS]] = True
        places = [place for place in order.tolist() if int(self.rivals[place]) in numbers][:most]
        return {
            int(self.rivals[place]): self._chance(
                self.scores[place], self.deviations[place], serious & (self.rivals != self.rivals[place])
            )
            for place in places
        }

    def _chance(self, score: float, deviation: float, others: npt.NDArray[np.bool_]) -> float:
        """Return the probability that a trial with this score at the end is better than the others among the rivals."""
        ends = score + deviation * _ENDS
        deviations = np.maximum(self.deviations[others], _NARROW)
        beats = ndtr((ends[:, None] - self.scores[others]) / deviations).prod(axis=1)
        return float(_WEIGHTS @ beats)


def fit(curves: Mapping[int, Curve]) -> CurveModel:
    """Return the model of a study's curves by the numbers of their trials; there is at least one."""
    return fit_table(table_of(curves))


def fit_table(table: Table, *, learns_volatility: bool = False) -> CurveModel:
    """Return the model of a study's curves; one of them has reached all rungs, but for the last one if none ended.

    Args:
        table: the curves.
        learns_volatility: whether large errors at the first rungs mean that those at later rungs will be large too.
            This helps if all trials reach the first rungs and later ones are far apart; stopping rules do without.
    """
    reached = ~np.isnan(table.bests)
    states, scales, steps = _chain(table, reached, learns_volatility)
    known = len(scales)
    inflations = _inflations(states, steps, reached[:, :known])
    rivals = reached.any(axis=1) & np.array([progress is not Progress.STOPPED for progress in table.progress])
    end = states[-1]
    for step in steps[known - 1 :]:
        end = end.after(step)
    last = known - 1 - reached[:, known - 1 :: -1].argmax(axis=1)
    return CurveModel(
        rungs=table.rungs,
        scales=tuple(scales),
        steps=tuple(steps),
        inflations=inflations,
        rivals=np.array(table.numbers)[rivals],
        scores=end.means[rivals, 0],
        deviations=(np.sqrt(end.covariances[:, 0, 0]) * inflations[last])[rivals],
        trials=tuple(int(count) for count in reached.sum(axis=0)),
        best=float(np.nanmax(table.bests)),
    )


def _chain(
    table: Table, reached: npt.NDArray[np.bool_], learns_volatility: bool
) -> tuple[list[_States], list[Scale], list[_Step]]:
    """Return the states and the scales at the rungs that trials have reached, and the steps between all rungs."""
    rungs, bests = table.rungs, table.bests
    features = np.zeros((len(bests), 0)) if table.features is None else table.features
    first = bests[reached[:, 0], 0]
    scale = scale_of(first, np.zeros(len(first)), np.ones(len(first)))
    states = [_known_scores(_no_states(features), scale, bests[:, 0])]
    scales, steps, volatility = [scale], list[_Step](), _Volatility()

    def general_step(index: int, ratio: float) -> _Step:
        return _general_step(rungs[index] / rungs[index - 1], ratio, features.shape[1])

    known = int(reached.any(axis=0).sum())
    for index in range(1, known):
        general = general_step(index, volatility.ratio)
        scale = _scale_at(general, states[-1], bests[:, index])
        # The errors of the step before are no prior: from rung to rung, few trials would make the model too sure.
        guess = _Step(steps[-1].weights, general.variance) if steps else general
        both = reached[:, :index].any(axis=1) & reached[:, index]
        inputs = np.hstack([states[-1].means[both], features[both]])
        step, errors = _regression(guess, inputs, scale.scores_of(bests[both, index]))
        if learns_volatility:
            volatility.learn(errors, general_step(index, 1.0))
        states.append(_known_scores(states[-1].after(step), scale, bests[:, index]))
        scales.append(scale)
        steps.append(step)
    return states, scales, [*steps, *(general_step(index, volatility.ratio) for index in range(known, len(rungs)))]


def _inflations(states: Sequence[_States], steps: Sequence[_Step], reached: npt.NDArray[np.bool_]) -> Array:
    """Return by how much the deviations predicted at each rung are too small, by the trials that got to the last one.

    The chain takes the errors of its steps as independent. Curves that cross slowly make errors that add up.
    """
    inflations = []
    for rung, start in enumerate(states):
        both = reached[:, rung] & reached[:, -1]
        predicted = _States(start.means[both], start.covariances[both], start.features[both])
        for step in steps[rung : len(states) - 1]:
            predicted = predicted.after(step)
        squares = (states[-1].means[both, 0] - predicted.means[:, 0]) ** 2
        expected = np.maximum(predicted.covariances[:, 0, 0], _NARROW)
        ratio = (PRIOR_TRIALS + np.sum(squares / expected)) / (PRIOR_TRIALS + both.sum())
        inflations.append(max(1.0, float(np.sqrt(ratio))))
    # Of the last rung, all is known.
    return np.array([*inflations[:-1], 1.0])


def _no_states(features: Array) -> _States:
    """Return what is known of trials before any value: their scores are from the standard normal distribution."""
    trials = len(features)
    return _States(np.zeros((trials, 2)), np.tile([[1.0, 0.0], [0.0, 0.0]], (trials, 1, 1)), features)


def _known_scores(states: _States, scale: Scale, values: Array) -> _States:
    """Return the states with the scores of the trials that have a value at this rung."""
    here = ~np.isnan(values)
    means, covariances = states.means.copy(), states.covariances.copy()
    scores = scale.scores_of(values[here])
    before = means[here, 0] - means[here, 1]
    means[here, 0], means[here, 1] = scores, scores - before
    covariances[here] = 0.0
    return _States(means, covariances, states.features)


def _general_step(ratio: float, volatility: float, features: int) -> _Step:
    """Return what ranks do in general from a rung to one at this many times its position."""
    correlation = float(ratio ** -(DECORRELATION * volatility))
    return _Step(np.array([0.0, correlation, *[0.0] * (1 + features)]), 1.0 - correlation**2)


def _scale_at(step: _Step, states: _States, values: Array) -> Scale:
    """Return the scores of the values at the next rung; NaN stands for a trial that has not reached it."""
    here = ~np.isnan(values)
    expected = states.after(step)
    return scale_of(values[here], expected.means[here, 0], np.sqrt(expected.covariances[here, 0, 0]))


def _regression(prior: _Step, inputs: Array, scores: Array) -> tuple[_Step, Array]:
    """Return the posterior mean of the weights and of the variance, and the errors.

    Args:
        prior: of the weights, worth `PRIOR_TRIALS` trials; for hyperparameters, `FEATURE_TRIALS` times the mean squared
            norm of the features.
        inputs: z, d and h of trials at a rung (trials x (2 + features)).
        scores: of these trials at the next one.
    """
    columns = np.column_stack([np.ones(len(inputs)), inputs])
    features = inputs[:, 2:]
    # For any number of features, they may explain equally much of the scores.
    size = float(np.square(features).sum(axis=1).mean()) if len(features) else 1.0
    worth = np.array([PRIOR_TRIALS] * 3 + [FEATURE_TRIALS * max(size, 1.0)] * features.shape[1])
    precision = np.diag(worth) + columns.T @ columns
    weights: Array = np.linalg.solve(precision, worth * prior.weights + columns.T @ scores).astype(float)
    errors = scores - columns @ weights
    variance = float((PRIOR_TRIALS * prior.variance + errors @ errors) / (PRIOR_TRIALS + len(scores)))
    # Without features, three weights are known well enough.
    return _Step(weights, variance, np.linalg.inv(precision) if features.shape[1] else None), errors
