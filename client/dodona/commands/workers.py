"""`dodona workers`: who runs trials, and how to stop one of them."""

from __future__ import annotations

from typing import Annotated

import typer

from dodona import Client, NotFound, Study, WorkerRecord
from dodona.commands._calls import REFUSED, AsJson, Project, Token, Url, connected, give_up
from dodona.commands._print import age, number, print_records, print_table, span

workers = typer.Typer(help="List workers, stop and resume them.", no_args_is_help=True, rich_markup_mode=None)

HEADS = (
    "worker",
    "study",
    "state",
    "running",
    "since",
    "finished",
    "failed",
    "per hour",
    "busy",
    "last seen",
    "software",
)
OfWorker = Annotated[str, typer.Argument(help="The worker's id, as `workers list` shows it")]
OfStudy = Annotated[str | None, typer.Option("--study", help="Only for this study [default: all that know it]")]


@workers.callback()
def root() -> None:
    """List workers, stop and resume them."""


@workers.command("list", epilog="Example: dodona workers list digits")
def list_workers(
    study: Annotated[str | None, typer.Argument(help="The study [default: all studies]")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="List those that are gone, too")] = False,
    url: Url = None,
    token: Token = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """List the workers that run trials or have asked for one within a minute."""
    with connected(url, token, project) as client:
        found = client if study is None else client.get_study(study)
        records = found.workers(alive=not everyone)
        if as_json:
            print_records(records)
            return
        print_table([_cells(record) for record in records], HEADS, right=["finished", "failed", "per hour"])


@workers.command(epilog="Example: dodona workers stop gpu-3 --now")
def stop(
    worker: OfWorker,
    study: OfStudy = None,
    now: Annotated[bool, typer.Option("--now", help="Put its trial back into the queue instead of ending it")] = False,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Stop a worker: it ends its trial and gets no other one until `workers resume`."""
    with connected(url, token, project) as client:
        _print([one.stop_worker(worker, now=now) for one in _studies_of(client, worker, study)])


@workers.command(epilog="Example: dodona workers resume gpu-3")
def resume(
    worker: OfWorker, study: OfStudy = None, url: Url = None, token: Token = None, project: Project = None
) -> None:
    """Resume a stopped worker: it gets trials again; start its script if it has ended."""
    with connected(url, token, project) as client:
        _print([one.resume_worker(worker) for one in _studies_of(client, worker, study)])


def _studies_of(client: Client, worker: str, study: str | None) -> list[Study]:
    if study is not None:
        return [client.get_study(study)]
    names = [record.study for record in client.workers() if record.worker == worker]
    if not names:
        give_up(f"no study has a worker {worker!r}; `dodona workers list --all` lists all workers", REFUSED)
    found = []
    for name in names:
        try:
            found.append(client.get_study(name))
        except NotFound:
            # It was deleted meanwhile.
            continue
    return found


def _print(records: list[WorkerRecord]) -> None:
    for record in records:
        typer.echo(f"{record.worker} of {_study_id(record)}: {record.state}")


def _study_id(record: WorkerRecord) -> str:
    return record.study.rpartition("/")[2]


def _cells(record: WorkerRecord) -> dict[str, str]:
    began = [start for start in record.running.values() if start is not None]
    return {
        "worker": record.worker,
        "study": _study_id(record),
        "state": record.state,
        "running": ", ".join(map(str, record.running)),
        "since": age(min(began)) if began else "",
        "finished": str(record.finished),
        "failed": str(record.failed),
        "per hour": number(record.trials_per_hour),
        "busy": span(record.busy),
        "last seen": f"{age(record.seen)} ago",
        "software": record.agent,
    }
