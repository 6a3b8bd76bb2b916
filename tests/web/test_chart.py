"""The geometry of charts."""

from __future__ import annotations

import math
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_figures.thin import thin
from dodona_server.domain.studies.study import Goal
from dodona_server.web.figures.chart import MAX_DOTS, Axis, curve_chart, fence, objective_chart, sparkline

MAX = sys.float_info.max
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def labels(low: float, high: float, count: int = 5) -> list[str]:
    return [label for _, label in Axis(low, high).ticks(count)]


def test_ticks_are_round_and_their_labels_as_long_as_needed() -> None:
    assert labels(0, 10) == ["0", "2", "4", "6", "8", "10"]
    assert labels(0.861, 0.979) == ["0.88", "0.90", "0.92", "0.94", "0.96"]
    assert labels(-3e20, 1e20, 4) == ["-3e20", "-2e20", "-1e20", "0", "1e20"]
    assert labels(1e-7, 2.1e-7, 4) == ["1.0e-7", "1.2e-7", "1.4e-7", "1.6e-7", "1.8e-7", "2.0e-7"]
    assert labels(1000000, 1000010) == ["1000000", "1000002", "1000004", "1000006", "1000008", "1000010"]


def test_trials_are_counted_in_whole_numbers() -> None:
    assert [label for _, label in Axis(0.97, 3.03).ticks(8, whole=True)] == ["1", "2", "3"]


@given(FINITE, FINITE)
def test_every_axis_has_a_few_ordered_ticks_inside(one: float, other: float) -> None:
    axis = Axis.around(min(one, other), max(one, other), 0.06)
    ticks = [value for value, _ in axis.ticks(5)]
    assert 1 <= len(ticks) <= 12
    assert ticks == sorted(ticks)
    assert all(math.isfinite(value) for value in ticks)
    assert 0 <= axis.place(min(one, other)) <= axis.place(max(one, other)) <= 100


def test_a_sparkline_keeps_the_best_so_far() -> None:
    assert sparkline([(1, 0.5)], Goal.MAXIMIZE) == ""
    assert sparkline([(1, 0.0), (3, 1.0), (5, 0.5)], Goal.MAXIMIZE) == "M0.0 19.0H50.0V1.0H100"
    assert sparkline([(1, 1.0), (2, 0.0)], Goal.MINIMIZE) == "M0.0 1.0H100.0V19.0H100"
    assert "nan" not in sparkline([(1, 1.7e308), (2, -1.7e308)], Goal.MINIMIZE)


def test_no_trial_has_no_chart() -> None:
    assert objective_chart([], Goal.MAXIMIZE) is None


def test_one_trial_stands_in_the_middle() -> None:
    chart = objective_chart([(1, 0.9)], Goal.MAXIMIZE)
    assert chart is not None
    (dot,) = chart.dots
    assert (dot.x, dot.y, dot.improved, dot.beyond) == (50, 50, True, False)
    assert [tick.label for tick in chart.x_ticks] == ["1"]
    assert chart.path == "M50 50H100"


@pytest.mark.parametrize("value", [0.0, -7.25, 5e-324, MAX, -MAX])
def test_equal_values_make_a_level_line(value: float) -> None:
    chart = objective_chart([(number, value) for number in range(1, 21)], Goal.MINIMIZE)
    assert chart is not None
    assert len({dot.y for dot in chart.dots}) == 1
    assert [dot.improved for dot in chart.dots] == [True] + [False] * 19
    assert chart.y_ticks


def test_the_line_keeps_the_best_so_far() -> None:
    chart = objective_chart([(1, 3.0), (2, 5.0), (3, 1.0), (4, 2.0)], Goal.MINIMIZE)
    assert chart is not None
    assert [dot.improved for dot in chart.dots] == [True, False, True, False]
    first, _, third, _ = chart.dots
    assert chart.path == f"M{first.x:g} {first.y:g}H{third.x:g}V{third.y:g}H100"
    assert third.y > first.y  # lower on the page is less


def test_higher_on_the_page_is_more() -> None:
    chart = objective_chart([(1, -1e300), (2, 1e300)], Goal.MAXIMIZE)
    assert chart is not None
    assert chart.dots[1].y < chart.dots[0].y


