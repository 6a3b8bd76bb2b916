"""Trials and measurements in the database.

No statement here reads all trials of a study but those that the caller asks for page by page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from dodona_server.domain.names import TrialName
from dodona_server.domain.study import Goal, Study
from dodona_server.domain.trial import Lease, Measurement, Place, Trial, TrialState, joined
from dodona_server.storage import codec
from dodona_server.storage.clock import database_now
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import leased, measurements, ranked, requested_by_id, studies, trials, unfinished

_NOT_SHOWN = ("study_key", "request_id", "objective")
_COLUMNS = [
    *(column for column in trials.c if column.key not in _NOT_SHOWN),
    (trials.c.lease_expiry - database_now()).label("lease_left"),
]
_TRIALS = sa.select(*_COLUMNS)
_IN_STUDY = trials.c.study_key == bindparam("of_study")
_THIS = (_IN_STUDY, trials.c.number == bindparam("trial_number"))

_FIND = _TRIALS.where(*_THIS)
_FIND_LOCKED = _FIND.with_for_update()
_FIND_NAMED = (
    sa.select(trials.c.study_key, *_COLUMNS)
    .join(studies, studies.c.key == trials.c.study_key)
    .where(
        studies.c.project == bindparam("project"),
        studies.c.location == bindparam("location"),
        studies.c.study_id == bindparam("study_id"),
        trials.c.number == bindparam("trial_number"),
    )
    .with_for_update(of=trials)
)
_FIND_NUMBERED = _TRIALS.where(_IN_STUDY, trials.c.number.in_(bindparam("numbers", expanding=True)))
_FIND_REQUESTED = _TRIALS.where(_IN_STUDY, requested_by_id, trials.c.request_id == bindparam("request_id"))
# Numbers first, by the index alone: without statistics SQLite would take the primary key for whole rows, and walk
# through all finished trials.
_UNFINISHED_NUMBERS = (
    sa.select(trials.c.number)
    .where(
        _IN_STUDY,
        unfinished,
        trials.c.state == bindparam("in_state"),
        trials.c.client_id == bindparam("of_client"),
    )
    .order_by(trials.c.number + 0)
    .limit(bindparam("limit"))
)
_UNFINISHED = (
    _TRIALS.where(
        _IN_STUDY,
        trials.c.number.in_(_UNFINISHED_NUMBERS),
        # Once more, for a row that another transaction changed while this one waited for it.
        trials.c.state == bindparam("in_state"),
        trials.c.client_id == bindparam("of_client"),
    )
    .order_by(trials.c.number)
    .with_for_update(of=trials)
)
# Work that another server is claiming is left to that one.
_CLAIMABLE = _UNFINISHED.with_for_update(of=trials, skip_locked=True)
_NUMBERS_ELSEWHERE = sa.select(trials.c.number).where(
    _IN_STUDY,
    unfinished,
    trials.c.state.in_((TrialState.ACTIVE.value, TrialState.STOPPING.value)),
    trials.c.client_id != bindparam("of_client"),
)
_RUNNING_ELSEWHERE = (
    sa.select(trials.c.number).where(_IN_STUDY, trials.c.number.in_(_NUMBERS_ELSEWHERE), leased).limit(1)
)
_NUMBERS_PENDING = sa.select(trials.c.number).where(_IN_STUDY, unfinished)
_PENDING = _TRIALS.where(_IN_STUDY, trials.c.number.in_(_NUMBERS_PENDING)).order_by(trials.c.number)
_FINISHED_AFTER = (
    _TRIALS.where(_IN_STUDY, trials.c.end_time.is_not(None), trials.c.number > bindparam("after"))
    .order_by(trials.c.number)
    .limit(bindparam("limit"))
)
# The time in a query of its own: PostgreSQL looks nothing up in an index that it takes for new at every row.
_OVERDUE = (leased, trials.c.lease_expiry <= sa.select(database_now()).scalar_subquery())
_RUN_OUT = (
    sa.select(trials.c.study_key, *_COLUMNS).where(*_OVERDUE).order_by(trials.c.lease_expiry).limit(bindparam("limit"))
)
_RUN_OUT_LOCKED = _RUN_OUT.with_for_update(skip_locked=True)
_ANY_UNFINISHED = sa.select(trials.c.state).where(_IN_STUDY, unfinished).order_by(trials.c.state).limit(1)
_PAGE = (
    _TRIALS.where(_IN_STUDY, trials.c.number > bindparam("after")).order_by(trials.c.number).limit(bindparam("limit"))
)
_LATEST = _TRIALS.where(_IN_STUDY).order_by(trials.c.number.desc()).limit(bindparam("limit"))
_COUNT_UNFINISHED = sa.select(trials.c.state, sa.func.count()).where(_IN_STUDY, unfinished).group_by(trials.c.state)
_COUNT_SUCCEEDED = sa.select(sa.func.count()).where(_IN_STUDY, ranked)
_HISTORY = (
    sa.select(trials.c.number, trials.c.objective)
    .where(_IN_STUDY, ranked, trials.c.number % bindparam("every") == 0)
    .order_by(trials.c.number + 0)  # not the primary key's order: the index has all that is asked for
)
_RANKED = _TRIALS.where(_IN_STUDY, ranked)
_BEST_OBJECTIVE = {
    Goal.MAXIMIZE: sa.select(sa.func.max(trials.c.objective)).where(_IN_STUDY, ranked),
    Goal.MINIMIZE: sa.select(sa.func.min(trials.c.objective)).where(_IN_STUDY, ranked),
}
_NUMBERS_WITH_OBJECTIVE = sa.select(trials.c.number).where(_IN_STUDY, ranked, trials.c.objective == bindparam("best"))
_WITH_OBJECTIVE = _TRIALS.where(_IN_STUDY, trials.c.number.in_(_NUMBERS_WITH_OBJECTIVE)).order_by(trials.c.number)

_ASSIGN = (
    trials.update()
    .where(*_THIS)
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
_EXTEND = trials.update().where(*_THIS, leased).values(lease_expiry=database_now() + trials.c.lease_seconds)
_GRANT_GRACE = trials.update().where(*_OVERDUE).values(lease_expiry=database_now() + trials.c.lease_seconds)
_REQUEUE = (
    trials.update()
    .where(*_THIS)
    .values(
        state=TrialState.REQUESTED.value,
        client_id="",
        start_time=None,
        lease_expiry=None,
        lost_attempts=bindparam("new_lost"),
        lost_client_id=bindparam("new_lost_client"),
    )
)
_RECLAIM = (
    trials.update()
    .where(*_THIS)
    .values(
        state=TrialState.ACTIVE.value,
        client_id=trials.c.lost_client_id,
        start_time=bindparam("new_start"),
        lost_attempts=trials.c.lost_attempts - 1,
        lost_client_id="",
        lease_expiry=database_now() + trials.c.lease_seconds,
    )
)
_SET_CHECKPOINT = trials.update().where(*_THIS).values(checkpoint=bindparam("new_checkpoint"))
_SET_STATE = trials.update().where(*_THIS).values(state=bindparam("new_state"))
_SET_METADATA = trials.update().where(*_THIS).values(metadata=bindparam("new_metadata"))
_FINISH = (
    trials.update()
    .where(*_THIS)
    .values(
        state=bindparam("new_state"),
        end_time=bindparam("new_end"),
        objective=bindparam("new_objective"),
        final_measurement=bindparam("new_final"),
        infeasible_reason=bindparam("new_reason"),
        lost_attempts=bindparam("new_lost"),
        lease_expiry=None,
    )
)


def _ranking(goal: Goal) -> sa.Select[Any]:
    """Succeeded trials, best first, those of one value by number."""
    objective = trials.c.objective
    order = objective.desc() if goal is Goal.MAXIMIZE else objective
    return _RANKED.order_by(order, trials.c.number).limit(bindparam("limit"))


def _ranking_behind(goal: Goal) -> sa.Select[Any]:
    """The same, behind the place of a trial with the objective `best` and the number `after`."""
    objective = trials.c.objective
    best = bindparam("best", type_=sa.Double)
    worse = objective < best if goal is Goal.MAXIMIZE else objective > best
    # The first condition says nothing that the second does not, but it can be looked up in the index.
    reached = objective <= best if goal is Goal.MAXIMIZE else objective >= best
    return _ranking(goal).where(reached, sa.or_(worse, trials.c.number > bindparam("after")))


_RANKING = {goal: _ranking(goal) for goal in Goal}
_RANKING_BEHIND = {goal: _ranking_behind(goal) for goal in Goal}


def _upsert(dialect: Any) -> Any:
    statement = dialect.insert(measurements)
    return statement.on_conflict_do_update(
        index_elements=list(measurements.primary_key),
        set_={name: statement.excluded[name] for name in ("elapsed_seconds", "metrics")},
    )


_MEASURE = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}
_OF_TRIAL = (
    measurements.c.study_key == bindparam("of_study"),
    measurements.c.number == bindparam("trial_number"),
)
_IN_ORDER = (measurements.c.attempt, measurements.c.step, measurements.c.tick)
_MEASURED = sa.select(measurements).where(*_OF_TRIAL).order_by(*_IN_ORDER)
_DROP = measurements.delete().where(
    *_OF_TRIAL,
    measurements.c.attempt == bindparam("of_attempt"),
    measurements.c.step == bindparam("at"),
    measurements.c.tick == bindparam("tick_at"),
)
_LAST_STEPS = (
    sa.select(measurements.c.number, sa.func.max(measurements.c.step).label("last_step"))
    .where(
        measurements.c.study_key == bindparam("of_study"),
        measurements.c.number.in_(bindparam("numbers", expanding=True)),
    )
    .group_by(measurements.c.number)
)
_MEASURED_BETWEEN = (
    sa.select(measurements)
    .where(
        measurements.c.study_key == bindparam("of_study"),
        measurements.c.number.between(bindparam("first"), bindparam("last")),
    )
    .order_by(measurements.c.number, *_IN_ORDER)
)


_INSERT = trials.insert().values(lease_expiry=database_now() + bindparam("lease_expiry_in", type_=sa.Double))


def insert(
    transaction: Transaction,
    study: Study,
    added: Sequence[Trial],
    request_id: str | None = None,
    lease_seconds: float | None = None,
) -> None:
    """Adds trials; those that have succeeded already enter the ranking.

    Args:
        transaction: to write in.
        study: whose trials they are.
        added: with numbers from `study.next_trial_number` on.
        request_id: the request that a single added trial answers.
        lease_seconds: how long their client has them without a sign of life; None for ever.
    """
    rows = [
        {
            "study_key": study.key,
            "number": trial.number,
            "state": trial.state.value,
            "parameters": codec.dump_parameters(trial.parameters),
            "client_id": trial.client_id,
            "attempt": trial.attempt,
            "request_id": request_id,
            "create_time": trial.create_time,
            "start_time": trial.start_time,
            "end_time": trial.end_time,
            "objective": objective(study, trial),
            "final_measurement": trial.final_measurement and codec.dump_final(trial.final_measurement),
            "infeasible_reason": trial.infeasible_reason,
            "metadata": codec.dump_metadata(trial.metadata),
            "lease_seconds": lease_seconds,
            "lease_expiry_in": lease_seconds,
        }
        for trial in added
    ]
    transaction.execute(_INSERT, rows[0] if len(rows) == 1 else rows)


def find(transaction: Transaction, study: Study, number: int, *, lock: bool = False) -> Trial | None:
    """The study's trial of that number; with `lock`, held until the transaction ends."""
    key = {"of_study": study.key, "trial_number": number}
    row = transaction.execute(_FIND_LOCKED if lock else _FIND, key).mappings().one_or_none()
    return None if row is None else _trial(row)


