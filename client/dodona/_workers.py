"""Workers of a study, as the server knows them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dodona._addressed import Addressed
from dodona._http.transport import Transport
from dodona._text import checked
from dodona_schemas import vertex


@dataclass(frozen=True)
class WorkerRecord:
    """A worker at the time of the request.

    `state` is RUNNING, WAITING, STOPPING, STOPPED or GONE. `study` is the whole name of the study that it works for.
    `running` has its trials and when each began. `busy` is the total duration of its attempts that have ended.
    `trials_per_hour` is None before its first trial has ended. `agent` is its software and its machine.
    """

    worker: str
    study: str
    state: str
    running: dict[int, datetime | None]
    first: datetime | None
    seen: datetime | None
    finished: int
    failed: int
    busy: timedelta
    trials_per_hour: float | None
    agent: str


class Workers(Addressed):
    """Calls about the workers of a study."""

    def workers(self, alive: bool = False) -> list[WorkerRecord]:
        """Return the study's workers, those that run trials first.

        Args:
            alive: whether to leave out those that run no trial and have not asked for one within a minute.
        """
        return list(workers_at(self._transport, f"{self._path}/workers", alive))

    def stop_worker(self, worker: str, now: bool = False) -> WorkerRecord:
        """Stop a worker: it gets no more trials of the study until `resume_worker`.

        Args:
            worker: its id.
            now: whether its trials go back to the queue at once; otherwise it ends them first.

        Raises:
            NotFound: it has never asked the study for a trial.
        """
        body = vertex.StopWorkerRequest(client_id=checked(worker, "worker"), now=now, request_id=uuid.uuid4().hex)
        return record_of_worker(self._transport.call("POST", f"{self._path}/workers:stop", body, vertex.Worker))

    def resume_worker(self, worker: str) -> WorkerRecord:
        """Resume a stopped worker: it gets trials of the study again.

        Args:
            worker: its id.

        Raises:
            NotFound: it has never asked the study for a trial.
        """
        body = vertex.ResumeWorkerRequest(client_id=checked(worker, "worker"), request_id=uuid.uuid4().hex)
        return record_of_worker(self._transport.call("POST", f"{self._path}/workers:resume", body, vertex.Worker))


def workers_at(transport: Transport, path: str, alive: bool) -> Iterator[WorkerRecord]:
    """Yield the workers of a study or of all studies.

    Args:
        transport: the way to the server.
        path: of the list, below the location.
        alive: whether to leave out those that are gone.
    """
    for page in transport.pages(f"{path}?alive={str(alive).lower()}", vertex.ListWorkersResponse):
        yield from map(record_of_worker, page.workers)


def record_of_worker(wire: vertex.Worker) -> WorkerRecord:
    """Return the record of a worker."""
    return WorkerRecord(
        worker=wire.client_id,
        study=wire.study,
        state=wire.state.name,
        running={int(one.trial.rpartition("/")[2]): one.start_time for one in wire.running},
        first=wire.first_time,
        seen=wire.seen_time,
        finished=wire.finished_trials,
        failed=wire.failed_trials,
        busy=timedelta(seconds=wire.busy_seconds),
        trials_per_hour=wire.trials_per_hour,
        agent=wire.agent,
    )
