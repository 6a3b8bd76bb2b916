"""An ask-and-tell worker that journals what the server acknowledged: `python -m tests.processes.worker JOURNAL`."""

from __future__ import annotations

import sys
import time

import dodona

MAX_TRIALS = 60


def main() -> None:
    """Runs trials until the study is completed; each acknowledged result is a line of the journal."""
    space = {"x": dodona.Float(0.0, 1.0)}
    study = dodona.Client().create_study(
        "kill", space, goal="minimize", max_trials=MAX_TRIALS, algorithm="random_search"
    )
    with open(sys.argv[1], "a", encoding="utf-8") as journal:
        while True:
            try:
                trial = study.ask()
            except dodona.StudyCompleted:
                return
            value = float(trial.parameters["x"])
            for step in (1, 2, 3):
                trial.report(value + 1.0 / step, step)
                time.sleep(0.01)
            trial.complete(value)
            journal.write(f"{trial.number} {value!r}\n")
            journal.flush()


if __name__ == "__main__":
    main()
