"""A database with 50 000 finished trials, made by plain SQL: what the plans of the statements are judged on."""

from __future__ import annotations

import sqlalchemy as sa

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.operations import oldest_id

TRIALS = 50_000
# Of another study, and of one that is deleted, but not yet cleared away.
OTHER_TRIALS = 3_000
STUDIES = 2_000
BIG = StudyName(Location("p", "l"), "s1")
BIG_KEY, OTHER_KEY, REMOVED_KEY = 1, 2, 3
# Trials that wait or run, behind the finished ones: 10 of each.
QUEUED, RUNNING, LEASED, OVERDUE = (TRIALS + first for first in (1, 11, 21, 31))
UNFINISHED = 40
# The time of everything in there.
THEN = 1_700_000_000.0
SPEC = StudySpec((Metric("loss", Goal.MINIMIZE),), SearchSpace((Parameter("x", Double(0.0, 1.0)),)))

_COUNTER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_STUDIES = """
INSERT INTO studies (project, location, study_id, display_name, spec, seed, state, inactive_reason, create_time,
                     next_trial_number, trial_count, revision, metadata, check_time)
SELECT CASE WHEN i = :removed THEN '' WHEN i % 2 = 1 THEN 'p' ELSE 'q' END, 'l', 's' || CAST(i AS TEXT),
       'the ' || CAST(i AS TEXT), :spec, 7, 'ACTIVE', '', :now, :trials + 1, :trials, 1, '{}',
       CASE WHEN i % 500 = 0 THEN :now END
FROM n
"""
# As long as they are in earnest: a table of very short rows is read as fast as an index.
_PARAMETERS = codec.dump_parameters({f"parameter_{number}": 0.123456789 * number for number in range(8)})
_FINISHED = """
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time,
                    objective, partial_objective, final_measurement, infeasible_reason, metadata)
SELECT :key, i, CASE WHEN i % 10 = 0 THEN 'INFEASIBLE' ELSE 'SUCCEEDED' END, :parameters,
       'worker-' || CAST(i % 64 AS TEXT), 1, :now, :now, :now + 1,
       CASE WHEN i % 10 <> 0 AND i % 3 <> 0 THEN ((i * 7919) % 50021) / 50021.0 END,
       CASE WHEN i % 10 <> 0 AND i % 3 = 0 THEN ((i * 7919) % 50021) / 50021.0 END,
       CASE WHEN i % 10 <> 0 THEN '[3, 1.5, {"loss": 0.5}]' END, '', '{}'
FROM n
"""
_UNFINISHED = """
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time,
                    infeasible_reason, metadata, lease_seconds, lease_expiry)
SELECT 1, :first + i - 1, :state, '{"x": 0.5}', :client, 1, :now, :now, '', '{}', :lease, :expiry
FROM n
"""
_MEASUREMENTS = """
INSERT INTO measurements (study_key, number, attempt, step, tick, elapsed_seconds, metrics)
SELECT :key, (i - 1) / 3 + 1, 1, (i - 1) % 3 + 1, 0, 1.5, '{"loss": 0.5}' FROM n
"""
_CURVES = """
INSERT INTO curves (study_key, number, position, best, mean, count, is_first)
SELECT :key, (i - 1) / 3 + 1, (i - 1) % 3 + 1, ((i * 7919) % 50021) / 50021.0, 0.25, (i - 1) % 3 + 1, i % 3 = 1 FROM n
"""
_OPERATIONS = """
INSERT INTO operations (operation_id, study_key, client_id, trial_numbers, study_state, create_time)
SELECT :now_id || CAST(:key AS TEXT) || '-' || CAST(100000 + i AS TEXT), :key, 'worker-1', '[1]', 'ACTIVE', :now
FROM n
"""
_EVENTS = """
INSERT INTO events (study_key, number, time, kind, trial_number, detail)
SELECT :key, CASE WHEN i <= :numbered THEN i END, :now, 'TRIAL_ACTIVE', 1, '' FROM n
"""
_REQUESTS = """
INSERT INTO requests (study_key, location, request_id, call, result, forget_time)
SELECT :key, '', 'r' || CAST(i AS TEXT), 'report', '', CASE WHEN i % 2 = 0 THEN :now + i END FROM n
"""
_ARTIFACTS = """
INSERT INTO artifacts (study_key, number, name, blob, attempt, size, sha256, create_time, discard_time)
SELECT :key, i, 'model.h5', 'blob' || CAST(i AS TEXT), 1, 9, '00', :now, CASE WHEN i % 500 = 0 THEN :now END FROM n
"""


def fill(transaction: Transaction) -> None:
    """Fills an empty database."""
    if transaction.dialect.name == "postgresql":
        leave_without_statistics(transaction)
    spec = codec.dump_spec(SPEC)
    _add(transaction, _STUDIES, STUDIES, spec=spec, removed=REMOVED_KEY, trials=TRIALS + UNFINISHED, now=THEN)
    for key, count in ((BIG_KEY, TRIALS), (OTHER_KEY, OTHER_TRIALS), (REMOVED_KEY, OTHER_TRIALS)):
        add_finished(transaction, key, count)
    for first, state, client, lease, expiry in (
        (QUEUED, "REQUESTED", "", None, None),
        (RUNNING, "ACTIVE", "worker-1", None, None),
        (LEASED, "ACTIVE", "worker-2", 60.0, 2 * THEN),
        (OVERDUE, "ACTIVE", "worker-3", 60.0, THEN),
    ):
        values = {"first": first, "state": state, "client": client, "lease": lease, "expiry": expiry}
        _add(transaction, _UNFINISHED, UNFINISHED // 4, now=THEN, **values)


def add_finished(transaction: Transaction, key: int, count: int) -> None:
    """Adds finished trials to a study that has none.

    Each has 3 measurements, a curve, an operation, a request and 2 events.
    """
    _add(transaction, _FINISHED, count, key=key, now=THEN, parameters=_PARAMETERS)
    _add(transaction, _MEASUREMENTS, 3 * count, key=key)
    _add(transaction, _CURVES, 3 * count, key=key)
    _add(transaction, _OPERATIONS, count, key=key, now=THEN, now_id=oldest_id(THEN))
    _add(transaction, _EVENTS, 2 * count, key=key, now=THEN, numbered=2 * count - 100)
    _add(transaction, _ARTIFACTS, count, key=key, now=THEN)
    _add(transaction, _REQUESTS, count, key=key, now=THEN)


def _add(transaction: Transaction, statement: str, count: int, **values: object) -> None:
    transaction.execute(sa.text(f"{_COUNTER} {statement}"), {"count": count, **values})


def leave_without_statistics(transaction: Transaction) -> None:
    """Keeps the server from gathering statistics by itself: the tests say when."""
    for table in sa.inspect(transaction).get_table_names():
        transaction.exec_driver_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
