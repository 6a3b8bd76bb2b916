"""Measure what each kind of call costs the server and the database: alone, and with others of its study.

All calls of one kind are made before those of the next, so the processor time between is theirs. They have the bodies
that `dodona.Client` sends, with leases. Each worker has run a trial before, so statements are prepared, and rows of
workers exist. The bytes of rows are those of a PostgreSQL that was filled with finished trials.
"""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dodona_schemas import vertex
from growth import fill
from load import LOCATION, STUDY_SPEC, Connection
from scale.costs import KINDS
from scale.leases import LEASE_SECONDS
from scale.meters import Usage, bytes_a_row
from targets import STUDY, TARGETS, Machine, Running

QUANTILES = 20
VIEW = "view=BASIC"
# The default algorithm's studies: how many trials they have, and how many suggestions are not measured and measured.
HISTORIES = (100, 1000)
WARM_UP, FITTED = 3, 10

Row = dict[str, Any]


class Callers:
    """Workers that each run one trial, all in the same phase of it.

    Args:
        port: the server's.
        study: the study's path.
        count: how many.
        together: how many call at once.
    """

    def __init__(self, port: int, study: str, count: int, together: int) -> None:
        self._study = study
        self.connections = [Connection(port) for _ in range(together)]
        self._threads = ThreadPoolExecutor(together)
        self._names = [f"caller-{number}" for number in range(count)]
        self._trials: dict[str, vertex.Trial] = {}

    def all(self, kind: str) -> list[float]:
        """Let each make a call of that kind, and return the seconds that each took."""
        call: Callable[[Connection, str], None] = getattr(self, f"_{kind}")
        shares = [self._names[index :: len(self.connections)] for index in range(len(self.connections))]

        def run(connection: Connection, names: list[str]) -> list[float]:
            took = []
            for name in names:
                began = time.perf_counter()
                call(connection, name)
                took.append(time.perf_counter() - began)
            return took

        return [seconds for part in self._threads.map(run, self.connections, shares) for seconds in part]

    def _ask(self, connection: Connection, name: str) -> None:
        request = vertex.SuggestTrialsRequest(
            suggestion_count=1,
            client_id=name,
            request_id=uuid.uuid4().hex,
            lease_duration=LEASE_SECONDS,
            agent="dodona python benchmark",
            held_trials=[],
        )
        answer = connection.post(f"{self._study}/trials:suggest?{VIEW}", request.to_json().decode())
        response = vertex.Operation.model_validate_json(answer).response
        assert isinstance(response, vertex.SuggestTrialsResponse)
        self._trials[name] = response.trials[0]

    def _post(self, connection: Connection, name: str, verb: str, body: type[Any], **fields: Any) -> None:
        trial = self._trials[name]
        path = f"{self._study}/trials/{trial.id}:{verb}?{VIEW}"
        connection.post(path, body(attempt=trial.attempt, client_id=name, **fields).to_json().decode())

    def _report(self, connection: Connection, name: str) -> None:
        measurement = _measured(1)
        self._post(connection, name, "addTrialMeasurement", vertex.AddTrialMeasurementRequest, measurement=measurement)

    def _heartbeat(self, connection: Connection, name: str) -> None:
        self._post(connection, name, "heartbeat", vertex.HeartbeatTrialRequest)

    def _complete(self, connection: Connection, name: str) -> None:
        self._post(connection, name, "complete", vertex.CompleteTrialRequest, final_measurement=_measured(2))


def _measured(step: int) -> vertex.Measurement:
    wire = {"stepCount": str(step), "elapsedDuration": "1.5s", "metrics": [{"metricId": "loss", "value": 0.123456}]}
    return vertex.Measurement.model_validate(wire)


def create_study(port: int, study_id: str, **changes: Any) -> str:
    """Create a study and return its path."""
    body = {"studyId": study_id, "displayName": study_id, "studySpec": {**STUDY_SPEC, **changes}}
    Connection(port).post(f"{LOCATION}/studies", json.dumps(body))
    return f"{LOCATION}/studies/{study_id}"


def measure_calls(target: str, machine: Machine, folder: Path, count: int, together: int) -> list[Row]:
    """Return the cost of each kind of call in milliseconds, alone and with `together` callers at once.

    Args:
        target: one of Dodona's.
        machine: to run on.
        folder: for its files.
        count: calls of each kind.
        together: callers at once.
    """
    running = Running(TARGETS[target], machine, folder / f"calls-{target}")
    assert running.server is not None
    try:
        rows = []
        for callers_at_once in (1, together):
            study = create_study(running.server.port, f"calls-{callers_at_once}")
            callers = Callers(running.server.port, study, count, callers_at_once)
            for kind in KINDS:
                callers.all(kind)
            rows += [_phase(callers, kind, running, count, callers_at_once > 1) for kind in KINDS]
        return rows
    finally:
        running.stop()


def _phase(callers: Callers, kind: str, running: Running, count: int, together: bool) -> Row:
    usage = Usage([running])
    began = time.perf_counter()
    took = callers.all(kind)
    seconds = time.perf_counter() - began
    used = usage.read()
    ordered = sorted(took)
    transaction = 1000 * used["transaction_seconds"] / used["transactions"]
    batch = used["jobs"] / used["transactions"]
    server, database = (1000 * used[part] / count for part in ("server", "database"))
    return {
        "target": running.target.name,
        "kind": kind,
        "together": together,
        "callers": len(callers.connections),
        "calls": count,
        "calls_per_second": count / seconds,
        "server": server,
        "database": database,
        "transaction": transaction,
        "batch": batch,
        "rest": max(0.0, transaction / batch - database),
        "wal": used["wal"] / count,
        "latency": 1000 * statistics.mean(took),
        "quantiles": [1000 * ordered[int((part + 0.5) / QUANTILES * count)] for part in range(QUANTILES)],
    }


def measure_rows(machine: Machine, folder: Path, trials: int) -> dict[str, float]:
    """Return the bytes of a row of each table, in a PostgreSQL filled with that many trials."""
    running = Running(TARGETS["dodona-postgres"], machine, folder / "rows")
    assert running.server is not None
    try:
        callers = Callers(running.server.port, running.study, 1000, 8)
        callers.all("ask")
        # A server deletes operations of former days.
        running.server.stop()
        fill(running.database_url, STUDY, trials)
        return bytes_a_row(running.database_url)
    finally:
        running.stop()


def measure_fitting(machine: Machine, folder: Path, histories: Sequence[int] = HISTORIES) -> list[Row]:
    """Return the server's processor time for a suggestion of the default algorithm, by the study's trials."""
    running = Running(TARGETS["dodona-postgres"], machine, folder / "fitting")
    assert running.server is not None
    try:
        rows = []
        for trials in histories:
            study = create_study(running.server.port, f"fitted-{trials}", algorithm="ALGORITHM_UNSPECIFIED")
            fill(running.database_url, study, trials)
            callers = Callers(running.server.port, study, 1, 1)
            for _ in range(WARM_UP):
                _cycle(callers)
            usage = Usage([running])
            took = [_cycle(callers) for _ in range(FITTED)]
            server = 1000 * usage.read()["server"] / FITTED
            rows.append({"trials": trials, "server": server, "ask": 1000 * statistics.median(took)})
        return rows
    finally:
        running.stop()


def _cycle(callers: Callers) -> float:
    """Return the seconds of the call that asks."""
    took = callers.all("ask")[0]
    callers.all("complete")
    return took
