"""Leases in the database: which client runs which trial, and until when, by the database's clock."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.storage.engine.clock import database_now
from dodona_server.storage.engine.statement import Statement, in_selected
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import leased, trials, unfinished
from dodona_server.storage.trials.rows import COLUMNS, IN_STUDY, THIS, read_trial, trial_key

# The most by which a clock may have been set back.
MAX_AHEAD_SECONDS = 1e12

_NUMBERS_ELSEWHERE = sa.select(trials.c.number).where(
    IN_STUDY,
    unfinished,
    sa.or_(trials.c.state == TrialState.ACTIVE.value, trials.c.state == TrialState.STOPPING.value),
    trials.c.client_id != bindparam("of_client"),
)
_RUNNING_ELSEWHERE = Statement(
    sa.select(trials.c.number).where(IN_STUDY, in_selected(trials.c.number, _NUMBERS_ELSEWHERE), leased).limit(1)
)
# The time is a subquery: PostgreSQL does not use an index for a value that it considers new at every row.
_OVERDUE = (leased, trials.c.lease_expiry <= sa.select(database_now()).scalar_subquery())
_RAN_OUT = (
    sa.select(trials.c.study_key, *COLUMNS).where(*_OVERDUE).order_by(trials.c.lease_expiry).limit(bindparam("limit"))
)
_RUN_OUT = Statement(_RAN_OUT)
_RUN_OUT_LOCKED = Statement(_RAN_OUT.with_for_update(skip_locked=True))
_ASSIGN = Statement(
    trials.update()
    .where(*THIS)
    .values(
        state=TrialState.ACTIVE.value,
        client_id=bindparam("new_client"),
        start_time=bindparam("new_start"),
        attempt=bindparam("new_attempt"),
        lost_attempts=bindparam("new_lost"),
        lost_client_id="",
        lease_seconds=bindparam("new_lease", type_=sa.Double),
        lease_expiry=database_now() + bindparam("new_lease", type_=sa.Double),
    )
)
_EXTEND = Statement(trials.update().where(*THIS, leased).values(lease_expiry=database_now() + trials.c.lease_seconds))
_END = Statement(trials.update().where(*THIS).values(lease_expiry=None))
# Up to a time that never comes: without a bound PostgreSQL would scan all trials to find those with a lease.
_EVER = (leased, trials.c.lease_expiry <= sa.select(database_now() + MAX_AHEAD_SECONDS).scalar_subquery())
_BEGIN_ANEW = Statement(trials.update().where(*_EVER).values(lease_expiry=database_now() + trials.c.lease_seconds))
# The numbers come first, from the index of unfinished trials alone.
_NUMBERS_UNFINISHED = sa.select(trials.c.number).where(IN_STUDY, unfinished)
_HEARD = Statement(
    sa.select(sa.func.max(trials.c.lease_expiry - trials.c.lease_seconds)).where(
        IN_STUDY, in_selected(trials.c.number, _NUMBERS_UNFINISHED)
    )
)
_REQUEUE = Statement(
    trials.update()
    .where(*THIS)
    .values(
        state=TrialState.REQUESTED.value,
        client_id="",
        start_time=None,
        lease_expiry=None,
        lost_attempts=bindparam("new_lost"),
        lost_client_id=bindparam("new_lost_client"),
    )
)
_RECLAIM = Statement(
    trials.update()
    .where(*THIS)
    .values(
        state=TrialState.ACTIVE.value,
        client_id=trials.c.lost_client_id,
        start_time=bindparam("new_start"),
        lost_attempts=trials.c.lost_attempts - 1,
        lost_client_id="",
        lease_expiry=database_now() + trials.c.lease_seconds,
    )
)


def run_elsewhere(transaction: Transaction, study: Study, client_id: str) -> bool:
    """Return whether another client runs a trial on a lease, which may expire and make the trial available again."""
    parameters = {"of_study": study.key, "of_client": client_id}
    return _RUNNING_ELSEWHERE.row(transaction, parameters) is not None


def run_out(transaction: Transaction, limit: int, *, lock: bool = True) -> list[tuple[int, Trial]]:
    """Return up to `limit` trials whose lease has expired, each with its study's key; the longest overdue first.

    With `lock` they are locked until the transaction ends; those that another transaction has locked are omitted.
    """
    rows = (_RUN_OUT_LOCKED if lock else _RUN_OUT).rows(transaction, {"limit": limit})
    return [(row["study_key"], read_trial(row)) for row in rows]


def assign(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Make the trial ACTIVE with the client, attempt and lease length in `trial`; the lease begins now."""
    values = {
        **trial_key(study_key, trial.number),
        "new_client": trial.client_id,
        "new_start": trial.start_time,
        "new_attempt": trial.attempt,
        "new_lost": trial.lost_attempts,
        "new_lease": trial.lease and trial.lease.seconds,
    }
    _ASSIGN.run(transaction, values)


def extend_lease(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Renew the trial's lease, if it has one."""
    _EXTEND.run(transaction, trial_key(study_key, trial.number))


def begin_anew(transaction: Transaction) -> None:
    """Renew every lease."""
    _BEGIN_ANEW.run(transaction)


def end_lease(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """End the trial's lease; the trial stays with its client."""
    _END.run(transaction, trial_key(study_key, trial.number))


def requeue(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Put the trial back into the queue; its `lost_attempts` and `lost_client_id` say why."""
    values = {"new_lost": trial.lost_attempts, "new_lost_client": trial.lost_client_id}
    _REQUEUE.run(transaction, {**trial_key(study_key, trial.number), **values})


def reclaim(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Return the trial to the client that was considered lost; its attempt continues, and its lease begins now."""
    _RECLAIM.run(transaction, {**trial_key(study_key, trial.number), "new_start": trial.start_time})


def heard(transaction: Transaction, study_key: int) -> float:
    """Return when a worker of the study last showed that it is alive; 0 if no lease runs."""
    return _HEARD.value(transaction, {"of_study": study_key}) or 0.0