def find_named(transaction: Transaction, name: TrialName) -> tuple[int, Trial] | None:
    """The study's key and the trial of that name, held until the transaction ends."""
    parent = name.study.parent
    parameters = {
        "project": parent.project,
        "location": parent.location,
        "study_id": name.study.study_id,
        "trial_number": name.number,
    }
    row = transaction.execute(_FIND_NAMED, parameters).mappings().one_or_none()
    return None if row is None else (row["study_key"], _trial(row))


def find_requested(transaction: Transaction, study: Study, request_id: str) -> Trial | None:
    """The trial that was created for that request."""
    parameters = {"of_study": study.key, "request_id": request_id}
    row = transaction.execute(_FIND_REQUESTED, parameters).mappings().one_or_none()
    return None if row is None else _trial(row)


def find_numbered(transaction: Transaction, study_key: int, numbers: list[int]) -> list[Trial]:
    """The trials of those numbers that still exist, in the order of `numbers`."""
    rows = transaction.execute(_FIND_NUMBERED, {"of_study": study_key, "numbers": numbers}).mappings()
    by_number = {row["number"]: _trial(row) for row in rows}
    return [by_number[number] for number in numbers if number in by_number]


def unfinished_trials(
    transaction: Transaction, study: Study, state: TrialState, client_id: str, limit: int
) -> list[Trial]:
    """Up to `limit` trials in an unfinished `state` that the client holds, in order; those of nobody for "".

    They are held until the transaction ends. Those of nobody that another transaction holds are left out.
    """
    parameters = {"of_study": study.key, "in_state": state.value, "of_client": client_id, "limit": limit}
    statement = _UNFINISHED if client_id else _CLAIMABLE
    return [_trial(row) for row in transaction.execute(statement, parameters).mappings()]


