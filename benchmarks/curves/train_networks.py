"""Train the tasks of `network_tasks.py`, and store their curves as `train.py` does; needs JAX.

python benchmarks/curves/train_networks.py benchmarks/curves/networks.npz --configurations 300 --part 0/1
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from curves.network_tasks import TASKS
from curves.networks import NetworkTask, curves_of
from curves.trainings import about

# The program computes with these values themselves, with others by their index.
NUMBERS = ("batch_size", "layers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--configurations", type=int, default=300, help="of each task")
    parser.add_argument("--part", default="0/1", help="I/N: every Nth task from the Ith on, for N processes")
    given = parser.parse_args()
    first, parts = map(int, given.part.split("/"))
    table: dict[str, Any] = {}
    abouts = {}
    for task in TASKS[first::parts]:
        started = time.monotonic()
        table.update(_table(task, given.configurations))
        abouts[task.name] = about(task.space, task.metrics)
        np.savez_compressed(given.table, about=json.dumps(abouts), **table)
        print(f"{task.name}: {time.monotonic() - started:.1f} s", flush=True)


def _table(task: NetworkTask, configurations: int) -> dict[str, Any]:
    drawn = []
    for number in range(configurations):
        rng = random.Random(f"{task.name}/{number}")
        drawn.append({one.name: one.draw(rng) for one in task.space})
    stored = {one.name: np.array([one.stored(values[one.name]) for values in drawn], np.float32) for one in task.space}
    numbers = {name: np.array([values[name] for values in drawn], np.float32) for name in NUMBERS if name in stored}
    curves = curves_of(task, stored | numbers)
    return {
        f"{task.name}/x": np.column_stack(list(stored.values())),
        f"{task.name}/seconds": np.ones(configurations, np.float32),
        **{f"{task.name}/{metric}": _rounded(curve) for metric, curve in curves.items()},
    }


def _rounded(curve: Any) -> Any:
    """Return values with five significant digits, so that the file is small."""
    return np.array([[float(f"{value:.5g}") for value in row] for row in curve], np.float32)


if __name__ == "__main__":
    main()
