"""A worker that journals what the server acknowledged: `python -m tests.chaos.worker FOLDER NAME OPTIONS`."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

import dodona
from tests.chaos.network import UnreliableTransport

STEPS = 4


def measured(x: float, step: int) -> float:
    """Return what a worker reports for the parameter at a step."""
    return x + 1.0 / step


def result(x: float) -> float:
    """Return the final result for the parameter."""
    return x


def main() -> None:
    """Run trials until the study is completed; each acknowledged result is a line of the journal."""
    folder, name, options = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    rng = random.Random(f"{options['seed']}/{name}")
    transport = UnreliableTransport(rng) if options.get("network") else None
    if options.get("clock"):
        _let_the_clock_jump(rng)
    client = dodona.Client(worker=name, lease_seconds=options["lease"], transport=transport, timeout=20)
    study = client.create_study(
        "chaos",
        {"x": dodona.Float(0.0, 1.0)},
        goal="minimize",
        max_trials=options["trials"],
        algorithm="random_search",
    )
    with (folder / f"journal-{name}-{os.getpid()}").open("a", encoding="utf-8") as journal:

        def keep(kind: str, trial: dodona.Trial, value: float) -> None:
            journal.write(f"{kind} {trial.number} {trial.attempt} {value!r}\n")
            journal.flush()

        while True:
            try:
                trial = study.ask()
            except dodona.StudyCompleted:
                return
            keep("begun", trial, 0.0)
            x = float(trial.parameters["x"])
            value = result(x)
            try:
                for step in range(1, STEPS + 1):
                    time.sleep(rng.uniform(0, options["pace"]))
                    trial.report(measured(x, step), step)
                trial.complete(value)
            except dodona.Aborted:
                keep("lost", trial, value)
            else:
                keep("done", trial, value)


def _let_the_clock_jump(rng: random.Random) -> None:
    """Move this process's clock by up to a day, repeatedly."""
    real = time.time
    time.time = lambda: real() + rng.uniform(-86_400, 86_400)


if __name__ == "__main__":
    main()
