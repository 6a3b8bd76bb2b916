"""History, distribution and comparison."""

from __future__ import annotations

import json
import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_figures import Metric, compare, edf, history, plain
from tests.figures.example import study, trial

VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60)


def test_history_marks_trials_and_stopped_ones_are_never_the_best() -> None:
    figure = history(
        study(
            trial(1, 3.0),
            trial(2, 0.5, stopped=True),
            trial(3, state="INFEASIBLE"),
            trial(4, 2.0),
            trial(5, 4.0),
            trial(6, state="ACTIVE"),
        )
    )
    assert figure.points.numbers == [1, 2, 4, 5]
    assert figure.points.marks == ["succeeded", "stopped", "succeeded", "succeeded"]
    assert (figure.best.numbers, figure.best.y, figure.best.end) == ([1, 4], [3.0, 2.0], 6.0)
    assert (figure.failed.numbers, figure.failed.reasons) == ([3], ["it broke"])


def test_stopped_trials_are_the_best_where_there_are_no_others() -> None:
    assert history(study(trial(1, 3.0, stopped=True))).best.y == [3.0]


def test_history_by_time_and_by_compute_time() -> None:
    # Two workers at once: the second trial ends first.
    one = study(
        trial(1, 1.0, seconds=(100.0, 130.0)),
        trial(2, 2.0, seconds=(105.0, 110.0)),
        trial(3, state="INFEASIBLE", seconds=(110.0, 120.0)),
        trial(4, state="ACTIVE", seconds=(140.0, None)),
    )
    by_time, by_compute = history(one, by="time"), history(one, by="compute")
    assert (by_time.points.numbers, by_time.points.x, by_time.start) == ([2, 1], [10.0, 30.0], 100.0)
    assert (by_compute.points.x, by_compute.failed.x) == ([5.0, 45.0], [15.0])
    assert by_compute.best.numbers == [2, 1]
    assert (by_compute.x_unit, history(one).x_unit) == ("s", "")


@given(VALUES, st.sampled_from(["minimize", "maximize"]), st.integers(4, 20))
def test_thinning_keeps_the_best_line(values: list[float], goal: str, most: int) -> None:
    metric = Metric("loss", "minimize" if goal == "minimize" else "maximize")
    one = study(*(trial(number, value) for number, value in enumerate(values, 1)), metrics=(metric,))
    whole, thinned = history(one), history(one, most=most)
    finite = [value for value in values if math.isfinite(value)]
    assert whole.points.y == finite
    assert len(thinned.points.y) <= most
    assert thinned.best == whole.best
    bests = dict(zip(whole.best.numbers, whole.best.y, strict=True))
    assert list(bests.values()) == list(dict.fromkeys(accumulate(finite, max if goal == "maximize" else min)))
    json.dumps(plain(thinned), allow_nan=False)


@given(VALUES)
def test_edf_rises_to_one(values: list[float]) -> None:
    figure = edf([study(*(trial(number, value) for number, value in enumerate(values, 1)))])
    (line,) = figure.lines
    assert line.x == sorted(value for value in values if math.isfinite(value))
    assert line.y == sorted(line.y)
    assert not line.y or line.y[-1] == 1.0


def test_compare_has_the_parameters_that_several_studies_share() -> None:
    one = study(trial(1, 3.0, seconds=(0.0, 4.0)), trial(2, 1.0, seconds=(4.0, 10.0)), name="one")
    other = study(trial(1, 2.0, parameters={"rate": 0.1, "own": 3}), name="other")
    figure = compare([one, other], by="compute")
    assert [(line.study, line.number, line.value, line.seconds) for line in figure.studies] == [
        ("one", 2, 1.0, 10.0),
        ("other", 1, 2.0, 0.0),
    ]
    assert figure.studies[0].best.x == [4.0, 10.0]
    rows = {shared.name: shared.values for shared in figure.parameters}
    assert rows["rate"] == [10.0**-3, 0.1]
    assert rows["units"] == [10, None]
    assert "own" not in rows


def test_an_unknown_metric_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no metric 'lss'; it has loss"):
        history(study(trial(1, 1.0)), "lss")
