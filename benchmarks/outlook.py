"""Calibrates the chance that the rest of a search brings a clear improvement, and checks it on other problems.

    python benchmarks/outlook.py run FILE --suite quick|held-out [--seeds 3]
    python benchmarks/outlook.py fit QUICK
    python benchmarks/outlook.py check HELD_OUT

`run` searches with GP_BANDIT, 100 trials each, and stores for each suggestion the probability that it is a clear
improvement, and all results. `fit` prints the weights of `domain/studies/outlook.py`. `check` prints how often an
improvement came, by the chance that was told.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.registry import Problem, Request
from dodona_server.domain.studies.outlook import CLEARLY, chance, features
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from markdown_tables import aligned
from quality import problems

METRIC = Metric("value", Goal.MINIMIZE)
TRIALS = 100
LEFT = (5, 10, 20, 50)
EDGES = (0.0, 0.02, 0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)


def run(file: Path, suite: str, seeds: int) -> None:
    """Run the searches that the file lacks, and append them."""
    known = {tuple(json.loads(line)[:2]) for line in file.read_text().splitlines()} if file.exists() else set()
    for seed in range(seeds):
        for name, make in problems.suite(suite).items():
            if (name, seed) in known:
                continue
            values, improving = _search(make(), seed)
            with file.open("a") as out:
                out.write(json.dumps([name, seed, values, improving]) + "\n")


def _search(problem: problems.Problem, seed: int) -> tuple[list[float], list[float | None]]:
    rng = random.Random(f"{problem.name} {seed}")
    spec = StudySpec((METRIC,), problem.space)
    done: list[Trial] = []
    improving: list[float | None] = []
    while len(done) < TRIALS:
        request = Request(Problem(spec, len(done), seed=seed), done, (), 1, random.Random(f"{seed}/{len(done)}"))
        suggestions = GpBandit().suggest(request).suggestions
        if not suggestions:
            break
        (suggestion,) = suggestions
        improving.append(suggestion.explanation.improving if suggestion.explanation else None)
        measured = Measurement({METRIC.id: problem.measure(suggestion.parameters, rng)})
        done.append(Trial(len(done) + 1, TrialState.SUCCEEDED, suggestion.parameters, final_measurement=measured))
    return [one.final_measurement.metrics[METRIC.id] for one in done if one.final_measurement], improving


def _cases(file: Path) -> Iterator[tuple[float, int, int, int, bool]]:
    """Yield what was told, the trials so far, since the best and left, and whether an improvement came."""
    for line in file.read_text().splitlines():
        _, _, values, improving = json.loads(line)
        for count in range(len(values)):
            if improving[count] is None:
                continue
            before = np.array(values[:count])
            clearly = CLEARLY * float(np.subtract(*np.quantile(before, [0.75, 0.25])))
            since = count - 1 - int(np.argmin(before))
            for left in LEFT:
                if count + left <= len(values):
                    came = min(values[count : count + left]) < before.min() - clearly
                    yield improving[count], count, since, left, came


def fit(file: Path) -> None:
    """Print the weights that make what came most likely."""
    cases = list(_cases(file))
    x = np.array([features(told, count, since, left) for told, count, since, left, _ in cases])
    came = np.array([one[-1] for one in cases], dtype=float)

    def loss(weights: npt.NDArray[np.float64]) -> float:
        p = np.clip(1 - np.exp(-np.exp(np.clip(x @ weights, -30, 5))), 1e-9, 1 - 1e-9)
        return -float((came * np.log(p) + (1 - came) * np.log(1 - p)).mean())

    found = minimize(loss, np.zeros(x.shape[1]), method="Powell", options={"maxiter": 20_000, "maxfev": 20_000})
    print("WEIGHTS =", tuple(round(float(one), 3) for one in found.x), "loss", found.fun)


def check(file: Path) -> None:
    """Print how often an improvement came, by the chance that was told."""
    told = np.array([(chance(*one[:4]), one[4]) for one in _cases(file)])
    rows = []
    for low, high in itertools.pairwise(EDGES):
        among = told[(told[:, 0] >= low) & ((told[:, 0] < high) | (high == 1.0))]
        if len(among):
            rows.append(
                [f"{low:.0%} to {high:.0%}", str(len(among)), f"{among[:, 0].mean():.0%}", f"{among[:, 1].mean():.0%}"]
            )
    print(aligned(["told", "cases", "told, mean", "came"], rows))


def main() -> None:
    """Run, fit or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "fit", "check"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--suite", default="held-out", choices=["quick", "held-out"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.file, arguments.suite, arguments.seeds)
    elif arguments.command == "fit":
        fit(arguments.file)
    else:
        check(arguments.file)


if __name__ == "__main__":
    main()
