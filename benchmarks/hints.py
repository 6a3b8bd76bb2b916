"""Measures what hints save or cost: good, vague and wrong ones, beside the same search without.

    python benchmarks/hints.py run FILE [--seeds 5] [--algorithms GP_BANDIT TPE RANDOM_SEARCH]
    python benchmarks/hints.py report FILE

The problems are all tables of real trainings of the suites `quick` and `held-out`, and Branin and Hartmann; 50 trials
each. Every parameter has a hint:

- good: the optimum's value, moved by a tenth of the axis; "fairly" sure;
- vague: moved by a quarter of the axis, another category in a third of the cases; "vaguely" sure;
- wrong: the value of the worst of 20 random points; "fairly" sure.

The report says how many trials the search with hints needs until it is as good as the search without is after 25
trials, by the median over the seeds, and the log10 regret at 25 and 50 trials.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.algorithms.space.unit_interval import Axis
from dodona_server.domain.space import Categorical, Value
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.hint import Hint, Sure
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from markdown_tables import aligned
from quality import problems

METRIC = Metric("value", Goal.MINIMIZE)
TRIALS, HALF = 50, 25
KINDS = ("none", "good", "vague", "wrong")
MOVED = {"good": 0.1, "vague": 0.25}
OTHER_CATEGORY = {"good": 0.0, "vague": 1 / 3}
RANDOM_POINTS = 20
MAX_LOG = 4


def _problems() -> dict[str, Callable[[], problems.Problem]]:
    made = {**problems.suite("quick"), **problems.suite("held-out")}
    return {name: make for name, make in made.items() if name.split()[0] in ("HPOLib", "HPOBench", "NASBench201")}


def _optimum(problem: problems.Problem, rng: random.Random) -> Mapping[str, Value]:
    """Return the best point of a table: every point of a small one, else the best of many."""
    best = min((sample(problem.space, rng) for _ in range(20_000)), key=problem.true)
    while True:
        near = [
            {**best, one.id: value} for one in problem.space.parameters for value in getattr(one.kind, "values", ())
        ]
        found = min(near, key=problem.true)
        if problem.true(found) >= problem.true(best):
            return best
        best = found


def _hints(problem: problems.Problem, kind: str, optimum: Mapping[str, Value], rng: random.Random) -> dict[str, Hint]:
    if kind == "none":
        return {}
    if kind == "wrong":
        worst = max((sample(problem.space, rng) for _ in range(RANDOM_POINTS)), key=problem.true)
        return {name: Hint((value,), Sure.FAIRLY) for name, value in worst.items()}
    found = {}
    for parameter in problem.space.parameters:
        value = optimum[parameter.id]
        axis = Axis(parameter.kind)
        if isinstance(parameter.kind, Categorical):
            if rng.random() < OTHER_CATEGORY[kind]:
                value = rng.choice(parameter.kind.values)
        else:
            place = axis.place(value) or 0.0
            value = axis.value(min(max(place + rng.gauss(0, MOVED[kind]), 0.0), 1.0))
        found[parameter.id] = Hint((value,), Sure.FAIRLY if kind == "good" else Sure.VAGUELY)
    return found


def _search(
    problem: problems.Problem, algorithm: str, kind: str, optimum: Mapping[str, Value], seed: int
) -> list[float]:
    rng = random.Random(f"{problem.name} {kind} {seed}")
    hints = _hints(problem, kind, optimum, rng)
    spec = StudySpec((METRIC,), problem.space, stopping=StoppingConfig(max_num_trials=TRIALS), hints=hints)
    done: list[Trial] = []
    values: list[float] = []
    while len(done) < TRIALS:
        request = Request(Problem(spec, len(done), seed=seed), done, (), 1, random.Random(f"{seed}/{len(done)}"))
        suggestions = algorithm_for(algorithm).suggest(request).suggestions
        if not suggestions:
            break
        value = problem.true(suggestions[0].parameters)
        values.append(value)
        measured = Measurement({METRIC.id: value})
        done.append(Trial(len(done) + 1, TrialState.SUCCEEDED, suggestions[0].parameters, final_measurement=measured))
    return values


def run(file: Path, seeds: int, algorithms: list[str]) -> None:
    """Run the searches that the file lacks, and append them."""
    known = set()
    if file.exists():
        known = {tuple(one[:4]) for one in map(json.loads, file.read_text().splitlines())}
    for seed in range(seeds):
        for name, make in _problems().items():
            todo = [
                (algorithm, kind)
                for algorithm in algorithms
                for kind in KINDS
                if (name, algorithm, kind, seed) not in known
            ]
            if not todo:
                continue
            problem = make()
            optimum = _optimum(problem, random.Random(name))
            middle = statistics.median(
                problem.true(sample(problem.space, random.Random(index))) for index in range(500)
            )
            with file.open("a") as out:
                for algorithm, kind in todo:
                    values = _search(problem, algorithm, kind, optimum, seed)
                    out.write(json.dumps([name, algorithm, kind, seed, values, problem.best, middle]) + "\n")


def _log_regret(best: float, optimum: float, middle: float) -> float:
    return max(math.log10(max((best - optimum) / (middle - optimum), 1e-9)), -MAX_LOG)


def report(file: Path) -> None:
    """Print the table."""
    runs: dict[tuple[str, str, str], list[list[float]]] = {}
    ends: dict[str, tuple[float, float]] = {}
    for line in file.read_text().splitlines():
        name, algorithm, kind, _, values, best, middle = json.loads(line)
        runs.setdefault((algorithm, kind, name), []).append([min(values[: count + 1]) for count in range(len(values))])
        ends[name] = (best, middle)
    rows = []
    for algorithm in dict.fromkeys(key[0] for key in runs):
        for kind in KINDS:
            needed, logs = [], []
            for name in ends:
                cold = runs[algorithm, "none", name]
                target = statistics.median(one[min(HALF, len(one)) - 1] for one in cold)
                found = runs.get((algorithm, kind, name), [])
                for one in found:
                    reached = next((count for count, value in enumerate(one, 1) if value <= target), TRIALS)
                    needed.append((name, reached))
                    logs.append([_log_regret(one[min(at, len(one)) - 1], *ends[name]) for at in (HALF, TRIALS)])
            each = [statistics.median(count for name, count in needed if name == one) for one in ends]
            rows.append(
                [
                    algorithm,
                    kind,
                    str(len(needed)),
                    f"{statistics.median(each):.0f}",
                    f"{statistics.mean(each):.1f}",
                    *(f"{statistics.mean(log[at] for log in logs):.2f}" for at in (0, 1)),
                ]
            )
    head = ["algorithm", "hints", "searches", "trials, median", "mean", "log10 regret at 25", "at 50"]
    print(aligned(head, rows))


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--algorithms", nargs="+", default=["GP_BANDIT"])
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.file, arguments.seeds, arguments.algorithms)
    report(arguments.file)


if __name__ == "__main__":
    main()
