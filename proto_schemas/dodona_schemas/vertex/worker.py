"""Workers, and the calls about them; all of it is Dodona's own."""

from __future__ import annotations

from datetime import datetime

from dodona_schemas.base import Flag, Int64, Repeated, WireEnum, WireModel, own
from dodona_schemas.vertex.fields import own_request_id


class WorkerState(WireEnum):
    """State of a worker; GONE if it has not asked for a trial for a minute and runs none."""

    WORKER_STATE_UNSPECIFIED = 0
    RUNNING = 1
    WAITING = 2
    STOPPING = 3
    STOPPED = 4
    GONE = 5


class RunningTrial(WireModel):
    """A trial that a worker runs, and since when."""

    trial: str = ""
    start_time: datetime | None = None


class Worker(WireModel):
    """A client that asks a study for trials."""

    study: str = ""
    client_id: str = ""
    state: WorkerState = WorkerState.WORKER_STATE_UNSPECIFIED
    agent: str = ""
    first_time: datetime | None = None
    seen_time: datetime | None = None
    running: Repeated[RunningTrial] = []
    finished_trials: Int64 = 0
    failed_trials: Int64 = 0
    busy_seconds: float = 0.0
    trials_per_hour: float | None = None


class ListWorkersResponse(WireModel):
    """A page of workers, those that run trials first."""

    workers: Repeated[Worker] = []
    next_page_token: str = ""


class StopWorkerRequest(WireModel):
    """A worker that is to ask for no more trials."""

    client_id: str = ""
    now: Flag = own("whether its running trials go back to the queue; otherwise it ends them first", False)
    request_id: str | None = own_request_id()


class ResumeWorkerRequest(WireModel):
    """A worker that may ask for trials again."""

    client_id: str = ""
    request_id: str | None = own_request_id()
