"""The floor: the cost of five durable JSON calls with only FastAPI and SQLite.

It has the same paths, bodies and answers as Dodona, one row and one commit per call, on the event loop. It checks only
types, and has no states, budgets, repeated requests or errors: a bound, not a service.

    python benchmarks/floor.py --port 0 --database floor.db
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sqlite3
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

STUDY = "/v1/projects/{project}/locations/{location}/studies/{study}"
TRIAL = STUDY + "/trials/{trial}"
TYPE = "type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrials"
CHOICES = ("relu", "tanh", "gelu", "selu")
LOW, HIGH = math.log(1e-5), math.log(1e-1)


class Message(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Metric(Message):
    metric_id: str
    value: float


class Measurement(Message):
    elapsed_duration: str
    step_count: int
    metrics: list[Metric]


class SuggestTrials(Message):
    suggestion_count: int
    client_id: str
    request_id: str


class AddTrialMeasurement(Message):
    measurement: Measurement


class CompleteTrial(Message):
    final_measurement: Measurement


class Commits:
    """Commits each call separately, or all calls of one turn of the event loop together.

    Args:
        connection: in SQLite's autocommit mode.
        shared: whether the calls of one turn share a commit.

    """

    def __init__(self, connection: sqlite3.Connection, *, shared: bool) -> None:
        self._connection = connection
        self._shared = shared
        self._waiting: list[asyncio.Future[None]] = []

    async def write(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """Return the rows of the statement after it is on disk."""
        if not self._shared:
            return self._connection.execute(statement, values).fetchall()
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._connection.execute("BEGIN IMMEDIATE")
            loop.call_soon(self._commit)
        rows = self._connection.execute(statement, values).fetchall()
        committed = loop.create_future()
        self._waiting.append(committed)
        await committed
        return rows

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
        for future in self._waiting:
            future.set_result(None)
        self._waiting.clear()


def create_floor(path: Path, *, shared: bool = False) -> FastAPI:
    """Return the bare service on the database file `path`."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE IF NOT EXISTS trials (number INTEGER PRIMARY KEY, study TEXT, state TEXT, parameters TEXT,"
        " client_id TEXT, request_id TEXT, start_time TEXT, end_time TEXT, objective REAL, final_measurement TEXT)",
        "CREATE TABLE IF NOT EXISTS measurements (number INTEGER, step INTEGER, elapsed TEXT, metrics TEXT,"
        " PRIMARY KEY (number, step)) WITHOUT ROWID",
    ):
        connection.execute(statement)
    commits = Commits(connection, shared=shared)
    app = FastAPI()

    @app.post(STUDY + "/trials:suggest")
    async def suggest(project: str, location: str, study: str, body: SuggestTrials) -> Response:
        parameters = drawn()
        now = timestamp()
        ((number,),) = await commits.write(
            "INSERT INTO trials (study, state, parameters, client_id, request_id, start_time)"
            " VALUES (?, 'ACTIVE', ?, ?, ?, ?) RETURNING number",
            (study, json.dumps(parameters), body.client_id, body.request_id, now),
        )
        name = f"projects/{project}/locations/{location}/studies/{study}"
        trial = rendered(name, number, "ACTIVE", parameters, body.client_id, now)
        return answer(
            {
                "name": f"{name}/operations/{uuid.uuid4().hex}",
                "done": True,
                "metadata": {
                    "@type": TYPE + "Metadata",
                    "genericMetadata": {"createTime": now, "updateTime": now},
                    "clientId": body.client_id,
                },
                "response": {
                    "@type": TYPE + "Response",
                    "trials": [trial],
                    "studyState": "ACTIVE",
                    "startTime": now,
                    "endTime": now,
                },
            }
        )

    @app.post(TRIAL + ":addTrialMeasurement")
    async def add_trial_measurement(
        project: str, location: str, study: str, trial: int, body: AddTrialMeasurement
    ) -> Response:
        (state, parameters, client_id, started) = connection.execute(
            "SELECT state, parameters, client_id, start_time FROM trials WHERE number = ?", (trial,)
        ).fetchone()
        given = body.measurement
        metrics = json.dumps({one.metric_id: one.value for one in given.metrics})
        await commits.write(
            "INSERT INTO measurements VALUES (?, ?, ?, ?)",
            (trial, given.step_count, given.elapsed_duration, metrics),
        )
        name = f"projects/{project}/locations/{location}/studies/{study}"
        return answer(rendered(name, trial, state, json.loads(parameters), client_id, started))

    @app.post(TRIAL + ":complete")
    async def complete(project: str, location: str, study: str, trial: int, body: CompleteTrial) -> Response:
        final = body.final_measurement
        kept = {
            "elapsedDuration": final.elapsed_duration,
            "stepCount": str(final.step_count),
            "metrics": [{"metricId": one.metric_id, "value": one.value} for one in final.metrics],
        }
        now = timestamp()
        ((parameters, client_id, started),) = await commits.write(
            "UPDATE trials SET state = 'SUCCEEDED', end_time = ?, objective = ?, final_measurement = ?"
            " WHERE number = ? RETURNING parameters, client_id, start_time",
            (now, final.metrics[0].value, json.dumps(kept), trial),
        )
        name = f"projects/{project}/locations/{location}/studies/{study}"
        done = rendered(name, trial, "SUCCEEDED", json.loads(parameters), client_id, started)
        return answer({**done, "finalMeasurement": kept, "endTime": now})

    return app


def drawn() -> dict[str, float | int | str]:
    """Return ten random parameters: 4 logarithmic doubles, 2 doubles, 2 integers, 2 categoricals."""
    return {
        **{f"rate_{index}": math.exp(random.uniform(LOW, HIGH)) for index in range(4)},
        **{f"share_{index}": random.random() for index in range(2)},
        **{f"units_{index}": random.randint(1, 512) for index in range(2)},
        **{f"choice_{index}": random.choice(CHOICES) for index in range(2)},
    }


def rendered(
    study: str, number: int, state: str, parameters: dict[str, Any], client_id: str, started: str
) -> dict[str, Any]:
    """Return a trial in its wire form."""
    return {
        "name": f"{study}/trials/{number}",
        "id": str(number),
        "state": state,
        "parameters": [{"parameterId": name, "value": value} for name, value in parameters.items()],
        "startTime": started,
        "clientId": client_id,
        "attempt": 1,
    }


def answer(message: dict[str, Any]) -> Response:
    return Response(to_json(message), media_type="application/json")


def timestamp() -> str:
    return datetime.now(UTC).isoformat()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--shared", action="store_true", help="let calls of one moment share a commit")
    options = parser.parse_args()
    uvicorn.run(
        create_floor(options.database, shared=options.shared),
        port=options.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        server_header=False,
        timeout_keep_alive=3600,
    )


if __name__ == "__main__":
    main()
