"""`dodona run`: several workers of one script, on this machine or on an engine that starts processes."""

from __future__ import annotations

import enum
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from dodona._searched import SearchedFile
from dodona.commands._backends import kubernetes, slurm
from dodona.commands._backends.job import BackendFailed, Job
from dodona.commands._gpus import VISIBLE, TooFewGpus, shares
from dodona.commands._show import Show
from dodona.commands._worker import Worker

POLL_SECONDS = 0.1
LOGS = Path("dodona-logs")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Backend(enum.StrEnum):
    """Where the workers run."""

    LOCAL = "local"
    SLURM = "slurm"
    KUBERNETES = "kubernetes"


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    script: Annotated[Path, typer.Argument(help="A Python script that tunes")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of the script")] = None,
    workers: Annotated[int, typer.Option(help="How many processes run the script", min=1)] = 1,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(help="GPUs of each worker; 0.25 lets four share one, 0 is none [default: all see all]", min=0),
    ] = None,
    cpus_per_worker: Annotated[
        int | None, typer.Option(help="Processor cores of each worker, on Slurm and Kubernetes", min=1)
    ] = None,
    logs: Annotated[Path, typer.Option(help="Folder for the workers' output; - for the terminal")] = LOGS,
    grace: Annotated[float, typer.Option(help="Seconds that a worker has to exit", min=0)] = 30.0,
    backend: Annotated[Backend, typer.Option(help="Where the workers run")] = Backend.LOCAL,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be submitted")] = False,
    sbatch: Annotated[
        list[str] | None, typer.Option(help="An option for sbatch, such as --partition=gpu; may be repeated")
    ] = None,
    image: Annotated[str | None, typer.Option(help="The container image, on Kubernetes; it has the script")] = None,
    token_secret: Annotated[
        str | None, typer.Option(help='The Secret whose key "token" is the server\'s token, on Kubernetes')
    ] = None,
) -> None:
    """Run several workers of a script on this machine, on Slurm or on Kubernetes, until the study is done.

    A worker that dies is restarted. Ctrl-C, SIGTERM and a closed terminal make every worker release its trial. A second
    Ctrl-C kills them.

    Example: dodona run --workers 4 --gpus-per-worker 1 train.py --epochs 20
    """
    if backend is Backend.LOCAL:
        raise typer.Exit(_run_here(script, arguments or [], workers, gpus_per_worker, logs, grace))
    if gpus_per_worker is not None and gpus_per_worker != int(gpus_per_worker):
        _refuse(f"--gpus-per-worker {gpus_per_worker:g}: {backend} gives out whole GPUs")
    gpus = None if gpus_per_worker is None else int(gpus_per_worker)
    job = Job(script, arguments or [], workers, gpus, cpus_per_worker, grace, logs)
    try:
        if backend is Backend.SLURM:
            _on_slurm(job, sbatch or [], dry_run=dry_run)
        else:
            _on_kubernetes(job, image, token_secret, dry_run=dry_run)
    except BackendFailed as error:
        typer.echo(f"dodona: {error}", err=True)
        raise typer.Exit(1) from None


def _on_slurm(job: Job, options: Sequence[str], *, dry_run: bool) -> None:
    _check_exists(job.script)
    text = slurm.script_of(job, options)
    if dry_run:
        typer.echo(text, nl=False)
        return
    # Slurm does not create it, and drops the output of a job without it.
    job.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = slurm.submit(text)
    watch, end = f"{job.logs}/{number}_*.log", f"scancel {number}"
    typer.echo(f"job {number}: {job.workers} workers; their output: {watch}; to end them: {end}")


def _on_kubernetes(job: Job, image: str | None, token_secret: str | None, *, dry_run: bool) -> None:
    url = os.environ.get("DODONA_URL")
    if image is None:
        _refuse("--backend kubernetes needs --image, a container image with Python, dodona and the script")
    if url is None:
        _refuse("--backend kubernetes needs DODONA_URL, the server's address as pods reach it")
    manifest = kubernetes.manifest_of(job, image=image, url=url, token_secret=token_secret)
    if dry_run:
        typer.echo(manifest)
        return
    name = kubernetes.submit(manifest)
    watch, end = f"kubectl logs --follow --selector job-name={name}", f"kubectl delete job {name}"
    typer.echo(f"job {name}: {job.workers} workers; their output: {watch}; to end them: {end}")


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"dodona: {reason}", err=True)
    raise typer.Exit(2)


def _check_exists(script: Path) -> None:
    if not script.is_file():
        _refuse(f"there is no script {script}")


