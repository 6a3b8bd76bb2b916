"""Workers in the database: who has asked for trials, what each has done, and who is asked to stop."""

from __future__ import annotations

import functools
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import TrialState
from dodona_server.domain.worker import Running, StopOrder, Worker
from dodona_server.storage.engine.statement import Row, Statement, in_selected, insert_into, json_texts
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import shown, studies, trials, unfinished, workers

_THIS = (workers.c.study_key == bindparam("of_study"), workers.c.client_id == bindparam("of_client"))
_OF_WORKER = (trials.c.study_key == workers.c.study_key, trials.c.client_id == workers.c.client_id)


@functools.cache
def _seen(dialect: str) -> Statement:
    insert = insert_into(workers, dialect)
    known = insert.on_conflict_do_update(
        index_elements=["study_key", "client_id"],
        set_={
            "seen_time": insert.excluded.seen_time,
            "agent": insert.excluded.agent,
            "gpus": insert.excluded.gpus,
            "told": sa.and_(workers.c.stop != "", workers.c.stop == bindparam("told_stop")),
        },
    )
    return Statement(known)


_COUNT = Statement(
    workers.update()
    .where(*_THIS)
    .values(
        finished=workers.c.finished + bindparam("more_finished"),
        failed=workers.c.failed + bindparam("more_failed"),
        busy_seconds=workers.c.busy_seconds + bindparam("more_busy"),
    )
)
_ORDER = Statement(workers.update().where(*_THIS).values(stop=bindparam("new_stop"), told=sa.false()))
_NAMED = sa.select(workers, studies.c.project, studies.c.location, studies.c.study_id).join(
    studies, studies.c.key == workers.c.study_key
)
_FIND = Statement(_NAMED.where(*_THIS))
# A condition on a parameter alone: the same statement lists a study, a location or all.
_AMONG = (
    shown,
    sa.or_(bindparam("of_study") == 0, workers.c.study_key == bindparam("of_study")),
    sa.or_(bindparam("project") == "", studies.c.project == bindparam("project")),
    sa.or_(bindparam("location") == "", studies.c.location == bindparam("location")),
    sa.or_(
        bindparam("in_all_projects") == "yes",
        in_selected(studies.c.project, json_texts(bindparam("in_projects", type_=sa.String))),
    ),
)
_IS_RUNNING = sa.exists(sa.select(trials.c.number).where(*_OF_WORKER, unfinished)).correlate(workers)
_LIST = Statement(
    _NAMED.where(*_AMONG, sa.or_(workers.c.seen_time >= bindparam("since"), _IS_RUNNING))
    .order_by(sa.case((_IS_RUNNING, 0), else_=1), workers.c.seen_time.desc(), workers.c.study_key, workers.c.client_id)
    .limit(bindparam("limit"))
    .offset(bindparam("skipped"))
)
_RUNNING = Statement(
    sa.select(
        trials.c.number,
        trials.c.start_time,
        (trials.c.lease_expiry - trials.c.lease_seconds).label("heartbeat"),
    )
    .where(
        trials.c.study_key == bindparam("of_study"),
        unfinished,
        trials.c.state != TrialState.REQUESTED.value,
        trials.c.client_id == bindparam("of_client"),
    )
    .order_by(trials.c.number + 0)
)


_UNITS = sa.case((workers.c.gpus > 0, workers.c.gpus), else_=1.0)
_COMPUTE = Statement(
    sa.select(sa.func.coalesce(sa.func.sum(workers.c.busy_seconds * _UNITS), 0.0)).where(
        workers.c.study_key == bindparam("of_study")
    )
)
_NUMBERS_RUNNING = sa.select(trials.c.number).where(
    trials.c.study_key == bindparam("of_study"), unfinished, trials.c.state != TrialState.REQUESTED.value
)
_COMPUTE_RUNNING = Statement(
    sa.select(trials.c.start_time, _UNITS.label("units"))
    .join(workers, sa.and_(*_OF_WORKER))
    .where(
        trials.c.study_key == bindparam("of_study"),
        # Its own query, so that SQLite finds them by the index of unfinished trials.
        in_selected(trials.c.number, _NUMBERS_RUNNING),
        trials.c.start_time.is_not(None),
    )
)


