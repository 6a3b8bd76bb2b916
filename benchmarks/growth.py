"""Studies that have many trials from the start: the rows of a real run, written in bulk."""

from __future__ import annotations

import asyncio
import functools
import random
import time

from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.storage import events, operations
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import measurements, trials
from load import REPORTS

CHUNK = 1000
SECONDS_A_TRIAL = 10.0
WORKERS = 8


def fill(database_url: str, study: str, count: int) -> None:
    """Add succeeded trials to a study, each with its measurements, its events and its operation.

    Args:
        database_url: as for `dodona serve`; with SQLite no server may have it open.
        study: the study's path, from /v1 on.
        count: the number of trials.
    """
    _, _, project, _, location, _, study_id = study.split("/")[1:]
    name = StudyName(Location(project, location), study_id)
    store = open_store(database_url)
    try:
        for first in range(0, count, CHUNK):
            asyncio.run(store.run(functools.partial(_add, name=name, count=min(CHUNK, count - first))))
    finally:
        store.close()


def _add(transaction: Transaction, name: StudyName, count: int) -> None:
    study = studies.find(transaction, name, lock=True)
    assert study is not None
    metric = study.spec.objective.id
    rng = random.Random(f"{study.seed}/{study.next_trial_number}")
    suggested = [sample(study.spec.space, rng) for _ in range(count)]
    began = time.time() - count * SECONDS_A_TRIAL
    done = []
    for index, parameters in enumerate(suggested):
        started = began + index * SECONDS_A_TRIAL
        done.append(
            Trial(
                number=study.next_trial_number + index,
                state=TrialState.SUCCEEDED,
                parameters=parameters,
                client_id=f"worker-{index % WORKERS}",
                create_time=started,
                start_time=started,
                end_time=started + SECONDS_A_TRIAL,
                final_measurement=Measurement({metric: rng.random()}, REPORTS, REPORTS + 0.5),
            )
        )
    trials.insert(transaction, study, done)
    studies.add_trials(transaction, study, count)
    for trial in done:
        started, ended = trial.create_time, trial.create_time + SECONDS_A_TRIAL
        numbers = [trial.number]
        operation = SuggestOperation(
            operations.new_id(started), trial.client_id, numbers, StudyState.ACTIVE, started, len(numbers)
        )
        operations.insert(transaction, study.key, operation)
        for step in range(1, REPORTS + 1):
            measurement = Measurement({metric: rng.random()}, step, step + 0.5)
            measurements.measure(transaction, study.key, trial.number, trial.attempt, measurement)
        happened = [
            Event(EventKind.TRIAL_ACTIVE, started, trial.number, trial.client_id),
            Event(EventKind.TRIAL_SUCCEEDED, ended, trial.number, trial.client_id),
        ]
        events.append(transaction, study.key, happened)