def _run_here(
    script: Path, arguments: Sequence[str], workers: int, gpus_per_worker: float | None, logs: Path, grace: float
) -> int:
    """Run the workers on this machine; return the exit code."""
    _check_exists(script)
    console = Console()
    try:
        variables = shares(workers, gpus_per_worker)
    except TooFewGpus as error:
        _refuse(f"--gpus-per-worker {gpus_per_worker:g}: {error}")
    has_files = str(logs) != "-"
    if has_files:
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    # With a DODONA_WORKER of its own, a `dodona run` that starts again after a crash gets its trials back at once.
    prefix = os.environ.get("DODONA_WORKER") or f"{socket.gethostname()}-{secrets.token_hex(2)}"
    command = [sys.executable, str(script), *arguments]
    with tempfile.TemporaryDirectory(prefix="dodona-run-") as folder:
        searched = SearchedFile(Path(folder) / "searched")
        crew = [
            Worker(
                name,
                command,
                mine,
                logs / f"{name}.log" if has_files else None,
                Path(folder) / f"{name}.json",
                searched,
            )
            for name, mine in ((f"{prefix}-{index}", mine) for index, mine in enumerate(variables, 1))
        ]
        for worker, mine in zip(crew, variables, strict=True):
            gpus = f"  {VISIBLE}={mine[VISIBLE]}" if VISIBLE in mine else ""
            place = worker.log or "started"
            console.print(f"{worker.name}: {place}{gpus}", highlight=False, soft_wrap=True)
        return _Run(crew, console, grace).until_done()


class _Run:
    """The workers from their start to their end.

    Args:
        crew: the workers.
        console: where to show them.
        grace: how many seconds they have to exit.
    """

    def __init__(self, crew: Sequence[Worker], console: Console, grace: float) -> None:
        self._crew = crew
        self._show = Show(console, crew)
        self._grace = grace
        self._signals: list[int] = []

    def until_done(self) -> int:
        """Run the workers to their end; return the exit code."""
        before = {number: signal.signal(number, self._on_signal) for number in _exit_signals()}
        try:
            with self._show.shown():
                shared_id = self._work()
                if shared_id or self._signals:
                    self._stop()
        finally:
            for worker in self._crew:
                worker.kill()
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._report_end(shared_id)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _work(self) -> str | None:
        """Watch the workers until all have ended or a signal arrives; return an error that stops them, if any."""
        for worker in self._crew:
            worker.start()
        while not self._signals and not all(worker.ended for worker in self._crew):
            time.sleep(POLL_SECONDS)
            for worker in self._crew:
                worker.check()
            self._show.check()
            if (shared_id := self._shared_id()) is not None:
                return shared_id
        return None

    def _shared_id(self) -> str | None:
        """Return an error if two workers use the same id and so would get the same trials."""
        called: dict[str, str] = {}
        for worker in self._crew:
            status = worker.status
            if status is None:
                continue
            if (other := called.setdefault(status.worker, worker.name)) != worker.name:
                return (
                    f"{other} and {worker.name} both call themselves {status.worker!r}: "
                    "leave tuner_id= and worker= out of the script"
                )
        return None

    def _stop(self) -> None:
        """Ask every worker to release its trial and exit, and kill those that do not end in time."""
        heard = len(self._signals)
        for worker in self._crew:
            worker.interrupt()
        self._show.print_line("every worker releases its trial ...")
        deadline = time.monotonic() + self._grace
        while left := [worker for worker in self._crew if not worker.has_exited()]:
            if time.monotonic() >= deadline or len(self._signals) > heard:
                break
            time.sleep(POLL_SECONDS)
        for worker in left:
            self._show.print_line(f"{worker.name} did not exit in time and is killed")
            worker.kill()

    def _report_end(self, shared_id: str | None) -> int:
        """Print how the workers ended; return the exit code."""
        if shared_id:
            typer.echo(f"dodona: {shared_id}", err=True)
            return 2
        if self._signals:
            return 128 + self._signals[0]
        lost = [worker for worker in self._crew if worker.given_up]
        if lost:
            names = ", ".join(worker.name for worker in lost)
            if lost[-1].log is None:
                typer.echo(f"dodona: {names} died repeatedly", err=True)
            else:
                typer.echo(f"dodona: {names} died repeatedly; the end of {lost[-1].log}:", err=True)
                typer.echo(lost[-1].last_lines(), err=True)
        return 1 if lost else 0


def _exit_signals() -> list[signal.Signals]:
    """Return the signals that ask this process to exit."""
    signals = [signal.SIGINT, signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    # Under `nohup` the workers continue when the terminal is closed.
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        signals.append(hangup)
    return signals
