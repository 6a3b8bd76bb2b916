"""Importance on functions whose shares of the variance are known."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from dodona_figures import Importance, Parameter, Share, Study, Trial, importance, plain
from tests.figures.example import LOSS

Values = Mapping[str, float | str]


def _unit(count: int) -> tuple[Parameter, ...]:
    return tuple(Parameter(f"x{index}", 0.0, 1.0) for index in range(count))


def _study(points: Sequence[Values], function: Callable[[Values], float], space: tuple[Parameter, ...]) -> Study:
    trials = [Trial(number, "SUCCEEDED", point, {"loss": function(point)}) for number, point in enumerate(points, 1)]
    return Study("s", (LOSS,), space, trials)


def _random(count: int, dimensions: int, seed: int = 0) -> list[Values]:
    drawn = np.random.default_rng(seed).random((count, dimensions))
    return [{f"x{index}": float(value) for index, value in enumerate(row)} for row in drawn]


def _by_name(figure: Importance) -> dict[str, Share]:
    return {share.name: share for share in figure.parameters}


def _check(figure: Importance, expected: Mapping[str, float], within: float) -> None:
    found = _by_name(figure)
    for name, share in expected.items():
        assert found[name].share == pytest.approx(share, abs=within), name
        assert found[name].low - 0.02 <= share <= found[name].high + 0.02, name


@pytest.mark.parametrize(("trials", "within"), [(60, 0.12), (300, 0.04)])
def test_a_linear_function(trials: int, within: float) -> None:
    def function(point: Values) -> float:
        return 4 * float(point["x0"]) + 2 * float(point["x1"]) + float(point["x2"])

    figure = importance(_study(_random(trials, 6), function, _unit(6)))
    _check(figure, {"x0": 16 / 21, "x1": 4 / 21, "x2": 1 / 21, "x3": 0.0, "x4": 0.0, "x5": 0.0}, within)
    assert [share.name for share in figure.parameters][:3] == ["x0", "x1", "x2"]
    assert figure.explained > 0.9


def test_noise_takes_its_share() -> None:
    chance = np.random.default_rng(5)

    def function(point: Values) -> float:
        # The standard deviation of a uniform value is 1 / sqrt(12).
        return float(point["x0"]) + float(chance.normal()) / math.sqrt(12)

    figure = importance(_study(_random(400, 5), function, _unit(5)))
    _check(figure, {"x0": 0.5, "x1": 0.0, "x2": 0.0}, 0.08)
    assert figure.explained == pytest.approx(0.5, abs=0.1)


def test_the_ishigami_function() -> None:
    """Ishigami and Homma, 1990, with the main effects and the totals that are known of it."""

    def function(point: Values) -> float:
        x, y, z = (math.pi * (2 * float(point[f"x{index}"]) - 1) for index in range(3))
        return math.sin(x) + 7 * math.sin(y) ** 2 + 0.1 * z**4 * math.sin(x)

    figure = importance(_study(_random(900, 4), function, _unit(4)))
    _check(figure, {"x0": 0.314, "x1": 0.442, "x2": 0.0, "x3": 0.0}, 0.06)
    found = _by_name(figure)
    assert found["x0"].total == pytest.approx(0.558, abs=0.12)
    assert found["x2"].total == pytest.approx(0.244, abs=0.12)
    assert found["x3"].total < 0.02


def test_what_two_parameters_do_only_together_is_in_their_totals() -> None:
    figure = importance(
        _study(_random(600, 4), lambda point: float((point["x0"] > 0.5) ^ (point["x1"] > 0.5)), _unit(4))  # type: ignore[operator]
    )
    found = _by_name(figure)
    assert found["x0"].share < 0.05
    assert min(found["x0"].total, found["x1"].total) > 0.5
    assert found["x2"].total < 0.05


@pytest.mark.parametrize("trials", [30, 100, 400])
def test_nothing_matters_on_noise(trials: int) -> None:
    for seed in range(4):
        chance = np.random.default_rng(100 + seed)
        points: list[Values] = [
            {**point, "kind": str(chance.choice(list("abcdef")))} for point in _random(trials, 7, seed)
        ]
        space = (*_unit(7), Parameter("kind", choices=tuple("abcdef")))
        figure = importance(_study(points, lambda _, chance=chance: float(chance.normal()), space))  # type: ignore[misc]
        assert max(share.low for share in figure.parameters) < 0.1
        assert max(share.share for share in figure.parameters) < 0.15
        assert figure.explained < 0.2
        assert "needs more trials to be seen" in figure.note


def test_categories_and_logarithmic_axes() -> None:
    space = (
        Parameter("rate", 1e-5, 1.0, "log"),
        Parameter("kind", choices=("a", "b", "c", "d")),
        Parameter("flag", choices=(True, False)),
        Parameter("size", 8, 64, "log", choices=(8, 16, 32, 64)),
    )
    chance = np.random.default_rng(3)
    points: list[Values] = [
        {
            "rate": float(10 ** chance.uniform(-5, 0)),
            "kind": str(chance.choice(["a", "b", "c", "d"])),
            "flag": bool(chance.integers(2)),
            "size": int(chance.choice([8, 16, 32, 64])),
        }
        for _ in range(300)
    ]
    # Variances: 1/12 of the logarithm, 3/16 of the kind, 1/16 of the flag, 5/36 of the size.
    parts = {"rate": 1 / 12, "kind": 3 / 16, "flag": 1 / 16, "size": 5 / 36}

    def function(point: Values) -> float:
        rate = (math.log10(float(point["rate"])) + 5) / 5
        return rate + (point["kind"] == "c") + 0.5 * bool(point["flag"]) + math.log2(float(point["size"])) / 3

    figure = importance(_study(points, function, space))
    _check(figure, {name: part / sum(parts.values()) for name, part in parts.items()}, 0.05)


def test_many_names() -> None:
    names = [f"n{index}" for index in range(60)]
    chance = np.random.default_rng(0)
    points: list[Values] = [{"name": str(chance.choice(names)), "x0": float(chance.random())} for _ in range(200)]
    space = (*_unit(1), Parameter("name", choices=tuple(names)))
    figure = importance(_study(points, lambda point: float(point["x0"]), space))
    _check(figure, {"x0": 1.0, "name": 0.0}, 0.1)


@pytest.mark.parametrize("declared", [True, False])
def test_a_conditional_parameter_has_the_share_of_the_cases_where_it_is_active(declared: bool) -> None:
    condition = (("kind", ("sgd",)),) if declared else ()
    space = (
        Parameter("kind", choices=("adam", "sgd")),
        Parameter("momentum", 0.0, 1.0, conditions=condition),
        Parameter("other", 0.0, 1.0),
    )
    chance = np.random.default_rng(0)
    points: list[Values] = []
    for _ in range(400):
        point: dict[str, float | str] = {"kind": str(chance.choice(["adam", "sgd"])), "other": float(chance.random())}
        if point["kind"] == "sgd":
            point["momentum"] = float(chance.random())
        points.append(point)

    def function(point: Values) -> float:
        return 2 * float(point["momentum"]) if "momentum" in point else 0.6

    # Half of the trials have a momentum: (4/12)/2 of the variance; the kinds differ by 0.4 on average.
    parts = {"momentum": 1 / 6, "kind": 0.04, "other": 0.0}
    figure = importance(_study(points, function, space))
    _check(figure, {name: part / sum(parts.values()) for name, part in parts.items()}, 0.07)
    assert _by_name(figure)["momentum"].trials == sum("momentum" in point for point in points)


def test_a_search_that_gathers_at_the_best_values_sees_the_whole_space() -> None:
    chance = np.random.default_rng(2)
    points: list[Values] = []
    for number in range(300):
        near = number > 60
        x = chance.normal(0.3, 0.05) if near else chance.random()
        points.append({"x0": float(np.clip(x, 0, 1)), "x1": float(chance.random())})

    def function(point: Values) -> float:
        return (float(point["x0"]) - 0.3) ** 2 + 0.1 * float(point["x1"])

    # Over the whole space, x0 has the variance 4/45 - 0.4/6 + 0.16/12 = 0.03556, and x1 has 0.01/12.
    figure = importance(_study(points, function, _unit(2)))
    assert _by_name(figure)["x0"].share > 0.85


def test_what_a_search_has_left_early_is_no_outlier() -> None:
    chance = np.random.default_rng(0)
    points: list[Values] = []
    for number in range(200):
        x = chance.normal(0.4, 0.01) if number >= 14 else chance.random()
        points.append({"x0": float(np.clip(x, 0, 1)), "x1": float(chance.random())})

    def function(point: Values) -> float:
        return (float(point["x0"]) - 0.4) ** 2 + 0.002 * float(chance.random())

    found = _by_name(importance(_study(points, function, _unit(2))))
    assert found["x0"].share > 0.7
    assert found["x1"].low == 0.0


def test_failed_stopped_and_diverged_trials_do_not_decide() -> None:
    study = _study(_random(120, 3), lambda point: float(point["x0"]), _unit(3))
    alone = importance(study)
    failed = [Trial(500 + n, "INFEASIBLE", point, {"loss": 1e6}) for n, point in enumerate(_random(50, 3, 7))]
    stopped = [
        Trial(600 + n, "SUCCEEDED", point, {"loss": 9.0}, stopped=True) for n, point in enumerate(_random(50, 3, 8))
    ]
    assert (
        importance(dataclasses.replace(study, trials=[*study.trials, *failed, *stopped])).trials == alone.trials == 120
    )
    diverged = [Trial(700, "SUCCEEDED", {"x0": 0.0, "x1": 0.5, "x2": 0.5}, {"loss": 1e30})]
    assert _by_name(importance(dataclasses.replace(study, trials=[*study.trials, *diverged])))["x0"].share > 0.7


def test_a_sentence_says_how_many_trials_are_missing() -> None:
    figure = importance(_study(_random(15, 4), lambda point: float(point["x0"]), _unit(4)))
    assert (figure.parameters, figure.trials, figure.needed) == ([], 15, 24)
    assert figure.note == (
        "Importance needs 24 trials with a result, not counting those stopped early. There are 15: 9 more are needed."
    )


def test_equal_results_and_equal_parameters_have_no_figure() -> None:
    assert importance(_study(_random(40, 2), lambda _: 1.0, _unit(2))).note == "All trials have the same result."
    same: list[Values] = [{"x0": 0.5}] * 40
    chance = np.random.default_rng(0)
    assert (
        importance(_study(same, lambda _: float(chance.random()), _unit(1))).note
        == "All trials have the same parameters."
    )


def test_the_same_trials_have_the_same_importance() -> None:
    study = _study(_random(50, 3), lambda point: float(point["x0"]), _unit(3))
    first = importance(study)
    assert importance(study) == first
    json.dumps(plain(first), allow_nan=False)
