"""Importance of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from dodona_figures.records import Goal, Study, Trial
from dodona_figures.thin import thin

# So many trials are needed, and one for each parameter.
LEAST = 20
# More trials would take longer and change little.
MOST = 1000
# A smaller share is shown as 0.
NOTHING = 0.01
# With less than this explained, the order of the parameters says little.
LITTLE = 0.2


@dataclass(frozen=True, slots=True)
class Share:
    """Share of the differences between results that a parameter explains.

    Args:
        name: the parameter's.
        share: of the variance of the results over the search space, from 0 to 1, by the parameter alone.
        low: the low end of its 90% interval, of what the trials can show; 0 if it may not matter.
        high: the high end.
        total: its share together with what it does in combination with others.
        trials: how many trials have the parameter.
    """

    name: str
    share: float
    low: float
    high: float
    total: float
    trials: int


@dataclass(frozen=True, slots=True)
class Importance:
    """Importance of each parameter, the most important one first.

    Args:
        study: its name.
        metric: of the results.
        goal: which values are better.
        parameters: empty if there are too few trials; those that had one value in all trials are not among them.
        explained: the share of all parameters together; the rest is chance, or needs more trials to be seen.
        trials: how many trials have a result.
        needed: how many are needed.
        note: what to know: why there is no figure and how many trials are missing, or that little is explained.
    """

    study: str
    metric: str
    goal: Goal
    parameters: list[Share]
    explained: float
    trials: int
    needed: int
    note: str


def importance(study: Study, metric: str | None = None) -> Importance:
    """Return the importance of each parameter; this needs NumPy. `effects` says how it is computed.

    Args:
        study: with its trials; those that failed or were stopped early are left out.
        metric: the metric's name; None for the objective.

    Raises:
        ValueError: the study has no such metric.
    """
    chosen = study.metric(metric)
    found = study.results(chosen)
    needed = LEAST + len({name for trial, _ in found for name in trial.parameters})
    note = _obstacle([value for _, value in found], needed)
    shares, explained = ([], 0.0) if note else _shares(study, found, chosen.sign)
    if not note and not shares:
        note = "All trials have the same parameters."
    elif not note and explained < LITTLE:
        note = (
            f"The parameters explain {explained:.0%} of the differences between the results. The rest is chance, or "
            "needs more trials to be seen."
        )
    return Importance(study.name, chosen.name, chosen.goal, shares, explained, len(found), needed, note)


def _obstacle(values: Sequence[float], needed: int) -> str:
    """Return why there can be no figure; empty if there can."""
    if len(values) < needed:
        return (
            f"Importance needs {needed} trials with a result, not counting those stopped early. There are "
            f"{len(values)}: {needed - len(values)} more are needed."
        )
    return "All trials have the same result." if min(values) == max(values) else ""


def _shares(study: Study, found: Sequence[tuple[Trial, float]], sign: float) -> tuple[list[Share], float]:
    """Return the shares of the parameters, the largest first, and what they explain together."""
    import numpy as np

    from dodona_figures.forest.coding import columns_of, evening
    from dodona_figures.forest.effects import effects_of

    found = [found[index] for index in thin(len(found), set(), MOST)]
    columns = columns_of(study, [trial for trial, _ in found])
    if not columns:
        return [], 0.0
    values = np.array(_without_outliers([sign * value for _, value in found], evening(columns).tolist()))
    effects = effects_of(columns, values, np.random.default_rng(0))
    shares = [
        Share(
            name=column.name,
            share=_share(effects.mains[index]),
            low=_share(effects.lows[index]),
            high=_share(effects.highs[index]),
            total=max(_share(effects.totals[index]), _share(effects.mains[index])),
            trials=sum(column.name in trial.parameters for trial in study.trials),
        )
        for index, column in enumerate(columns)
    ]
    return sorted(shares, key=lambda one: (-one.share, -one.high)), effects.explained


def _share(value: float) -> float:
    """Return a share from 0 to 1; one that is next to nothing is 0."""
    return min(1.0, float(value)) if value >= NOTHING else 0.0


def _without_outliers(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return values, larger ones better, with outliers on the bad side raised to the lowest value that is none.

    A few diverged trials would otherwise have almost all of the variance. An outlier is more than three interquartile
    ranges below the middle half (Tukey, "Exploratory Data Analysis", 1977). The weights count the values as those of
    the whole space: where a search has gathered, everything else would be an outlier.

    Args:
        values: of the trials.
        weights: of the trials.
    """
    first, third = _quantile(values, weights, 0.25), _quantile(values, weights, 0.75)
    fence = first - 3 * (third - first)
    lowest = min(value for value in values if value >= fence) if third > first else min(values)
    return [max(value, lowest) for value in values]


def _quantile(values: Sequence[float], weights: Sequence[float], share: float) -> float:
    """Return the value below which that share of the weights is."""
    ordered = sorted(zip(values, weights, strict=True))
    least = share * sum(weights)
    sums = accumulate(weight for _, weight in ordered)
    return next(value for (value, _), weight in zip(ordered, sums, strict=True) if weight >= least * (1 - 1e-9))