def test_ten_thousand_trials_are_thinned_but_keep_what_matters() -> None:
    rng = random.Random(1)
    points = [(number, rng.random()) for number in range(1, 10001)]
    chart = objective_chart(points, Goal.MAXIMIZE)
    assert chart is not None
    drawn = {dot.key: dot for dot in chart.dots}
    assert len(drawn) == len(chart.dots) <= MAX_DOTS
    best = max(points, key=lambda point: point[1])
    assert drawn[best[0]].improved
    assert {1, 10000} <= drawn.keys()
    assert sum(dot.improved for dot in chart.dots) == chart.path.count("H")


def test_a_study_that_always_improves_is_thinned_as_well() -> None:
    chart = objective_chart([(number, float(number)) for number in range(1, 10001)], Goal.MAXIMIZE)
    assert chart is not None
    assert MAX_DOTS / 2 <= len(chart.dots) <= MAX_DOTS
    assert chart.dots[-1].key == 10000


@given(st.integers(0, 300), st.sets(st.integers(0, 299)), st.integers(4, 50))
def test_thinning_keeps_order_ends_and_the_limit(count: int, important: set[int], limit: int) -> None:
    important = {index for index in important if index < count}
    kept = thin(count, important, limit)
    assert len(kept) <= max(limit, 0)
    assert kept == sorted(set(kept))
    assert set(kept) <= set(range(count))
    if count:
        assert {0, count - 1} <= set(kept)
    if count <= limit:
        assert kept == list(range(count))
    elif len(important) <= limit // 2:
        assert important <= set(kept)


def test_a_diverged_trial_stands_at_the_edge_and_flattens_nothing() -> None:
    values = [0.3 + 0.01 * (number % 7) for number in range(40)]
    values[20] = 1e9
    chart = objective_chart(list(enumerate(values, 1)), Goal.MINIMIZE)
    assert chart is not None
    assert chart.beyond == 1
    assert chart.dots[20].beyond
    assert chart.dots[20].y == 0
    assert chart.dots[20].value == 1e9
    assert max(dot.y for dot in chart.dots) - min(dot.y for dot in chart.dots if not dot.beyond) > 80


def test_a_good_value_is_never_beyond() -> None:
    values = [0.3 + 0.01 * (number % 7) for number in range(40)] + [-1e9]
    assert fence(values, Goal.MINIMIZE) == (-1e9, 0.36)
    assert fence(values, Goal.MAXIMIZE) == (0.3, 0.36)


@given(st.lists(FINITE, min_size=1, max_size=40), st.sampled_from(Goal))
def test_a_fence_holds_the_best_value(values: list[float], goal: Goal) -> None:
    low, high = fence(values, goal)
    assert low <= high
    assert low in values
    assert high in values
    assert (high == max(values)) if goal is Goal.MAXIMIZE else (low == min(values))


@given(st.lists(FINITE, min_size=1, max_size=40), st.sampled_from(Goal))
def test_any_finite_values_can_be_drawn(values: list[float], goal: Goal) -> None:
    chart = objective_chart(list(enumerate(values, 1)), goal)
    assert chart is not None
    assert len(chart.dots) == len(values)
    assert all(0 <= dot.x <= 100 and 0 <= dot.y <= 100 for dot in chart.dots)
    assert "nan" not in chart.path
    assert "inf" not in chart.path


def test_a_curve_leaves_out_what_is_not_finite() -> None:
    chart = curve_chart([(0, 1.0), (1, math.nan), (2, math.inf), (4, 3.0)])
    assert chart is not None
    assert [(dot.key, dot.value) for dot in chart.dots] == [(0, 1.0), (4, 3.0)]
    assert chart.path.count("L") == 1
    assert curve_chart([(0, math.nan)]) is None
    assert curve_chart([]) is None


def test_a_long_curve_is_a_line_without_dots() -> None:
    chart = curve_chart([(step, 1 / (step + 1)) for step in range(10000)])
    assert chart is not None
    assert chart.dots == []
    assert chart.path.count("L") == MAX_DOTS - 1
