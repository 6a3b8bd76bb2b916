"""A script for `dodona run`: minimizes a parabola, slowly, and prints its process's id for each trial.

Arguments: the worker's name or "", and the seconds that a step takes. While the file "hold" is in the working
directory, no trial gets past its first step.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import dodona

name, pause = sys.argv[1], float(sys.argv[2])
# The trial of a worker that comes back late is still its own.
client = dodona.Client(worker=name or None, lease_seconds=600)
study = client.create_study("parabola", {"x": dodona.Float(-1, 1)}, goal="minimize", max_trials=6)
while True:
    try:
        trial = study.ask()
    except dodona.StudyCompleted:
        break
    with trial:
        print(f"trial {trial.number} in process {os.getpid()}", flush=True)
        for step in range(1, 4):
            time.sleep(pause)
            trial.report(trial.parameters["x"] ** 2, step)
            while Path("hold").exists():
                time.sleep(0.01)
