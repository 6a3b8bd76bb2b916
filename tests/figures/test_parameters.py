"""Figures over the search space."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_figures import Parameter, Study, contour, curves, parallel, plain, rank, slices, smoothed
from tests.figures.example import LOSS, study, trial

SGD = {"rate": 0.01, "units": 16, "kind": "sgd", "momentum": 0.5}


def test_parallel_has_none_where_a_parameter_is_not_active() -> None:
    figure = parallel(study(trial(1, 1.0), trial(2, 2.0, parameters=SGD), trial(3, 0.1, stopped=True)))
    assert [(axis.name, axis.kind, axis.conditional) for axis in figure.axes] == [
        ("rate", "log", False),
        ("units", "linear", False),
        ("kind", "category", False),
        ("momentum", "linear", True),
    ]
    assert (figure.axes[0].low, figure.axes[0].high, figure.axes[1].whole) == (1e-5, 0.1, True)
    assert figure.axes[2].categories == ["adam", "sgd"]
    assert figure.rows == [[0.01, 9, "adam", None], [0.01, 16, "sgd", 0.5]]
    assert figure.numbers == [1, 2]


def test_thinned_parallel_keeps_the_best() -> None:
    figure = parallel(study(*(trial(number, abs(number - 777.0)) for number in range(1, 1001))), most=50)
    assert len(figure.numbers) <= 50
    assert 777 in figure.numbers
    assert figure.total == 1000


def test_values_that_the_space_no_longer_has_stay_on_their_axis() -> None:
    figure = slices(study(trial(1, 1.0, parameters={"kind": "rmsprop", "rate": 1.0, "other": True})))
    panels = {panel.axis.name: panel for panel in figure.panels}
    assert panels["kind"].axis.categories == ["adam", "sgd", "rmsprop"]
    assert panels["rate"].axis.high == 1.0
    assert (panels["other"].axis.kind, panels["other"].x) == ("category", ["True"])


def test_an_unknown_parameter_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="has the parameter 'unit'; they have kind, rate, units"):
        slices(study(trial(1, 1.0)), parameters=["unit"])


def test_rank_shares_ranks_of_equal_results() -> None:
    figure = rank(study(trial(1, 2.0), trial(2, 1.0), trial(3, 2.0)), "units", "rate")
    assert (figure.x_axis.name, figure.y_axis.name) == ("units", "rate")
    assert figure.ranks == [0.75, 0.0, 0.75]


def test_rank_takes_parameters_that_all_trials_have() -> None:
    figure = rank(study(trial(1, 2.0), trial(2, 1.0, parameters=SGD)), "momentum")
    assert (figure.x_axis.name, figure.y_axis.name, figure.numbers) == ("momentum", "rate", [2])
    with pytest.raises(ValueError, match="needs two parameters; trials have rate"):
        rank(study(trial(1, 2.0, parameters={"rate": 0.1})))


def test_a_contour_follows_the_results() -> None:
    space = (Parameter("x", 0.0, 1.0), Parameter("y", 1e-3, 1.0, "log"))
    points = [(a / 9, 10 ** (-3 * b / 9)) for a in range(10) for b in range(10)]
    trials = [trial(n, x, parameters={"x": x, "y": y}) for n, (x, y) in enumerate(points, 1)]
    figure = contour(Study("s", (LOSS,), space, trials))
    assert (len(figure.grid), len(figure.grid[0])) == (30, 30)
    assert (figure.grid_y[0], figure.grid_y[-1]) == (pytest.approx(1e-3), pytest.approx(1.0))
    for row in figure.grid:
        known = [value for value in row if value is not None]
        assert known == sorted(known)
        assert known[-1] - known[0] > 0.6


def test_a_contour_has_holes_where_no_trial_is_near_and_takes_names() -> None:
    figure = contour(study(*(trial(n, float(n), parameters={"rate": 1e-5, "kind": "adam"}) for n in (1, 2))))
    assert (figure.y_axis.name, figure.grid_y) == ("kind", ["adam", "sgd"])
    assert figure.grid[0][0] == pytest.approx(1.5)
    assert figure.grid[0][-1] is None
    assert set(figure.grid[1]) == {None}


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=12), st.floats(), st.floats())
def test_figures_hold_in_json_whatever_the_values(values: list[float | None], x: float, y: float) -> None:
    trials = [trial(n, value, parameters={"x": 1.0, "y": n}) for n, value in enumerate(values, 1)]
    one = study(*trials, trial(99, 0.5, parameters={"x": 2, "y": 3}))
    for figure in (parallel(one), slices(one), rank(one), contour(one)):
        json.dumps(plain(figure), allow_nan=False)


def test_curves_know_the_best_trial_and_leave_out_what_is_not_finite() -> None:
    figure = curves(
        study(
            trial(1, 1.0, curve=[3.0, float("nan"), 1.0]),
            trial(2, 2.0, curve=[2.0], stopped=True),
            trial(3, state="ACTIVE", curve=[5.0, 4.0]),
            trial(4, 9.0),
        )
    )
    assert [(line.number, line.mark, line.best) for line in figure.lines] == [
        (1, "succeeded", True),
        (2, "stopped", False),
        (3, "running", False),
    ]
    assert (figure.lines[0].x, figure.lines[0].y) == ([1.0, 3.0], [3.0, 1.0])
    assert curves(study(trial(1, 1.0, curve=[1.0])), by="time").x_unit == "s"
    assert curves(study(trial(1, 1.0, curve=[1.0])), "other").goal is None


def test_few_of_many_curves_include_the_best_one() -> None:
    trials = [trial(n, abs(n - 44.0), curve=[1.0, 2.0, 3.0, 4.0, 5.0]) for n in range(1, 101)]
    figure = curves(study(*trials), most=10, most_points=4)
    assert len(figure.lines) == 10
    assert [line.number for line in figure.lines if line.best] == [44]
    assert {(line.x[0], line.x[-1], len(line.x)) for line in figure.lines} == {(1.0, 5.0, 4)}


def test_smoothing_starts_without_a_bias() -> None:
    assert smoothed([2.0, 2.0, 2.0], 0.9) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([1.0, 3.0], 0.5) == pytest.approx([1.0, 7 / 3])
    assert smoothed([1.0, 3.0], 0.0) == [1.0, 3.0]
