"""Measures what `priorStudies: "auto"` saves or costs: similar, unrelated and opposite earlier studies.

    python benchmarks/prior_studies.py run FILE [--seeds 5]
    python benchmarks/prior_studies.py report FILE

The problems are the tables of real trainings of the suites `quick` and `held-out`, 50 trials each with GP_BANDIT:

- cold: no earlier study;
- similar: the project has the cold studies of the other data sets of the same table, with the same parameters;
- unrelated: it has three studies with the same parameters whose results are in random order;
- opposite: it has the cold study of the same data set, with the sign of each result turned.

The server picks the earlier studies that are most alike; here too. The report says how many trials a search needs until
it is as good as the cold one after 25 trials, as the mean over the tables of the median over the seeds, and the
difference of the log10 regret from that of the cold search with the same seed, with its 95 % interval.

It needs the extra `bench`. A run continues where an earlier one stopped. Set OMP_NUM_THREADS=1 for one core each.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import math
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from dodona_server.algorithms.registry import Prior, Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Value
from dodona_server.domain.studies.similarity import most_similar
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from markdown_tables import aligned
from quality import problems

METRIC = Metric("value", Goal.MINIMIZE)
TRIALS, HALF = 50, 25
MARKS = (10, 25, 50)
KINDS = ("cold", "similar", "unrelated", "opposite")
MAX_LOG = 4
UNRELATED = 3
Points = list[tuple[dict[str, Value], float]]


@functools.cache
def _problem(name: str) -> problems.Problem:
    family, dataset = name.split()
    return problems.table(family, dataset)


def _names() -> list[str]:
    return [" ".join(one) for one in (*problems.TABLES, *problems.HELD_OUT_TABLES)]


def _spec(name: str) -> StudySpec:
    return StudySpec((METRIC,), _problem(name).space)


def _trials(points: Points) -> list[Trial]:
    return [
        Trial(number, TrialState.SUCCEEDED, point, final_measurement=Measurement({METRIC.id: value}))
        for number, (point, value) in enumerate(points, 1)
    ]


def _search(name: str, priors: Sequence[Prior], seed: int) -> Points:
    spec, found = _spec(name), Points()
    while len(found) < TRIALS:
        problem = Problem(spec, len(found), priors, seed)
        request = Request(problem, _trials(found), (), 1, random.Random(f"{seed}/{len(found) + 1}"))
        suggested = algorithm_for("GP_BANDIT").suggest(request).parameters
        if not suggested:
            break
        found.append((dict(suggested[0]), _problem(name).true(suggested[0])))
    return found


def _priors(name: str, kind: str, seed: int, cold: dict[tuple[str, int], Points]) -> list[Prior]:
    """Return the earlier studies that the server would pick of those that a project has."""
    rng = random.Random(f"{name}/{kind}/{seed}")
    if kind == "similar":
        others = [other for other in _names() if other != name]
        rng.shuffle(others)
        picked = most_similar(_spec(name), [(_spec(other), other) for other in others])
        return [Prior(_spec(other), _trials(cold[other, seed])) for _, other in picked]
    if kind == "opposite":
        return [Prior(_spec(name), _trials([(point, -value) for point, value in cold[name, seed]]))]
    found = []
    for _ in range(UNRELATED if kind == "unrelated" else 0):
        points = [dict(sample(_problem(name).space, rng)) for _ in range(TRIALS)]
        found.append(Prior(_spec(name), _trials([(point, rng.gauss(0.0, 1.0)) for point in points])))
    return found


def run(file: Path, seeds: int) -> None:
    """Run the searches that the file lacks, and append them."""
    known = {tuple(one[:3]): one[3] for one in map(json.loads, file.read_text().splitlines())} if file.exists() else {}
    with file.open("a") as out:
        for seed in range(seeds):
            for kind in KINDS:
                cold = {(one, of): found for (one, how, of), found in known.items() if how == "cold"}
                for name in _names():
                    if (name, kind, seed) in known:
                        continue
                    found = _search(name, _priors(name, kind, seed, cold), seed)
                    known[name, kind, seed] = found
                    # Other searches learn from the points of the cold ones.
                    kept = found if kind == "cold" else [value for _, value in found]
                    out.write(json.dumps([name, kind, seed, kept]) + "\n")
                    out.flush()


def report(file: Path) -> None:
    """Print the table."""
    runs: dict[tuple[str, str], dict[int, list[float]]] = {}
    text = gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()
    for name, kind, seed, found in map(json.loads, text.splitlines()):
        values = [value for _, value in found] if kind == "cold" else found
        runs.setdefault((name, kind), {})[seed] = [min(values[: count + 1]) for count in range(len(values))]
    rows = []
    for kind in KINDS:
        needed, changes = [], {mark: [] for mark in MARKS}
        for name in _names():
            cold, ours = runs.get((name, "cold"), {}), runs.get((name, kind), {})
            seeds = sorted(cold.keys() & ours.keys())
            if not seeds:
                continue
            target = statistics.median(_at(cold[seed], HALF) for seed in seeds)
            reached = [next((n for n, value in enumerate(ours[seed], 1) if value <= target), TRIALS) for seed in seeds]
            needed.append(statistics.median(reached))
            for mark in MARKS:
                pairs = [(_log(name, _at(ours[seed], mark)), _log(name, _at(cold[seed], mark))) for seed in seeds]
                changes[mark] += [one - other for one, other in pairs]
        searches = str(len(changes[HALF]))
        rows.append([kind, searches, f"{statistics.mean(needed):.1f}", *map(_interval, changes.values())])
    marks = [f"log10 regret at {mark}, against cold" for mark in MARKS]
    print(aligned(["earlier studies", "searches", "trials to cold's best at 25", *marks], rows))


def _at(best: Sequence[float], count: int) -> float:
    return best[min(count, len(best)) - 1]


@functools.cache
def _middle(name: str) -> float:
    rng = random.Random(name)
    return statistics.median(_problem(name).true(sample(_problem(name).space, rng)) for _ in range(500))


def _log(name: str, best: float) -> float:
    optimum = _problem(name).best
    return max(math.log10(max((best - optimum) / (_middle(name) - optimum), 1e-9)), -MAX_LOG)


def _interval(changes: list[float]) -> str:
    """Return the mean with its 95 % bootstrap interval."""
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(changes, k=len(changes))) for _ in range(2000))
    return f"{statistics.fmean(changes):+.2f} ({means[50]:+.2f} to {means[-51]:+.2f})"


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.file, arguments.seeds)
    report(arguments.file)


if __name__ == "__main__":
    main()
