"""The same studies for Dodona and for optuna-dashboard: random results of three parameters, with their curves."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.space import Categorical, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies
from growth import fill
from load import LOCATION

STUDY = f"{LOCATION}/studies/benchmark"
SPACE = SearchSpace(
    (
        Parameter("rate", Double(1e-5, 0.1, Scale.LOG)),
        Parameter("layers", Integer(1, 8)),
        Parameter("optimizer", Categorical(("adam", "rmsprop", "sgd"))),
    )
)
OPTIMIZERS = ["adam", "rmsprop", "sgd"]
DISTRIBUTIONS = {
    "rate": json.dumps(
        {"name": "FloatDistribution", "attributes": {"step": None, "low": 1e-5, "high": 0.1, "log": True}}
    ),
    "layers": json.dumps({"name": "IntDistribution", "attributes": {"log": False, "step": 1, "low": 1, "high": 8}}),
    "optimizer": json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": OPTIMIZERS}}),
}


def make_dodona(file: Path, trials: int) -> None:
    """Write a new database of Dodona with one study."""
    store = open_store(f"sqlite:///{file}")
    name = StudyName(Location("default", "local"), "benchmark")
    spec = StudySpec((Metric("loss", Goal.MINIMIZE),), SPACE, algorithm="RANDOM_SEARCH")
    asyncio.run(store.run(lambda transaction: studies.insert(transaction, name, "benchmark", spec, 7, time.time())))
    store.close()
    if trials:
        fill(f"sqlite:///{file}", STUDY, trials)


def copy_to_optuna(file: Path, copy: Path) -> None:
    """Write a new database of Optuna with the study of a database of Dodona; Optuna itself would take hours."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.create_study(storage=f"sqlite:///{copy}", study_name="benchmark")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target, target:
        for number, parameters, value, start, end in source.execute(
            "SELECT number, parameters, objective, start_time, end_time FROM trials ORDER BY number"
        ):
            target.execute(
                "INSERT INTO trials VALUES (?, ?, 1, 'COMPLETE', ?, ?)",
                (number, number - 1, _moment(start), _moment(end)),
            )
            target.execute(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, 'FINITE')",
                (number, value),
            )
            target.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
                [(number, name, _internal(one), DISTRIBUTIONS[name]) for name, one in json.loads(parameters).items()],
            )
        target.executemany(
            "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
            "VALUES (?, ?, ?, 'FINITE')",
            source.execute("SELECT number, step, json_extract(metrics, '$.loss') FROM measurements"),
        )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f}"


def _internal(value: float | str) -> float:
    return OPTIMIZERS.index(value) if isinstance(value, str) else value
