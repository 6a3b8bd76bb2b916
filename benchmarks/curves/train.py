"""Train every configuration of every task, and store the curves in one file.

    OMP_NUM_THREADS=1 python benchmarks/curves/train.py benchmarks/curves/trainings.npz --configurations 300

The tasks take turns, and the file is written after each turn: a run that ends early has equally many configurations of
each task. A run continues where an earlier one stopped. README.md says what the file has.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from curves import keras_tasks, sklearn_tasks
from curves.trainings import EPOCHS, Task, about

TURN = 25
# Significant digits of a value, so that the file is small.
DIGITS = 5

Table = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--configurations", type=int, default=300, help="of each task")
    parser.add_argument("--tasks", help="names with commas; all if not given")
    given = parser.parse_args()
    tasks = [*sklearn_tasks.TASKS, *keras_tasks.TASKS]
    chosen = given.tasks.split(",") if given.tasks else [task.name for task in tasks]
    tasks = [task for task in tasks if task.name in chosen]
    table = dict(np.load(given.table)) if given.table.exists() else {}
    for end in range(TURN, given.configurations + TURN, TURN):
        for task in tasks:
            started = time.process_time()
            _extend(table, task, min(end, given.configurations))
            table["about"] = json.dumps(
                {**json.loads(str(table.get("about", "{}"))), task.name: about(task.space, task.metrics)}
            )
            _write(table, given.table)
            seconds = time.process_time() - started
            print(f"{task.name}: {len(table[f'{task.name}/x'])} configurations, {seconds:.1f} s of CPU", flush=True)


def _extend(table: Table, task: Task, end: int) -> None:
    """Train the configurations up to `end` that the table lacks."""
    before = len(table.get(f"{task.name}/x", ()))
    rows: dict[str, list[Any]] = {"x": [], "seconds": [], **{metric: [] for metric in task.metrics}}
    for number in range(before, end):
        rng = random.Random(f"{task.name}/{number}")
        values = {dimension.name: dimension.draw(rng) for dimension in task.space}
        rows["x"].append([dimension.stored(values[dimension.name]) for dimension in task.space])
        curves, seconds = _curves(task, values, number)
        rows["seconds"].append(seconds)
        for metric in task.metrics:
            rows[metric].append(curves[metric])
    for name, added in rows.items():
        if added:
            new = np.array(added, np.float32)
            key = f"{task.name}/{name}"
            table[key] = np.concatenate([table[key], new]) if before else new


def _curves(task: Task, values: dict[str, Any], seed: int) -> tuple[dict[str, list[float]], float]:
    """Return a curve for each metric, NaN once the training has failed, and the seconds of an epoch."""
    curves: dict[str, list[float]] = {metric: [] for metric in task.metrics}
    seconds, started = [], time.process_time()
    try:
        for metrics in task.train(values, seed):
            for metric, curve in curves.items():
                curve.append(float(f"{metrics[metric]:.{DIGITS}g}"))
            seconds.append(time.process_time() - started)
            started = time.process_time()
    except ValueError:  # scikit-learn raises it when weights are no longer finite
        pass
    padded = {metric: curve + [float("nan")] * (EPOCHS - len(curve)) for metric, curve in curves.items()}
    return padded, statistics.median(seconds) if seconds else 0.0


def _write(table: Table, path: Path) -> None:
    """Write the table by a rename, so that readers always find a whole file."""
    with (temporary := path.with_suffix(".part")).open("wb") as file:
        np.savez_compressed(file, **table)
    temporary.replace(path)


if __name__ == "__main__":
    main()