def run_elsewhere(transaction: Transaction, study: Study, client_id: str) -> bool:
    """Whether another client runs a trial on a lease: if it is lost, the trial is there to be handed out again."""
    parameters = {"of_study": study.key, "of_client": client_id}
    return transaction.execute(_RUNNING_ELSEWHERE, parameters).first() is not None


def run_out(transaction: Transaction, limit: int, *, lock: bool = True) -> list[tuple[int, Trial]]:
    """Up to `limit` trials whose lease has run out, each with its study's key; the longest overdue first.

    With `lock` they are held until the transaction ends; those that another transaction holds are left out.
    """
    rows = transaction.execute(_RUN_OUT_LOCKED if lock else _RUN_OUT, {"limit": limit}).mappings()
    return [(row["study_key"], _trial(row)) for row in rows]


def pending(transaction: Transaction, study: Study) -> list[Trial]:
    """All trials that wait or run, in order."""
    return [_trial(row) for row in transaction.execute(_PENDING, {"of_study": study.key}).mappings()]


def finished(transaction: Transaction, study: Study, after: int, limit: int) -> list[Trial]:
    """Up to `limit` finished trials with numbers above `after`, in order."""
    parameters = {"of_study": study.key, "after": after, "limit": limit}
    return [_trial(row) for row in transaction.execute(_FINISHED_AFTER, parameters).mappings()]


