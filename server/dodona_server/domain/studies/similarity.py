"""Similarity of two studies, so that one can learn from the other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from dodona_server.domain.space import Categorical, Discrete, Double, Integer, Kind, Scale, SearchSpace
from dodona_server.domain.studies.study import StudySpec

# Two numeric parameters of different kinds, such as an integer and a discrete one, count for this much.
OTHER_KIND = 0.8
# A study that is less similar is not found, and no more than the most similar ones are.
LEAST_SIMILARITY = 0.5
MOST_FOUND = 3

Other = TypeVar("Other")


def similarity(one: StudySpec, other: StudySpec) -> float:
    """Return the similarity of two studies, from 0 to 1.

    It is the mean over all their parameters. A parameter that both have counts by how far its two ranges, or its two
    sets of names, overlap: the intersection divided by the union. One that only one of them has counts 0. Studies with
    other objectives, by name or by goal, are not alike at all.
    """
    if _objectives(one) != _objectives(other):
        return 0.0
    ours, theirs = _kinds(one.space), _kinds(other.space)
    names = ours.keys() | theirs.keys()
    if not names:
        return 0.0
    shared = ours.keys() & theirs.keys()
    # A name that is in several branches counts by the two branches that are most alike.
    alike = sum(max(_overlap(mine, yours) for mine in ours[name] for yours in theirs[name]) for name in sorted(shared))
    return alike / len(names)


def most_similar(spec: StudySpec, others: Iterable[tuple[StudySpec, Other]]) -> list[tuple[float, Other]]:
    """Return up to `MOST_FOUND` studies that are similar enough to learn from, with their similarity, the most first.

    Args:
        spec: of the study that is to learn.
        others: the spec of each other study, and what stands for it. Of equally similar ones the first come first.
    """
    alike = [(similarity(spec, other), one) for other, one in others]
    enough = [one for one in alike if one[0] >= LEAST_SIMILARITY]
    return sorted(enough, key=lambda one: one[0], reverse=True)[:MOST_FOUND]


def _objectives(spec: StudySpec) -> set[tuple[str, str]]:
    return {(metric.id, metric.goal.value) for metric in spec.objectives}


def _kinds(space: SearchSpace) -> dict[str, list[Kind]]:
    found: dict[str, list[Kind]] = {}
    for _, parameter in space.walk():
        found.setdefault(parameter.id, []).append(parameter.kind)
    return found


def _overlap(one: Kind, other: Kind) -> float:
    if isinstance(one, Categorical) and isinstance(other, Categorical):
        ours, theirs = set(one.values), set(other.values)
        return len(ours & theirs) / len(ours | theirs)
    if isinstance(one, Categorical) or isinstance(other, Categorical):
        return 0.0
    share = _overlap_of_ranges(_range(one), _range(other), logarithmic=Scale.LOG in (one.scale, other.scale))
    return share if type(one) is type(other) else share * OTHER_KIND


def _range(kind: Double | Integer | Discrete) -> tuple[float, float]:
    values = kind.values if isinstance(kind, Discrete) else (kind.min_value, kind.max_value)
    return float(min(values)), float(max(values))


def _overlap_of_ranges(one: tuple[float, float], other: tuple[float, float], *, logarithmic: bool) -> float:
    (low, high), (from_low, to_high) = sorted((one, other))
    if logarithmic and low > 0:
        low, high, from_low, to_high = map(math.log, (low, high, from_low, to_high))
    together = max(high, to_high) - low
    if together == 0:
        return 1.0
    return max(0.0, min(high, to_high) - from_low) / together