def seen(
    transaction: Transaction, study_key: int, client_id: str, agent: str, gpus: float, told: StopOrder, now: float
) -> None:
    """Record that a worker asks for trials, and that it knows whether it has to stop if this is still `told`."""
    values: dict[str, Any] = {"study_key": study_key, "client_id": client_id, "first_time": now, "seen_time": now}
    values |= {"agent": agent, "gpus": gpus, "told_stop": told.value}
    _seen(transaction.dialect.name).run(transaction, values)


def count(transaction: Transaction, study_key: int, client_id: str, state: TrialState, seconds: float) -> None:
    """Count an attempt of a worker that has ended.

    Args:
        transaction: to write in.
        study_key: the trial's.
        client_id: the worker's.
        state: of the trial after the attempt.
        seconds: the attempt's duration.
    """
    more = {
        "more_finished": int(state is TrialState.SUCCEEDED),
        "more_failed": int(state is TrialState.INFEASIBLE),
        "more_busy": max(0.0, seconds),
    }
    _COUNT.run(transaction, {"of_study": study_key, "of_client": client_id, **more})


def order(transaction: Transaction, study_key: int, client_id: str, stop: StopOrder) -> None:
    """Store whether the worker is asked to stop; it does not know it yet."""
    _ORDER.run(transaction, {"of_study": study_key, "of_client": client_id, "new_stop": stop.value})


def find(transaction: Transaction, study: Study, client_id: str) -> Worker | None:
    """Return the worker of that id; None if it has never asked the study for a trial."""
    row = _FIND.row(transaction, {"of_study": study.key, "of_client": client_id})
    return None if row is None else _worker(transaction, row)


def listed(
    transaction: Transaction,
    parent: Location | None,
    study: Study | None,
    since: float,
    skipped: int,
    limit: int,
    projects: frozenset[str] | None = None,
) -> list[Worker]:
    """Return workers: those that run trials first, then those that asked last.

    Args:
        transaction: to read in.
        parent: only those in this location; None for all.
        study: only those of this study; None for all.
        since: only those that run a trial or have asked for one since then, in seconds since the epoch.
        skipped: how many of them to skip.
        limit: the largest number to return.
        projects: only those of studies in these projects; None for all.
    """
    among: dict[str, Any] = {
        "of_study": 0 if study is None else study.key,
        "project": "" if parent is None else parent.project,
        "location": "" if parent is None else parent.location,
        "in_all_projects": "yes" if projects is None else "",
        "in_projects": json.dumps(sorted(projects or ())),
    }
    rows = _LIST.rows(transaction, {**among, "since": since, "skipped": skipped, "limit": limit})
    return [_worker(transaction, row) for row in rows]


def compute_seconds(transaction: Transaction, study: Study, now: float) -> float:
    """Return the time in which the study's workers ran trials, times their GPUs; a worker without any counts as one.

    Args:
        transaction: to read in.
        study: the study.
        now: until when attempts that still run count, in seconds since the epoch.
    """
    ended: float = _COMPUTE.value(transaction, {"of_study": study.key})
    running = _COMPUTE_RUNNING.rows(transaction, {"of_study": study.key})
    for row in running:
        ended += max(0.0, now - row["start_time"]) * row["units"]
    return ended


def _worker(transaction: Transaction, row: Row) -> Worker:
    key = {"of_study": row["study_key"], "of_client": row["client_id"]}
    running = _RUNNING.rows(transaction, key)
    return Worker(
        study=StudyName(Location(row["project"], row["location"]), row["study_id"]),
        client_id=row["client_id"],
        first_time=row["first_time"],
        seen_time=max(row["seen_time"], *(one["heartbeat"] or 0.0 for one in running), 0.0),
        agent=row["agent"],
        stop=StopOrder(row["stop"]),
        told=bool(row["told"]),
        finished=row["finished"],
        failed=row["failed"],
        busy_seconds=row["busy_seconds"],
        gpus=row["gpus"],
        running=[Running(one["number"], one["start_time"] or 0.0) for one in running],
    )
