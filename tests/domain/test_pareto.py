"""The front of several metrics and its hypervolume."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.pareto import MOST_POINTS, Front, dominates, volume

SPEC = StudySpec((Metric("acc", Goal.MAXIMIZE), Metric("cost", Goal.MINIMIZE)), SearchSpace())


def succeeded(*values):
    """Results with these values of the metrics "acc" and "cost"."""
    return [(number, {"acc": a, "cost": c}) for number, (a, c) in enumerate(values, start=1)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_holds_exactly_what_nothing_dominates(values):
    results = succeeded(*values)
    front = Front(SPEC, iter(results))
    losses = {number: (-metrics["acc"], metrics["cost"]) for number, metrics in results}
    expected = [number for number in losses if not any(dominates(one, losses[number]) for one in losses.values())]
    assert front.numbers == expected
    assert front.worst == {"acc": min(a for a, _ in values), "cost": max(c for _, c in values)}


def test_the_hypervolume_by_hand():
    # The worst is (0, 4); the front's boxes up to it are 3 x 1 and 1 x 3, with 1 x 1 in common.
    front = Front(SPEC, succeeded((3.0, 3.0), (1.0, 1.0), (0.0, 4.0)))
    assert front.numbers == [1, 2]
    assert front.hypervolume() == 3 + 3 - 1
    assert Front(SPEC, succeeded((3.0, 3.0))).hypervolume() == 0
    assert Front(SPEC, ()).hypervolume() is None


@given(st.integers(2, 4).flatmap(lambda d: st.lists(st.tuples(*[st.integers(0, 3)] * d), min_size=1, max_size=8)))
def test_the_hypervolume_is_the_number_of_cells_that_are_dominated(points):
    size = len(points[0])
    cells = itertools.product(range(4), repeat=size)
    dominated = sum(any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points) for cell in cells)
    losses = [tuple(map(float, point)) for point in points]
    assert volume(losses, (4.0,) * size) == pytest.approx(dominated)


def test_what_would_take_too_long_has_no_hypervolume():
    metrics = tuple(Metric(name, Goal.MINIMIZE) for name in "abc")
    spec = StudySpec(metrics, SearchSpace())

    def front(count):
        return Front(spec, ((n, {"a": float(n), "b": float(-n), "c": 0.0}) for n in range(count)))

    assert front(MOST_POINTS).hypervolume() == 0.0
    assert front(MOST_POINTS + 1).hypervolume() is None
