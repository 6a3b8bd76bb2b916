"""Measures what explanations of suggestions are worth: how often a result lies in the interval that was expected of it.

    python benchmarks/explanations.py [--suite quick|held-out] [--seeds 2] [--trials 50]

Prints a Markdown table by group of problems: the share of results within the interval, the factor by which it would
have to be wider to hold nine in ten of them, and the part of a suggestion's time that its explanation takes.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from dodona_server.algorithms.gp import suggest as by_model
from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.registry import Problem, Request
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from markdown_tables import aligned
from quality import problems

METRIC = Metric("value", Goal.MINIMIZE)


@dataclass
class Found:
    """What was measured on a group of problems.

    Args:
        distances: of the results from what was expected, in half widths of the interval.
        explaining: seconds spent on explanations.
        suggesting: seconds spent on suggestions altogether.
    """

    distances: list[float] = field(default_factory=list)
    explaining: float = 0.0
    suggesting: float = 0.0


def _search(problem: problems.Problem, seed: int, trials: int, found: Found) -> None:
    rng = random.Random(f"{problem.name} {seed}")
    spec = StudySpec((METRIC,), problem.space)
    done: list[Trial] = []
    while len(done) < trials:
        request = Request(Problem(spec, len(done), seed=seed), done, (), 1, random.Random(f"{seed}/{len(done)}"))
        began = time.perf_counter()
        suggestions = GpBandit().suggest(request).suggestions
        found.suggesting += time.perf_counter() - began
        if not suggestions:
            return
        (suggestion,) = suggestions
        value = problem.measure(suggestion.parameters, rng)
        if suggestion.explanation is not None and (expected := suggestion.explanation.expected) is not None:
            end = expected.low if value < expected.mean else expected.high
            found.distances.append((value - expected.mean) / (end - expected.mean))
        measured = Measurement({METRIC.id: value})
        done.append(Trial(len(done) + 1, TrialState.SUCCEEDED, suggestion.parameters, final_measurement=measured))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="held-out", choices=["quick", "held-out"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=50)
    arguments = parser.parse_args()
    groups: defaultdict[str, Found] = defaultdict(Found)
    explain = by_model.explain
    for make in problems.suite(arguments.suite).values():
        problem = make()
        found = groups[problem.group]

        def timed(*given: object, found: Found = found) -> object:
            began = time.perf_counter()
            try:
                return explain(*given)  # type: ignore[arg-type]
            finally:
                found.explaining += time.perf_counter() - began

        by_model.explain = timed  # type: ignore[assignment]
        for seed in range(arguments.seeds):
            _search(problem, seed, arguments.trials, found)
    rows = [
        [
            group,
            str(len(found.distances)),
            f"{np.mean(np.abs(found.distances) <= 1):.0%}",
            f"{np.quantile(np.abs(found.distances), 0.9):.1f}",
            f"{found.explaining / found.suggesting:.1%}",
        ]
        for group, found in groups.items()
    ]
    print(aligned(["problems", "results", "within the interval", "wider by", "of the time"], rows))


if __name__ == "__main__":
    main()
