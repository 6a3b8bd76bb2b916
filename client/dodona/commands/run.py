"""`dodona run`: several workers of one script, on this machine or on an engine that starts processes."""

from __future__ import annotations

import enum
import os
import re
import secrets
import shlex
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from dodona.launch.fleet import Fleet
from dodona.launch.gpus import TooFewGpus, gpus_here, mps_runs, shares
from dodona.launch.kubernetes import KubernetesLauncher
from dodona.launch.launcher import BackendFailed, Job
from dodona.launch.local import FixedSeats, LocalLauncher, PackedSeats, PackingWatch, Seats
from dodona.launch.packing import Packing
from dodona.launch.scaling import Bounds
from dodona.launch.show import Show
from dodona.launch.slurm import SlurmLauncher
from dodona.launch.watching import Watcher
from dodona.launch.worker import Worker

if TYPE_CHECKING:
    from dodona.launch.ray import RayLauncher

LOGS = Path("dodona-logs")
AUTO = "auto"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Backend(enum.StrEnum):
    """Place where the workers run."""

    LOCAL = "local"
    RAY = "ray"
    SLURM = "slurm"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class _Order:
    """Request of the command line, on any engine.

    Args:
        job: what to run.
        bounds: how many workers there may be.
        study: the name of the study that they search; None to learn it from them.
        prefix: of their names.
        dry_run: whether to only print what would be started.
    """

    job: Job
    bounds: Bounds
    study: str | None
    prefix: str
    dry_run: bool

    @property
    def first(self) -> int:
        """Number of workers to start while the study is unknown."""
        return max(1, self.bounds.least) if self.bounds.follows else self.bounds.most


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    script: Annotated[Path, typer.Argument(help="A Python script that tunes")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of the script")] = None,
    workers: Annotated[
        str, typer.Option(help="How many processes run the script; MIN:MAX follows what is left to run")
    ] = "1",
    gpus_per_worker: Annotated[
        str | None,
        typer.Option(
            help="GPUs of each worker; 0.25 lets four share one, auto finds how many, 0 is none [default: all see all]"
        ),
    ] = None,
    cpus_per_worker: Annotated[
        int | None, typer.Option(help="Processor cores of each worker, on Ray, Slurm and Kubernetes", min=1)
    ] = None,
    logs: Annotated[Path, typer.Option(help="Folder for the workers' output; - for the terminal")] = LOGS,
    grace: Annotated[float, typer.Option(help="Seconds that a worker has to exit", min=0)] = 30.0,
    backend: Annotated[Backend, typer.Option(help="Where the workers run")] = Backend.LOCAL,
    study: Annotated[
        str | None, typer.Option(help="The study whose wanted workers are followed [default: the script's, if local]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be submitted")] = False,
    ray_address: Annotated[
        str | None,
        typer.Option(help="The Ray cluster, host:port or ray://host:port [default: RAY_ADDRESS, or this machine's]"),
    ] = None,
    sbatch: Annotated[
        list[str] | None, typer.Option(help="An option for sbatch, such as --partition=gpu; may be repeated")
    ] = None,
    image: Annotated[str | None, typer.Option(help="The container image, on Kubernetes; it has the script")] = None,
    token_secret: Annotated[
        str | None, typer.Option(help='The Secret whose key "token" is the server\'s token, on Kubernetes')
    ] = None,
) -> None:
    """Run several workers of a script on this machine, on Ray, on Slurm or on Kubernetes, until the study is done.

    A worker that dies is restarted. Ctrl-C, SIGTERM and a closed terminal make every worker release its trial. A second
    Ctrl-C kills them.

    Example: dodona run --workers 4 --gpus-per-worker 1 train.py --epochs 20
    """
    bounds = _bounds_of(workers)
    packs = gpus_per_worker == AUTO
    if packs and backend is not Backend.LOCAL:
        _refuse(f"--gpus-per-worker auto: {backend} needs a number; only local workers are measured")
    gpus = None if gpus_per_worker is None or packs else _gpus_of(gpus_per_worker)
    if backend in (Backend.SLURM, Backend.KUBERNETES) and gpus is not None and gpus != int(gpus):
        _refuse(f"--gpus-per-worker {gpus:g}: {backend} gives out whole GPUs")
    if backend is not Backend.KUBERNETES and not script.is_file():
        _refuse(f"there is no script {script}")
    # With a DODONA_WORKER of its own, a `dodona run` that starts again after a crash gets its trials back at once.
    prefix = os.environ.get("DODONA_WORKER") or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    job = Job(script, arguments or [], gpus, cpus_per_worker, grace, logs)
    order = _Order(job, bounds, study, prefix, dry_run)
    try:
        match backend:
            case Backend.LOCAL:
                code = _run_here(order, packs=packs)
            case Backend.RAY:
                code = _run_on_ray(order, ray_address)
            case Backend.SLURM:
                code = _submit(order, SlurmLauncher(job, sbatch or []))
            case Backend.KUBERNETES:
                code = _submit(order, _kubernetes(job, image, token_secret))
    except BackendFailed as error:
        typer.echo(f"dodona: {error}", err=True)
        code = 1
    raise typer.Exit(code)


