"""Command that runs every fault repeatedly and prints a table: `python -m tests.chaos [RUNS [SEED]]`."""

from __future__ import annotations

import random
import sys
import time

from tests.chaos.faults import FAULTS, run

TRIALS = 120
WORKERS = 8


def main() -> int:
    """Print faults x runs x violations; return the number of violations as the exit code."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seeds = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else None)
    total = 0
    print("| fault | runs | trials | violations | seconds |\n| --- | --- | --- | --- | --- |", flush=True)
    for name in FAULTS:
        began, broken = time.monotonic(), []
        for _ in range(runs):
            seed = seeds.randrange(10**6)
            try:
                found = run(name, seed, TRIALS, WORKERS)
            except (TimeoutError, RuntimeError) as error:
                found = [str(error)]
            broken += [f"{name}, seed {seed}: {one}" for one in found]
        total += len(broken)
        seconds = time.monotonic() - began
        print(f"| {name} | {runs} | {runs * TRIALS} | {len(broken)} | {seconds:.0f} |", flush=True)
        for one in broken:
            print(one, file=sys.stderr, flush=True)
    return min(total, 100)


if __name__ == "__main__":
    sys.exit(main())
