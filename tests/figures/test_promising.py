"""Where the best results are expected."""

from __future__ import annotations

import numpy as np

from dodona_figures import Metric, Parameter, Region, Study, Trial, promising
from tests.figures.example import LOSS, SPACE


def _study(count: int, goal: Metric = LOSS) -> Study:
    """A study whose loss is least at x=0.7 and kind="b"; y does nothing."""
    chance = np.random.default_rng(2)
    space = (Parameter("x", 0.0, 1.0), Parameter("y", 0.0, 1.0), Parameter("kind", choices=("a", "b", "c")))
    trials = []
    for number in range(1, count + 1):
        x, y, kind = float(chance.random()), float(chance.random()), str(chance.choice(["a", "b", "c"]))
        loss = (x - 0.7) ** 2 + (kind != "b") * 0.3
        value = loss if goal.goal == "minimize" else -loss
        trials.append(Trial(number, "SUCCEEDED", {"x": x, "y": y, "kind": kind}, {"loss": value}))
    return Study("s", (goal,), space, trials)


def _found(study: Study) -> dict[str, Region]:
    return {region.name: region for region in promising(study)}


def test_the_region_holds_the_best_and_leaves_out_the_rest() -> None:
    for goal in (LOSS, Metric("loss", "maximize")):
        found = _found(_study(120, goal))
        assert found["kind"].choices == ("b",)
        assert 0.45 < found["x"].low < 0.7 < found["x"].high < 0.95
        assert found["y"].high - found["y"].low > 0.5


def test_a_diverged_trial_changes_little() -> None:
    study = _study(120)
    study.trials.append(Trial(121, "SUCCEEDED", {"x": 0.1, "y": 0.5, "kind": "a"}, {"loss": 1e30}))
    assert _found(study)["kind"].choices == ("b",)


def test_a_study_without_results_has_none() -> None:
    assert promising(Study("s", (LOSS,), SPACE, [])) == []