def _bounds_of(text: str) -> Bounds:
    match = re.fullmatch(r"(?:(\d+):)?(\d+)", text)
    if match is None or int(match[2]) < 1 or int(match[1] or 0) > int(match[2]):
        _refuse(f"--workers {text}: write a number from 1, or MIN:MAX such as 0:8")
    most = int(match[2])
    return Bounds(most if match[1] is None else int(match[1]), most, follows=match[1] is not None)


def _gpus_of(text: str) -> float:
    try:
        gpus = float(text)
    except ValueError:
        gpus = -1.0
    if not 0 <= gpus < float("inf"):
        _refuse(f"--gpus-per-worker {text}: write a number from 0, or auto")
    return gpus


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"dodona: {reason}", err=True)
    raise typer.Exit(2)


def _kubernetes(job: Job, image: str | None, token_secret: str | None) -> KubernetesLauncher:
    url = os.environ.get("DODONA_URL")
    if image is None:
        _refuse("--backend kubernetes needs --image, a container image with Python, dodona and the script")
    if url is None:
        _refuse("--backend kubernetes needs DODONA_URL, the server's address as pods reach it")
    return KubernetesLauncher(job, image, url, token_secret)


def _submit(order: _Order, launcher: SlurmLauncher | KubernetesLauncher) -> int:
    """Submit workers that continue without this process, and follow their study if its name is known."""
    if order.dry_run:
        typer.echo(launcher.dry_run(order.first).rstrip("\n"))
        return 0
    if order.study is None:
        if order.bounds.follows:
            _refuse("--workers MIN:MAX needs --study here, the name of the study")
        launcher.start(order.bounds.most)
        typer.echo(launcher.logs())
        return 0
    fleet = Fleet(launcher, order.bounds, Watcher(lambda: order.study, typer.echo), typer.echo)
    fleet.until_done()
    if fleet.signals:
        typer.echo(f"the workers continue without this command; {launcher.logs()}")
        return 128 + fleet.signals[0]
    return 0


def _run_on_ray(order: _Order, address: str | None) -> int:
    """Run the workers as tasks of Ray; return the exit code."""
    if order.bounds.follows and order.study is None:
        _refuse("--workers MIN:MAX needs --study here, the name of the study")
    if order.dry_run:
        job = order.job
        typer.echo(f"{order.first} tasks: num_gpus={job.gpus or 0:g} num_cpus={job.cpus or 1} max_retries=-1")
        _print_commands(order, [{}] * order.first)
        return 0
    launcher = _ray(order, address)
    fleet = Fleet(launcher, order.bounds, Watcher(lambda: order.study, typer.echo), typer.echo)
    fleet.until_done()
    if fleet.signals:
        return 128 + fleet.signals[0]
    return 1 if launcher.died else 0


def _ray(order: _Order, address: str | None) -> RayLauncher:
    try:
        from dodona.launch.ray import RayLauncher
    except ImportError:
        raise BackendFailed("--backend ray needs Ray: pip install 'dodona[ray]'") from None
    return RayLauncher(order.job, order.prefix, address, typer.echo)