def any_unfinished(transaction: Transaction, study: Study) -> bool:
    """Whether a trial of the study still waits or runs."""
    return transaction.execute(_ANY_UNFINISHED, {"of_study": study.key}).first() is not None


def page(transaction: Transaction, study: Study, after: int, limit: int) -> list[Trial]:
    """Up to `limit` trials with numbers above `after`, in order, with their measurements."""
    parameters = {"of_study": study.key, "after": after, "limit": limit}
    rows = list(transaction.execute(_PAGE, parameters).mappings())
    if not rows:
        return []
    measured = _measurements_between(transaction, study, rows[0]["number"], rows[-1]["number"])
    return [_trial(row, joined(list(measured.get(row["number"], {}).values()))) for row in rows]


def ranking(transaction: Transaction, study: Study, behind: Place | None, limit: int) -> list[Trial]:
    """Up to `limit` succeeded trials by the first metric, best first, those of one value by number.

    Args:
        transaction: to read in.
        study: whose trials are ranked.
        behind: the place behind which to begin, whether or not a trial still has it; None for the best.
        limit: how many at most.
    """
    goal = study.spec.objective.goal
    parameters: dict[str, Any] = {"of_study": study.key, "limit": limit}
    statement = _RANKING[goal]
    if behind is not None:
        statement = _RANKING_BEHIND[goal]
        parameters |= {"best": behind.objective, "after": behind.number}
    return [_trial(row) for row in transaction.execute(statement, parameters).mappings()]


def latest(transaction: Transaction, study: Study, limit: int) -> list[Trial]:
    """The `limit` newest trials, the newest first."""
    rows = transaction.execute(_LATEST, {"of_study": study.key, "limit": limit}).mappings()
    return [_trial(row) for row in rows]


