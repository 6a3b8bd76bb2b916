"""Regions of the search space where a model of the results expects the best ones; with NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dodona_figures.parameters.importance import MOST
from dodona_figures.records import Study, Trial, Value
from dodona_figures.thin import thin

TREES, POINTS = 40, 2000
# The best share of the points is the region; parameters have the middle part of its values.
BEST, TAIL = 0.05, 0.1
# A name that fewer of the best points have is left out.
LEAST_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Region:
    """Values of a parameter where the best results are expected.

    Args:
        name: the parameter's name.
        low: the lowest value of a number; None for a parameter of names.
        high: the highest one.
        choices: the names, the most promising one first; empty for a number.
    """

    name: str
    low: Value | None
    high: Value | None
    choices: tuple[Value, ...]


def promising(study: Study, metric: str | None = None) -> list[Region]:
    """Return where the best results are expected, for each parameter that differs between trials.

    A forest (see `forest`) learns the results, and predicts them at points spread evenly over the search space. The
    values are those of trials, so the region never leaves what was tried.

    Args:
        study: with its trials; those that failed or were stopped early are left out.
        metric: the metric's name; None for the objective.

    Raises:
        ValueError: the study has no such metric.
    """
    import numpy as np

    from dodona_figures.forest.coding import Points, columns_of
    from dodona_figures.forest.forest import grow

    chosen = study.metric(metric)
    found = study.results(chosen)
    found = [found[index] for index in thin(len(found), set(), MOST)]
    trials = [trial for trial, _ in found]
    columns = columns_of(study, trials) if trials else []
    if not columns:
        return []
    chance = np.random.default_rng(0)
    # Ranks: a diverged trial is bad, and no more than that.
    ranks = np.argsort(np.argsort([chosen.sign * value for _, value in found])) / len(found)
    codes = np.stack([column.codes for column in columns], axis=1)
    weights = chance.poisson(1.0, (TREES, len(found))).astype(float)
    forest = grow(codes, np.tile(ranks, (TREES, 1)), weights, [column.is_names for column in columns], chance)
    points = Points.draw(columns, POINTS, chance).codes(columns)
    best = points[np.argsort(-forest.predict(points).mean(axis=0))[: int(POINTS * BEST)]]
    regions = (
        _region(column.name, column.is_names, column.codes.tolist(), trials, sorted(best[:, index].tolist()))
        for index, column in enumerate(columns)
    )
    return [region for region in regions if region is not None]


def _region(name: str, is_names: bool, codes: Sequence[int], trials: Sequence[Trial], best: list[int]) -> Region | None:
    """Return the region of a parameter.

    Args:
        name: its name.
        is_names: whether it has names.
        codes: of the trials.
        trials: the trials.
        best: the codes of the best points, in order.
    """
    values = [
        (code, trial.parameters[name]) for code, trial in zip(codes, trials, strict=True) if name in trial.parameters
    ]
    if is_names:
        named = dict(values)
        counts = Counter(code for code in best if code in named).most_common()
        choices = tuple(named[code] for code, count in counts if count >= LEAST_SHARE * len(best))
        return Region(name, None, None, choices) if choices else None
    low, high = best[int(len(best) * TAIL)], best[int(len(best) * (1 - TAIL))]
    inside = [value for code, value in values if low <= code <= high and isinstance(value, int | float)]
    return Region(name, min(inside), max(inside), ()) if inside else None
