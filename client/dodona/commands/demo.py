"""`dodona demo`: a server of its own with a study that workers search, to look around in."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

import dodona
from dodona._space import Space
from dodona.commands._calls import REFUSED, give_up

STARTS_WITHIN_SECONDS = 60.0
EPOCHS = 12
SPACE: Space = {
    "learning_rate": dodona.Float(1e-4, 1e-1, scale="log"),
    "dropout": dodona.Float(0.0, 0.6),
    "units": dodona.Discrete([32, 64, 128, 256]),
    "optimizer": dodona.Categorical(["adam", "sgd"], children={"sgd": {"momentum": dodona.Float(0.0, 0.99)}}),
}


def demo(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one", min=0, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(help="How many workers search", min=1, max=32)] = 4,
    trials: Annotated[int, typer.Option(help="How many trials the study has", min=1)] = 120,
    epoch: Annotated[float, typer.Option(help="Seconds that an epoch of the pretended training takes", min=0)] = 0.5,
) -> None:
    """Start a server with an example study that workers of this process search; Ctrl-C ends and deletes it.

    Nothing is trained: the workers report made-up learning curves.

    Example: dodona demo --port 8090
    """
    with tempfile.TemporaryDirectory(prefix="dodona-demo-") as folder:
        process, url = _start(Path(folder), port)
        try:
            client = dodona.Client(url)
            study = client.create_study(
                "demo", SPACE, goal="maximize", metric="val_accuracy", max_trials=trials, early_stopping="median"
            )
            typer.echo(f"{workers} workers search {trials} trials: {study.url}\nCtrl-C ends the demo and deletes it.")
            for index in range(1, workers + 1):
                threading.Thread(target=_work, args=(url, f"worker-{index}", epoch), daemon=True).start()
            process.wait()
            give_up("the demo's server has ended", REFUSED)
        except KeyboardInterrupt:
            typer.echo("the demo has ended")
        finally:
            process.terminate()
            process.wait()


def _start(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    """Return the process of a server in that folder, and its address."""
    command = [sys.executable, "-m", "dodona", "serve", "--port", str(port)]
    variables = {**os.environ, "DODONA_DATABASE_URL": f"sqlite:///{folder / 'demo.db'}", "DODONA_HOST": "127.0.0.1"}
    # A token of the environment is for another server.
    for name in ("DODONA_TOKEN", "DODONA_PROJECT", "DODONA_WORKERS"):
        variables.pop(name, None)
    os.environ.pop("DODONA_TOKEN", None)
    log = folder / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, env=variables, cwd=folder, stderr=file, text=True)  # noqa: S603 - our own
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        lines = [line for line in log.read_text().splitlines() if "listening on http" in line]
        if lines:
            return process, lines[0].rpartition(" ")[2]
        time.sleep(0.05)
    process.kill()
    process.wait()
    last = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
    return give_up(f"the demo's server did not start: {last}", REFUSED)


def _work(url: str, worker: str, epoch: float) -> None:
    """Search as a worker would, with made-up curves; the end of the server ends it."""
    made_up = random.Random(worker)  # noqa: S311 - no secrets
    try:
        with dodona.Client(url, worker=worker) as client:
            client.get_study("demo").optimize(lambda trial: _train(trial, made_up, epoch))
    except dodona.DodonaError:
        return


def _train(trial: dodona.Trial, made_up: random.Random, epoch: float) -> None:
    values = trial.parameters
    rate, dropout = float(values["learning_rate"]), float(values["dropout"])
    if rate > 0.09 and made_up.random() < 0.5:
        trial.fail("the loss became NaN in epoch 1")
        return
    best = 0.97 - 0.06 * (math.log10(rate) + 2.4) ** 2 - 0.2 * abs(dropout - 0.2)
    best -= 0.02 if values["optimizer"] == "sgd" else 0.0
    for step in range(1, EPOCHS + 1):
        time.sleep(epoch * made_up.uniform(0.6, 1.4))
        accuracy = best * (1 - math.exp(-step / 3)) + made_up.gauss(0, 0.006)
        trial.report({"val_accuracy": accuracy}, step=step)
        if trial.should_stop:
            break
    trial.complete()