def counts(transaction: Transaction, study: Study) -> dict[TrialState, int]:
    """How many trials are in each state; no row of a finished trial is read, index entries only."""
    key = {"of_study": study.key}
    counted = dict.fromkeys(TrialState, 0)
    for state, count in transaction.execute(_COUNT_UNFINISHED, key):
        counted[TrialState(state)] = count
    counted[TrialState.SUCCEEDED] = transaction.execute(_COUNT_SUCCEEDED, key).scalar_one()
    counted[TrialState.INFEASIBLE] = study.trial_count - sum(counted.values())
    return counted


def history(transaction: Transaction, study: Study, every: int) -> list[tuple[int, float]]:
    """Number and objective of every `every`-th trial, of those that succeeded, in order."""
    rows = transaction.execute(_HISTORY, {"of_study": study.key, "every": every})
    return [(number, objective) for number, objective in rows]


def best(transaction: Transaction, study: Study) -> list[Trial]:
    """The succeeded trials with the best value of the first metric, in order."""
    key = {"of_study": study.key}
    value = transaction.execute(_BEST_OBJECTIVE[study.spec.objective.goal], key).scalar()
    if value is None:
        return []
    return [_trial(row) for row in transaction.execute(_WITH_OBJECTIVE, {**key, "best": value}).mappings()]


def succeeded(transaction: Transaction, study: Study) -> list[Trial]:
    """All succeeded trials, in order."""
    rows = transaction.execute(_RANKED.order_by(trials.c.number), {"of_study": study.key}).mappings()
    return [_trial(row) for row in rows]


def assign(transaction: Transaction, study: Study, trial: Trial) -> None:
    """Makes the trial ACTIVE with the client, attempt and length of lease that `trial` says; the lease begins now."""
    values = {
        **_trial_key(study.key, trial.number),
        "new_client": trial.client_id,
        "new_start": trial.start_time,
        "new_attempt": trial.attempt,
        "new_lost": trial.lost_attempts,
        "new_lease": trial.lease and trial.lease.seconds,
    }
    transaction.execute(_ASSIGN, values)


