"""Calls about workers, which are Dodona's own."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from dodona_schemas import vertex as wire
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.paging import page_size, read_token, write_token
from dodona_server.api.front.route import InLocation, OfStudy, PageSize, PageToken, Routes
from dodona_server.api.front.shared import timestamp
from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.domain.worker import Worker
from dodona_server.parts import Workers

routes = Routes(Dialect.OWN)

Alive = Annotated[bool, Query(description="Only those that run a trial, or have asked for one within a minute")]


@routes.serve
async def list_workers(
    study: OfStudy, workers: Workers, size: PageSize = 0, token: PageToken = "", alive: Alive = False
) -> Response:
    """List the workers of a study, those that run trials first."""
    return await _page(workers, study, size, token, alive)


@routes.serve
async def list_all_workers(
    parent: InLocation, workers: Workers, size: PageSize = 0, token: PageToken = "", alive: Alive = False
) -> Response:
    """List the workers of all studies, those that run trials first."""
    return await _page(workers, parent, size, token, alive)


@routes.serve
async def stop_worker(study: OfStudy, body: wire.StopWorkerRequest, workers: Workers) -> Response:
    """Stop a worker: it gets no more trials of the study; it ends its trials first, or with `now` returns them."""
    stopped = await workers.stop(study, body.client_id, at_once=body.now, request_id=body.request_id)
    return Answer(_write(*stopped))


@routes.serve
async def resume_worker(study: OfStudy, body: wire.ResumeWorkerRequest, workers: Workers) -> Response:
    """Resume a stopped worker: it gets trials of the study again."""
    return Answer(_write(*await workers.resume(study, body.client_id, body.request_id)))


async def _page(workers: Workers, parent: Location | StudyName, size: int, token: str, alive: bool) -> Response:
    skipped, limit = read_token("workers", token), page_size(size)
    page, now = await workers.page(parent, alive=alive, skipped=skipped, limit=limit)
    more = write_token("workers", skipped + limit) if page.more else ""
    return Answer(wire.ListWorkersResponse(workers=[_write(one, now) for one in page.entries], next_page_token=more))


def _write(value: Worker, now: float) -> wire.Worker:
    return wire.Worker(
        study=str(value.study),
        client_id=value.client_id,
        state=wire.WorkerState[value.state(now).value],
        agent=value.agent,
        first_time=timestamp(value.first_time),
        seen_time=timestamp(value.seen_time),
        running=[
            wire.RunningTrial(trial=str(TrialName(value.study, one.number)), start_time=timestamp(one.start_time))
            for one in value.running
        ],
        finished_trials=value.finished,
        failed_trials=value.failed,
        busy_seconds=value.busy_seconds,
        trials_per_hour=value.trials_per_hour(now),
    )