def _print_commands(order: _Order, variables: Sequence[dict[str, str]]) -> None:
    command = shlex.join(["python", str(order.job.script), *order.job.arguments])
    for number, given in enumerate(variables, 1):
        named = {"DODONA_WORKER": f"{order.prefix}-{number}"} | given
        typer.echo(f"{' '.join(f'{name}={shlex.quote(value)}' for name, value in named.items())} {command}")


def _run_here(order: _Order, *, packs: bool) -> int:
    """Run the workers on this machine; return the exit code."""
    bounds, job = order.bounds, order.job
    try:
        gpus = gpus_here()[0] if packs else []
        if packs and not gpus:
            raise TooFewGpus("no GPU was found")
        variables = [] if packs else shares(bounds.most, job.gpus)
    except TooFewGpus as error:
        _refuse(f"--gpus-per-worker {AUTO if packs else f'{job.gpus:g}'}: {error}")
    seats: Seats = PackedSeats(gpus) if packs else FixedSeats(variables)
    packing = _packing(bounds.most, job.gpus, gpus)
    if order.dry_run:
        count = min(order.first, packing.room if packing else order.first)
        _print_commands(order, [seats.variables(number, {}) for number in range(count)])
        return 0
    has_files = str(job.logs) != "-"
    if has_files:
        job.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    crew: list[Worker] = []
    show = Show(Console(), crew)
    with tempfile.TemporaryDirectory(prefix="dodona-run-") as folder:
        command = [sys.executable, str(job.script), *job.arguments]
        place = job.logs if has_files else None
        launcher = LocalLauncher(
            order.prefix, command, seats, place, Path(folder), job.grace, show.print_line, crew, packing
        )
        room = _room(packing, gpus, crew, show.print_line)
        watcher = Watcher(lambda: order.study or _page_of(crew), show.print_line)
        fleet = Fleet(launcher, bounds, watcher, show.print_line, check=lambda: _check(crew, show), room=room)
        with show.shown():
            problem = fleet.until_done()
        return _report_end(crew, problem, fleet.signals)


def _packing(most: int, gpus_each: float | None, gpus: list[str]) -> Packing | None:
    """Return the policy of workers that share GPUs; None if none do."""
    if gpus:
        return Packing(len(gpus), most)
    if gpus_each is not None and 0 < gpus_each < 1:
        return Packing(1, most, room=most, grows=False)
    return None


def _room(
    packing: Packing | None, gpus: list[str], crew: Sequence[Worker], say: Callable[[str], None]
) -> Callable[[], int] | None:
    if packing is None:
        return None
    if mps_runs():
        say("the workers share the GPUs through NVIDIA's Multi-Process Service, which runs here")
    return PackingWatch(packing, gpus, crew, say).room


def _page_of(crew: Sequence[Worker]) -> str | None:
    """Return the address of the page of the study that the workers search; None before their first trial."""
    statuses = [status for worker in crew if (status := worker.status) is not None and status.page]
    statuses.sort(key=lambda status: not status.running)
    return statuses[0].page if statuses else None


def _check(crew: Sequence[Worker], show: Show) -> str | None:
    """Show the workers; return an error if two of them use the same id and so would get the same trials."""
    show.check()
    called: dict[str, str] = {}
    for worker in crew:
        status = worker.status
        if status is None:
            continue
        if (other := called.setdefault(status.worker, worker.name)) != worker.name:
            return (
                f"{other} and {worker.name} both call themselves {status.worker!r}: "
                "leave tuner_id= and worker= out of the script"
            )
    return None


def _report_end(crew: Sequence[Worker], error: str | None, signals: Sequence[int]) -> int:
    """Print how the workers ended; return the exit code."""
    if error:
        typer.echo(f"dodona: {error}", err=True)
        return 2
    if signals:
        return 128 + signals[0]
    lost = [worker for worker in crew if worker.given_up]
    if lost:
        names = ", ".join(worker.name for worker in lost)
        if lost[-1].log is None:
            typer.echo(f"dodona: {names} died repeatedly", err=True)
        else:
            typer.echo(f"dodona: {names} died repeatedly; the end of {lost[-1].log}:", err=True)
            typer.echo(lost[-1].last_lines(), err=True)
    return 1 if lost else 0
