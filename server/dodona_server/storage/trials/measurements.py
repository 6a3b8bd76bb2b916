"""Measurements in the database."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import TrialName
from dodona_server.domain.trials.trial import FEW_MEASUREMENTS, Measurement, Trial, joined
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.paging import PAGE_BYTES, octets, within
from dodona_server.storage.engine.statement import Row, Statement, insert_into, one_of
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.named import NAMED_STUDY_KEY
from dodona_server.storage.tables.core import measurements
from dodona_server.storage.trials.rows import by_name, trial_key

# The size of a measurement without its metrics.
MEASUREMENT_BYTES = 64


@functools.cache
def _upsert(dialect: str) -> Statement:
    statement = insert_into(measurements, dialect)
    return Statement(
        statement.on_conflict_do_update(
            index_elements=list(measurements.primary_key),
            set_={name: statement.excluded[name] for name in ("elapsed_seconds", "metrics")},
        )
    )


_OF_TRIAL = (
    measurements.c.study_key == bindparam("of_study"),
    measurements.c.number == bindparam("trial_number"),
)
_IN_ORDER = (measurements.c.attempt, measurements.c.step, measurements.c.tick)
_MEASURED = Statement(sa.select(measurements).where(*_OF_TRIAL).order_by(*_IN_ORDER))
_FIRST_OF_NAMED = Statement(
    sa.select(measurements)
    .where(measurements.c.study_key == NAMED_STUDY_KEY, measurements.c.number == bindparam("trial_number"))
    .order_by(*_IN_ORDER)
    .limit(FEW_MEASUREMENTS + 1)
)
_DELETE = Statement(measurements.delete().where(*_OF_TRIAL))
_DROP = Statement(
    measurements.delete().where(
        *_OF_TRIAL,
        measurements.c.attempt == bindparam("of_attempt"),
        measurements.c.step == bindparam("at"),
        measurements.c.tick == bindparam("tick_at"),
    )
)
# Backwards along the primary key.
_LAST = Statement(
    sa.select(measurements)
    .where(*_OF_TRIAL)
    .order_by(measurements.c.attempt.desc(), measurements.c.step.desc(), measurements.c.tick.desc())
    .limit(1)
)
_SAMPLE = Statement(
    sa.select(measurements)
    .where(
        *_OF_TRIAL,
        sa.or_(measurements.c.step % bindparam("every") == 0, measurements.c.step == bindparam("last_step")),
    )
    .order_by(*_IN_ORDER)
    .limit(bindparam("limit"))
)
_LAST_STEPS = Statement(
    sa.select(measurements.c.number, sa.func.max(measurements.c.step).label("last_step"))
    .where(
        measurements.c.study_key == bindparam("of_study"),
        one_of(measurements.c.number, "numbers"),
    )
    .group_by(measurements.c.number)
)
_MEASURED_OF = Statement(
    sa.select(measurements)
    .where(measurements.c.study_key == bindparam("of_study"), one_of(measurements.c.number, "numbers"))
    .order_by(measurements.c.number, *_IN_ORDER)
)
_SIZES_OF = Statement(
    sa.select(
        measurements.c.number,
        sa.func.sum(octets(measurements.c.metrics) + MEASUREMENT_BYTES, type_=sa.BigInteger).label("size"),
    )
    .where(
        measurements.c.study_key == bindparam("of_study"),
        one_of(measurements.c.number, "numbers"),
    )
    .group_by(measurements.c.number)
)


def measure(transaction: Transaction, study_key: int, number: int, attempt: int, measurement: Measurement) -> None:
    """Store a measurement; it replaces one of the same step or, without steps, of the same moment."""
    parameters = {
        "study_key": study_key,
        "number": number,
        "attempt": attempt,
        "step": measurement.step,
        "tick": 0 if measurement.step else round(measurement.elapsed_seconds * 1000),
        "elapsed_seconds": measurement.elapsed_seconds,
        "metrics": codec.dump_metrics(measurement.metrics),
    }
    _upsert(transaction.dialect.name).run(transaction, parameters)


def measured(transaction: Transaction, study_key: int, trial: Trial) -> list[Measurement]:
    """Return the measurements of the trial in order, those of its attempts joined."""
    return _joined(_MEASURED.rows(transaction, trial_key(study_key, trial.number)))


def few(transaction: Transaction, name: TrialName) -> Callable[[], list[Measurement] | None]:
    """Read the measurements of the trial of that name, together with the next statement or the commit.

    The result returns them like `measured`, also after the transaction; None for more than `FEW_MEASUREMENTS`.
    """
    rows = _FIRST_OF_NAMED.ahead(transaction, by_name(name))

    def read() -> list[Measurement] | None:
        found = rows()
        return None if len(found) > FEW_MEASUREMENTS else _joined(found)

    return read


def of_trials(transaction: Transaction, study_key: int, numbers: list[int]) -> dict[int, list[Measurement]]:
    """Return the measurements of each of these trials in order, those of its attempts joined."""
    return _grouped(
        numbers, _MEASURED_OF.rows(transaction, {"of_study": study_key, "numbers": codec.dump_numbers(numbers)})
    )


def sample(transaction: Transaction, study_key: int, number: int, last_step: int, count: int) -> list[Measurement]:
    """Return about `count` of the trial's measurements in order, evenly chosen by step and with that last one."""
    every = max(1, last_step // count)
    parameters = {**trial_key(study_key, number), "every": every, "last_step": last_step, "limit": 4 * count}
    return _grouped([number], _SAMPLE.rows(transaction, parameters))[number]


def last(transaction: Transaction, study_key: int, number: int) -> Measurement | None:
    """Return the trial's last measurement; None if it has none."""
    row = _LAST.row(transaction, trial_key(study_key, number))
    return None if row is None else _measurement(row)


def last_steps(transaction: Transaction, study_key: int, numbers: list[int]) -> dict[int, int]:
    """Return the last step that was reported for each of these trials, in any of its attempts."""
    rows = _LAST_STEPS.rows(transaction, {"of_study": study_key, "numbers": codec.dump_numbers(numbers)})
    return {row["number"]: row["last_step"] for row in rows}


def thin(transaction: Transaction, study_key: int, trial: Trial, kept: int) -> None:
    """Keep `kept` of the trial's measurements, evenly spread and with the last one; delete the others."""
    rows = _MEASURED.rows(transaction, trial_key(study_key, trial.number))
    if len(rows) <= kept:
        return
    last = len(rows) - 1
    chosen = {last} if kept == 1 else {round(index * last / (kept - 1)) for index in range(kept)}
    dropped = [
        {
            "of_study": study_key,
            "trial_number": trial.number,
            "of_attempt": row["attempt"],
            "at": row["step"],
            "tick_at": row["tick"],
        }
        for index, row in enumerate(rows)
        if index not in chosen
    ]
    _DROP.run_each(transaction, dropped)


def of_page(transaction: Transaction, study_key: int, numbers: list[int]) -> dict[int, list[Measurement]]:
    """Return the measurements of as many of the first of these trials as fit on a page, at least of one."""
    some = numbers if len(numbers) < 2 else numbers[: fitting(transaction, study_key, numbers)]
    return of_trials(transaction, study_key, some)


def size(transaction: Transaction, study_key: int, numbers: list[int]) -> int:
    """Return the size of the measurements of these trials in bytes; at most one page of them is read at once."""
    rows = _SIZES_OF.rows(transaction, {"of_study": study_key, "numbers": codec.dump_numbers(numbers)})
    return min(PAGE_BYTES, sum(int(row["size"]) for row in rows))


def fitting(transaction: Transaction, study_key: int, numbers: list[int]) -> int:
    """Return how many of the first of these trials fit on a page with their measurements, at least one."""
    rows = _SIZES_OF.rows(transaction, {"of_study": study_key, "numbers": codec.dump_numbers(numbers)})
    size = {row["number"]: int(row["size"]) for row in rows}
    return within(size.get(number, 0) for number in numbers)


def delete(transaction: Transaction, study_key: int, number: int) -> None:
    """Delete the measurements of the trial."""
    _DELETE.run(transaction, trial_key(study_key, number))


def _grouped(numbers: list[int], rows: list[Row]) -> dict[int, list[Measurement]]:
    grouped: dict[int, dict[int, list[Measurement]]] = {number: {} for number in numbers}
    for row in rows:
        grouped[row["number"]].setdefault(row["attempt"], []).append(_measurement(row))
    return {number: joined(list(attempts.values())) for number, attempts in grouped.items()}


def _joined(rows: Sequence[Row]) -> list[Measurement]:
    attempts: dict[int, list[Measurement]] = {}
    for row in rows:
        attempts.setdefault(row["attempt"], []).append(_measurement(row))
    return joined(list(attempts.values()))


def _measurement(row: Row) -> Measurement:
    return Measurement(codec.load_metrics(row["metrics"]), row["step"], row["elapsed_seconds"])
