"""Compares the importance of parameters with Optuna's evaluators, on functions whose shares of the variance are known.

    python benchmarks/importance.py [--seeds 3]

Prints a Markdown table: the largest error of a share, the largest share of a parameter that does nothing, and the time.
The points are random, so that the shares are those of the whole space. Optuna's figures add up to 1 by its definition.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna

from dodona_figures import Metric, Parameter, Study, Trial, importance

Floats = npt.NDArray[np.float64]
Shares = Mapping[str, float]


@dataclass(frozen=True)
class Problem:
    """A function of points of the unit cube (trials x parameters), and the shares of its parameters."""

    name: str
    function: Callable[[Floats, np.random.Generator], Floats]
    shares: tuple[float, ...]


def _ishigami(points: Floats, _: np.random.Generator) -> Floats:
    x, y, z = (math.pi * (2 * points[:, index] - 1) for index in range(3))
    found: Floats = np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)
    return found


def _linear(points: Floats, _: np.random.Generator) -> Floats:
    return points @ np.array([4.0, 2.0, 1.0, 0, 0, 0, 0, 0])


def _noisy(points: Floats, chance: np.random.Generator) -> Floats:
    return _linear(points, chance) + math.sqrt(21 / 12) * chance.normal(size=len(points))


def _noise(points: Floats, chance: np.random.Generator) -> Floats:
    return chance.normal(size=len(points))


NOTHING = (0.0,) * 5
LINEAR = (16 / 21, 4 / 21, 1 / 21)
PROBLEMS = (
    Problem("linear", _linear, (*LINEAR, *NOTHING)),
    Problem("linear, half of it noise", _noisy, (*(share / 2 for share in LINEAR), *NOTHING)),
    Problem("Ishigami", _ishigami, (0.314, 0.442, 0.0, 0.0, 0.0)),
    Problem("pure noise", _noise, (0.0,) * 8),
)
TRIALS = (50, 200, 500)


def ours(points: Floats, values: Floats) -> Shares:
    """The shares by Dodona."""
    space = tuple(Parameter(f"x{index}", 0.0, 1.0) for index in range(points.shape[1]))
    trials = [
        Trial(number, "SUCCEEDED", {f"x{index}": float(x) for index, x in enumerate(row)}, {"value": float(value)})
        for number, (row, value) in enumerate(zip(points, values, strict=True), 1)
    ]
    return {one.name: one.share for one in importance(Study("", (Metric("value"),), space, trials)).parameters}


def of_optuna(evaluator: object) -> Callable[[Floats, Floats], Shares]:
    """The shares by an evaluator of Optuna."""

    def shares(points: Floats, values: Floats) -> Shares:
        names = [f"x{index}" for index in range(points.shape[1])]
        space = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names}
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params=dict(zip(names, map(float, row), strict=True)), distributions=space, value=float(value)
                )
                for row, value in zip(points, values, strict=True)
            ]
        )
        return optuna.importance.get_param_importances(study, evaluator=evaluator)  # type: ignore[arg-type]

    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    evaluators: dict[str, Callable[[Floats, Floats], Shares]] = {
        "Dodona": ours,
        "Optuna, fANOVA": of_optuna(optuna.importance.FanovaImportanceEvaluator(seed=0)),
        "Optuna, PED-ANOVA": of_optuna(optuna.importance.PedAnovaImportanceEvaluator()),
        "Optuna, mean decrease impurity": of_optuna(optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=0)),
    }
    print("| function | trials | evaluator | error of the shares | largest share of nothing | s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for problem in PROBLEMS:
        for count in TRIALS:
            for name, evaluator in evaluators.items():
                print(
                    f"| {problem.name} | {count} | {name} | {_measured(problem, count, evaluator, seeds)} |", flush=True
                )


def _measured(problem: Problem, count: int, evaluator: Callable[[Floats, Floats], Shares], seeds: int) -> str:
    """The mean of the largest error, the largest share of a parameter that does nothing, and the mean time."""
    errors, nothings, seconds = [], [], []
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        points = chance.random((count, len(problem.shares)))
        values = problem.function(points, chance)
        began = time.process_time()
        found = evaluator(points, values)
        seconds.append(time.process_time() - began)
        pairs = [(found.get(f"x{index}", 0.0), share) for index, share in enumerate(problem.shares)]
        errors.append(max(abs(share - known) for share, known in pairs))
        nothings.append(max(share for share, known in pairs if known == 0))
    return f"{np.mean(errors):.2f} | {max(nothings):.2f} | {np.mean(seconds):.2g}"


if __name__ == "__main__":
    main()
