"""The Pareto front and the hypervolume."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_figures import Metric, Study, Trial, hypervolume, pareto
from tests.figures.example import study, trial

TWO = (Metric("loss", "minimize"), Metric("speed", "maximize"))
POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=1, max_size=30)


def _study(points: list[tuple[int, ...]], metrics: tuple[Metric, ...] = TWO) -> Study:
    names = [metric.name for metric in metrics]
    trials = [
        Trial(number, "SUCCEEDED", metrics=dict(zip(names, map(float, point), strict=True)))
        for number, point in enumerate(points, 1)
    ]
    return Study("s", metrics, (), trials)


def _brute_front(points: list[tuple[int, ...]]) -> set[int]:
    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return one != other and one[0] <= other[0] and one[1] >= other[1]

    return {n for n, point in enumerate(points, 1) if not any(beats(other, point) for other in points)}


@given(POINTS)
def test_the_front_is_what_no_trial_beats(points: list[tuple[int, ...]]) -> None:
    figure = pareto(_study(points))
    assert set(figure.front) == _brute_front(points)
    losses = [points[number - 1][0] for number in figure.front]
    assert losses == sorted(losses)


@given(POINTS)
def test_the_hypervolume_is_the_share_of_the_box(points: list[tuple[int, ...]]) -> None:
    figure = hypervolume(_study(points))
    assert figure.values == sorted(figure.values)
    worst, best = (
        (max(x for x, _ in points), min(y for _, y in points)),
        (min(x for x, _ in points), max(y for _, y in points)),
    )
    assert figure.reference == [*map(float, worst)]
    width, height = worst[0] - best[0], best[1] - worst[1]
    if width and height:
        cells = sum(
            any(px <= x and py > y for px, py in points)
            for x in range(best[0], worst[0])
            for y in range(worst[1], best[1])
        )
        assert (figure.values or [0.0])[-1] == pytest.approx(cells / (width * height))


def test_three_objectives_are_sampled() -> None:
    three = (*TWO, Metric("size", "minimize"))
    figure = hypervolume(_study([(1, 1, 1), (0, 1, 1), (1, 2, 0)], three))
    assert figure.sampled
    assert figure.numbers == []
    figure = hypervolume(_study([(2, 0, 2), (1, 1, 1), (0, 2, 0)], three))
    assert figure.numbers == [2, 3]
    assert figure.values == pytest.approx([1 / 8, 1.0], abs=0.02)


def test_constraints_and_stopped_trials_are_left_out() -> None:
    metrics = (*TWO, Metric("memory", "minimize", constraint=True))
    figure = pareto(_study([(1, 1, 9), (2, 0, 1)], metrics))
    assert (figure.metrics, figure.front) == (["loss", "speed"], [1])
    with pytest.raises(ValueError, match="needs two objectives; 'study' has 'loss' alone"):
        pareto(study(trial(1, 1.0)))


def test_no_result_has_no_front() -> None:
    assert pareto(_study([])).front == []
    assert hypervolume(_study([])).values == []
