"""What is lost if a learned model says which trials continue, in place of their ranks.

The model is gradient boosting of trees (Friedman, 2001). It learns from searches whose ends it is told, on other tasks,
what the curves of those trials look like that end best. No rule knows that much of a new study. All 100 trials train
side by side, and the best share of them continues after a step.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from curves.tables import Array, CurveTable
from markdown_tables import aligned
from replays.figures import LOST
from replays.runs import TRIALS

STEPS = (3, 5, 10)
SHARES = (0.5, 0.35, 0.2)
FOLDS = 8
# How many trials the prior of the weights of hyperparameters is worth.
RIDGE = 3.0
# Distances are compared up to this many interquartile ranges.
FAR = 20.0

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Search:
    """What is known of the trials of a search after a step, and how they end.

    Args:
        task: of its table.
        features: of each trial (trials x features), see `features`; the first is its score.
        wins: whether a trial ends at most 1% of the gap behind the best one.
    """

    task: str
    features: Array
    wins: Flags


def table(tables: Sequence[CurveTable], seeds: int) -> str:
    """Return a row for each set of tables and step: searches whose good trials all stop, by rank and by the model."""
    rows = []
    for step in STEPS:
        choosing = list(_searches([one for one in tables if not one.held_back], step, seeds))
        held_back = list(_searches([one for one in tables if one.held_back], step, seeds))
        model = _fitted(choosing)
        for named, searches, chances in (
            ("for choosing", choosing, _by_other_tasks(choosing)),
            ("held back", held_back, [_chances(model, one) for one in held_back]),
        ):
            scores = [one.features[:, 0] for one in searches]
            lost = ((_lost(searches, scores, share), _lost(searches, chances, share)) for share in SHARES)
            rows.append([named, str(step), *(f"{by_ranks:.1%} / {by_model:.1%}" for by_ranks, by_model in lost)])
    return aligned(["tables", "after step", *(f"{share:.0%} continue" for share in SHARES)], rows)


def _lost(searches: Sequence[Search], merits: Sequence[Array], share: float) -> float:
    """Return in which share of the searches none of the trials continues that end about best."""
    lost = 0
    for one, merit in zip(searches, merits, strict=True):
        best = np.argsort(-merit, kind="stable")[: max(1, round(share * len(merit)))]
        lost += not one.wins[best].any()
    return lost / len(searches)


def _by_other_tasks(searches: Sequence[Search]) -> list[Array]:
    """Return the chances of the trials of each search, by a model that has seen no search of its task."""
    tasks = [one.task for one in searches]
    chances: dict[int, Array] = {}
    for known, asked in GroupKFold(min(FOLDS, len(set(tasks)))).split(tasks, groups=tasks):
        model = _fitted([searches[index] for index in known])
        chances |= {int(index): _chances(model, searches[index]) for index in asked}
    return [chances[index] for index in range(len(searches))]


def _fitted(searches: Sequence[Search]) -> Any:
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, min_samples_leaf=200, l2_regularization=5.0, random_state=0
    )
    return model.fit(np.vstack([one.features for one in searches]), np.concatenate([one.wins for one in searches]))


def _chances(model: Any, search: Search) -> Array:
    return np.asarray(model.predict_proba(search.features)[:, 1])


def _searches(tables: Sequence[CurveTable], step: int, seeds: int) -> Iterator[Search]:
    for one in tables:
        ends = one.bests()
        # A small table would have the same trials in each search.
        count = min(TRIALS, len(ends) * 3 // 4)
        for seed in range(seeds):
            rows = random.Random(f"{one.name}/{seed}").sample(range(len(ends)), count)
            known = features(one.values[rows, :step], one.unit[rows], one.values.shape[1])
            wins = ends[rows] >= ends[rows].max() - LOST * one.gap()
            yield Search(one.name.partition(" val_")[0], known, wins)


def features(values: Array, unit: Array, epochs: int) -> Array:
    """Return what a model sees of trials (trials x features): first their scores.

    Args:
        values: of each trial at each epoch so far (trials x epochs); larger is better, NaN if it diverged.
        unit: their hyperparameters (trials x axes), each from 0 to 1.
        epochs: of a whole training.
    """
    step = values.shape[1]
    finite = np.isfinite(values)
    worst = values[finite].min()
    reached = np.maximum.accumulate(np.where(finite, values, worst), axis=1)
    before, long_before = reached[:, step // 2 - 1], reached[:, max(1, step // 4) - 1]
    now = reached[:, -1]
    score, score_before = _scores(now), _scores(before)
    quartiles = np.percentile(now, [25, 75])
    width = max(float(quartiles[1] - quartiles[0]), 1e-9)

    at = np.arange(step // 2 - 1, step)
    latest = np.where(finite, values, worst)[:, at]
    linear, slope, _ = _extrapolated(latest, at + 1.0, epochs)
    logarithmic, log_slope, spread = _extrapolated(latest, np.log(at + 1.0), float(np.log(epochs)))

    def behind(found: Array) -> Array:
        return np.clip((found - now.max()) / width, -FAR, FAR)

    of_study = [np.corrcoef(score, score_before)[0, 1], float(np.median(spread)) / width]
    return np.column_stack(
        [
            score,
            score_before,
            _scores(long_before),
            _scores(latest[:, -1]),
            _scores(linear),
            _scores(logarithmic),
            _scores(slope),
            _scores(log_slope),
            behind(now),
            behind(linear),
            behind(logarithmic),
            np.clip(spread / width, 0.0, FAR),
            (reached < now[:, None]).sum(axis=1) / step,
            np.tile(of_study, (len(values), 1)),
            _by_hyperparameters(unit, np.column_stack([score, _scores(log_slope), _scores(logarithmic)])),
        ]
    )


def _scores(values: Array) -> Array:
    """Return the normal score of each value among all; larger is better."""
    return np.asarray(ndtri((rankdata(values) - 0.375) / (len(values) + 0.25)))


def _extrapolated(values: Array, at: Array, end: float) -> tuple[Array, Array, Array]:
    """Return where a straight line carries each curve, its slope, and the standard deviation from it."""
    centered = at - at.mean()
    slope = values @ centered / float(centered @ centered)
    middle = values.mean(axis=1)
    deviations = values - middle[:, None] - slope[:, None] * centered
    return middle + slope * (end - at.mean()), slope, deviations.std(axis=1)


def _by_hyperparameters(unit: Array, scores: Array) -> Array:
    """Return the scores that the other trials predict for each one, by ridge regression on squares of the axes."""
    axes = 2.0 * unit - 1.0
    inputs = np.column_stack([np.ones(len(axes)), axes, axes**2])
    hat = inputs @ np.linalg.solve(inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]), inputs.T)
    own = np.diag(hat)[:, None]
    return np.asarray((hat @ scores - own * scores) / (1.0 - own))