def extend_lease(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Lets the trial's lease, if it has one, begin anew."""
    transaction.execute(_EXTEND, _trial_key(study_key, trial.number))


def grant_grace(transaction: Transaction) -> None:
    """Lets every lease that has run out begin anew."""
    transaction.execute(_GRANT_GRACE)


def requeue(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Puts the trial back into the queue; its `lost_attempts` and `lost_client_id` say why."""
    values = {"new_lost": trial.lost_attempts, "new_lost_client": trial.lost_client_id}
    transaction.execute(_REQUEUE, {**_trial_key(study_key, trial.number), **values})


def reclaim(transaction: Transaction, study_key: int, trial: Trial, now: float) -> None:
    """Gives the trial back to the client that was thought lost, whose attempt goes on."""
    transaction.execute(_RECLAIM, {**_trial_key(study_key, trial.number), "new_start": now})


def set_checkpoint(transaction: Transaction, study_key: int, number: int, checkpoint: str) -> None:
    """Keeps the place from which the trial can go on."""
    transaction.execute(_SET_CHECKPOINT, {**_trial_key(study_key, number), "new_checkpoint": checkpoint})


def set_state(transaction: Transaction, study_key: int, number: int, state: TrialState) -> None:
    """Moves the trial to an unfinished `state`."""
    transaction.execute(_SET_STATE, {**_trial_key(study_key, number), "new_state": state.value})


def set_metadata(transaction: Transaction, study_key: int, number: int, metadata: Mapping[str, str]) -> None:
    """Replaces the trial's metadata."""
    values = {**_trial_key(study_key, number), "new_metadata": codec.dump_metadata(metadata)}
    transaction.execute(_SET_METADATA, values)


def finish(transaction: Transaction, study: Study, trial: Trial) -> None:
    """Keeps the end of `trial`: its state, result and ranking."""
    final = trial.final_measurement
    parameters = {
        **_trial_key(study.key, trial.number),
        "new_state": trial.state.value,
        "new_end": trial.end_time,
        "new_objective": objective(study, trial),
        "new_final": final and codec.dump_final(final),
        "new_reason": trial.infeasible_reason,
        "new_lost": trial.lost_attempts,
    }
    transaction.execute(_FINISH, parameters)


def delete(transaction: Transaction, study: Study, number: int) -> None:
    """Removes the trial and its measurements."""
    key = _trial_key(study.key, number)
    transaction.execute(measurements.delete().where(*_OF_TRIAL), key)
    transaction.execute(trials.delete().where(*_THIS), key)


def measure(transaction: Transaction, study_key: int, number: int, attempt: int, measurement: Measurement) -> None:
    """Keeps a measurement; one of the same step (without steps: of the same moment) is replaced."""
    parameters = {
        "study_key": study_key,
        "number": number,
        "attempt": attempt,
        "step": measurement.step,
        "tick": 0 if measurement.step else round(measurement.elapsed_seconds * 1000),
        "elapsed_seconds": measurement.elapsed_seconds,
        "metrics": codec.dump_metrics(measurement.metrics),
    }
    transaction.execute(_MEASURE[transaction.dialect.name], parameters)


def measured(transaction: Transaction, study_key: int, trial: Trial) -> list[Measurement]:
    """The measurements of the trial, those of its attempts joined, in order."""
    attempts: dict[int, list[Measurement]] = {}
    for row in transaction.execute(_MEASURED, _trial_key(study_key, trial.number)).mappings():
        attempts.setdefault(row["attempt"], []).append(_measurement(row))
    return joined(list(attempts.values()))


def last_steps(transaction: Transaction, study_key: int, numbers: list[int]) -> dict[int, int]:
    """The last step that was reported of each of these trials, in any of its attempts."""
    rows = transaction.execute(_LAST_STEPS, {"of_study": study_key, "numbers": numbers})
    return {row.number: row.last_step for row in rows}


def thin(transaction: Transaction, study_key: int, trial: Trial, kept: int) -> None:
    """Leaves `kept` of the trial's measurements, evenly spread, the last one among them."""
    rows = transaction.execute(_MEASURED, _trial_key(study_key, trial.number)).all()
    if len(rows) <= kept:
        return
    last = len(rows) - 1
    chosen = {last} if kept == 1 else {round(place * last / (kept - 1)) for place in range(kept)}
    dropped = [
        {
            "of_study": study_key,
            "trial_number": trial.number,
            "of_attempt": row.attempt,
            "at": row.step,
            "tick_at": row.tick,
        }
        for place, row in enumerate(rows)
        if place not in chosen
    ]
    transaction.execute(_DROP, dropped)


def _measurements_between(
    transaction: Transaction, study: Study, first: int, last: int
) -> dict[int, dict[int, list[Measurement]]]:
    """The measurements of each attempt of each trial, by their numbers."""
    grouped: dict[int, dict[int, list[Measurement]]] = {}
    parameters = {"of_study": study.key, "first": first, "last": last}
    for row in transaction.execute(_MEASURED_BETWEEN, parameters).mappings():
        grouped.setdefault(row["number"], {}).setdefault(row["attempt"], []).append(_measurement(row))
    return grouped


def _trial_key(study_key: int, number: int) -> dict[str, Any]:
    return {"of_study": study_key, "trial_number": number}


def objective(study: Study, trial: Trial) -> float | None:
    """The value by which the trial is ranked; None if it did not succeed."""
    if trial.state is not TrialState.SUCCEEDED or trial.final_measurement is None:
        return None
    return trial.final_measurement.metrics[study.spec.objective.id]


def _trial(row: sa.RowMapping, measured: Iterable[Measurement] | None = None) -> Trial:
    return Trial(
        number=row["number"],
        state=TrialState(row["state"]),
        parameters=codec.load_parameters(row["parameters"]),
        client_id=row["client_id"],
        attempt=row["attempt"],
        create_time=row["create_time"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        final_measurement=codec.load_final(row["final_measurement"]),
        infeasible_reason=row["infeasible_reason"],
        metadata=codec.load_metadata(row["metadata"]),
        measurements=None if measured is None else list(measured),
        lease=_lease(row),
        lost_attempts=row["lost_attempts"],
        lost_client_id=row["lost_client_id"],
        checkpoint=row["checkpoint"],
    )


def _lease(row: sa.RowMapping) -> Lease | None:
    if row["lease_expiry"] is None:
        return None
    return Lease(row["lease_seconds"], row["lease_expiry"], row["lease_left"])


def _measurement(row: sa.RowMapping) -> Measurement:
    return Measurement(codec.load_metrics(row["metrics"]), row["step"], row["elapsed_seconds"])
