"""The program behind `make demo`: a server, and two workers that tune a Keras model on handwritten digits in one study.

It writes everything into the folder "demo": the server's database, the checkpoints and the logs.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

import dodona

ROOT = Path(__file__).parents[1]
FOLDER = Path("demo")
WORKERS = ("worker-1", "worker-2")
STUDY = "digits"
METRIC = "val_accuracy"
BEST = 5
LOG_LINES = 25

SERVE = [str(Path(sys.executable).with_name("dodona")), "serve", "--database-url", f"sqlite:///{FOLDER}/dodona.db"]
USUAL_PORT = 8080

# The workers share the machine's cores: one thread each.
QUIET_AND_SMALL = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}

TEST = """
import digits
_, _, (x, y) = digits.load_data()
model = digits.make_tuner().get_best_models()[0]
print(model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"])
"""

console = Console(highlight=False)
Processes = dict[str, subprocess.Popen[bytes]]


def main() -> None:
    """Run the demo, and stop the processes that it started, however it ends."""
    os.chdir(ROOT)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, lambda number, _: sys.exit(128 + number))
    try:
        with ExitStack() as stack:
            demonstrate(stack)
    except KeyboardInterrupt:
        sys.exit("stopped")


def demonstrate(stack: ExitStack) -> None:
    """Run the server and the workers, and show their progress and the result."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    page = f"{url}/studies/default/local/{STUDY}"
    serve = SERVE if port == USUAL_PORT else [*SERVE, "--port", str(port)]
    # Existing settings of the client would lead it, or the workers, to another server.
    for name in [name for name in os.environ if name.startswith("DODONA_") and name != "DODONA_DEMO_TRIALS"]:
        del os.environ[name]
    os.environ |= {**QUIET_AND_SMALL, "DODONA_URL": url}

    processes: Processes = {"server": stack.enter_context(running("server", serve))}
    wait_until_ready(url, processes)
    console.print(f"The server runs at [bold]{url}[/]; its database is {FOLDER}/dodona.db.")
    console.print("Two workers start, to tune a Keras model on scikit-learn's handwritten digits in one study.")
    console.print(f"Watch them in the browser: [bold]{page}[/]\n", soft_wrap=True)
    started = time.monotonic()
    for name in WORKERS:
        processes[name] = stack.enter_context(running(name, [sys.executable, "examples/digits.py"], name))
    client = stack.enter_context(dodona.Client(url))
    follow(client, processes)

    study = client.get_study(STUDY)
    best = study.best_trials(BEST)
    if not best:
        fail("no trial succeeded", WORKERS[0])
    console.print(f"\n{len(study.trials())} trials took {time.monotonic() - started:.0f} seconds. The best of them:")
    console.print(table(best))
    accuracy = test_accuracy()
    console.print(
        f"The model of trial {best[0].number}, loaded from its checkpoint, reads [bold]{accuracy:.1%}[/]"
        " of the test digits right; no worker has seen them.\n"
    )
    console.print("To look at it all again, start the server and open the page:")
    console.print(f"  [bold]{shlex.join([os.path.relpath(serve[0]), *serve[1:]])}[/]", soft_wrap=True)
    console.print(f"  [bold]{page}[/]", soft_wrap=True)


def free_port() -> int:
    """Return the usual port, or a free one if it is taken."""
    for port in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    sys.exit("no port is free")


@contextmanager
def running(name: str, command: Sequence[str], worker: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that writes to its own log, and stop it at the end of the block."""
    with log_of(name).open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "DODONA_WORKER": worker},
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches only this process, which stops the others in the right order
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def log_of(name: str) -> Path:
    return FOLDER / f"{name}.log"


def fail(reason: str, name: str) -> NoReturn:
    """End the demo and print the last lines of a process's log."""
    lines = log_of(name).read_text(errors="replace").splitlines()[-LOG_LINES:]
    console.print(f"\n[bold red]{reason}[/]; the end of {log_of(name)}:\n", soft_wrap=True)
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    sys.exit(1)


def check(processes: Processes) -> None:
    """End the demo if a process has failed."""
    for name, process in processes.items():
        code = process.poll()
        if code or (code == 0 and name == "server"):
            fail(f"{name} ended with code {code}", name)


def wait_until_ready(url: str, processes: Processes) -> None:
    """Wait until the server is ready."""
    while True:
        check(processes)
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)


def follow(client: dodona.Client, processes: Processes) -> None:
    """Print each trial as it finishes, until both workers have ended."""
    told: set[int] = set()
    best: dodona.TrialRecord | None = None
    with Live(console=console, transient=True) as live:
        running = True
        while running:
            check(processes)
            running = any(processes[name].poll() is None for name in WORKERS)
            trials = trials_of(client)
            for trial in sorted(finished(trials), key=lambda trial: str(trial.end)):
                if trial.number in told:
                    continue
                told.add(trial.number)
                if trial.metrics and (best is None or trial.metrics[METRIC] > best.metrics[METRIC]):
                    best = trial
                console.print(line(trial, best))
            live.update(now(trials))
            time.sleep(0.3)


def trials_of(client: dodona.Client) -> list[dodona.TrialRecord]:
    """Return the trials of the study; none before a worker has created it."""
    try:
        return client.get_study(STUDY).trials()
    except dodona.NotFound:
        return []


def finished(trials: list[dodona.TrialRecord]) -> list[dodona.TrialRecord]:
    return [trial for trial in trials if trial.state in ("SUCCEEDED", "INFEASIBLE")]


def line(trial: dodona.TrialRecord, best: dodona.TrialRecord | None) -> str:
    """Return a line with one trial's result, and the best result so far."""
    said = f"trial {trial.number:2}  {trial.worker}  "
    said += f"{METRIC} {trial.metrics[METRIC]:.4f}" if trial.metrics else f"failed: {trial.infeasible_reason}"
    return f"{said}   best so far {best.metrics[METRIC]:.4f}, trial {best.number}" if best else said


def now(trials: list[dodona.TrialRecord]) -> Table:
    """Return a line for each active trial."""
    grid = Table.grid(padding=(0, 2))
    for trial in trials:
        if trial.state == "ACTIVE":
            last = trial.measurements[-1] if trial.measurements else None
            epoch = f"epoch {last.step}  {METRIC} {last.metrics.get(METRIC, float('nan')):.4f}" if last else "starts"
            grid.add_row(f"[dim]trial {trial.number:2}", f"[dim]{trial.worker}", f"[dim]{epoch}")
    if not trials:
        grid.add_row("[dim]the workers load TensorFlow ...")
    return grid


def table(trials: list[dodona.TrialRecord]) -> Table:
    """Return a table of trials with their values and workers."""
    result = Table("trial", "worker", METRIC, "parameters")
    for trial in trials:
        parameters = ", ".join(
            f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in trial.parameters.items()
        )
        result.add_row(str(trial.number), trial.worker, f"{trial.metrics[METRIC]:.4f}", parameters)
    return result


def test_accuracy() -> float:
    """Return the test accuracy of the study's best model, from a new process."""
    with log_of("test").open("wb") as log:
        command = [sys.executable, "-c", TEST]
        test = subprocess.run(command, env={**os.environ, "PYTHONPATH": "examples"}, stdout=subprocess.PIPE, stderr=log)
    if test.returncode:
        fail("the best model could not be tested", "test")
    return float(test.stdout.split()[-1])


if __name__ == "__main__":
    main()
