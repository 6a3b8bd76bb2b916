"""Random legal and illegal calls over HTTP: the server always answers what a model of the protocol does."""

from __future__ import annotations

import os

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from dodona_server.app import create_app
from dodona_server.storage.schema.opening import open_store
from tests.fuzz.machine import StudyMachine
from tests.support.app_client import AppClient

SEED = int(os.environ.get("DODONA_TEST_SEED", "1"))
STUDIES = 30  # on each database
STEPS = 50


def test_the_server_answers_as_the_model_does(database_url: str) -> None:
    print(f"DODONA_TEST_SEED={SEED}")
    # Other studies on the one than on the other.
    seed = SEED if database_url.startswith("sqlite") else SEED + 1_000_000
    with AppClient(create_app(open_store(database_url)), base_url="http://localhost") as client:

        @hypothesis.seed(seed)
        def machine() -> StudyMachine:
            return StudyMachine(client)

        run_state_machine_as_test(
            machine,
            settings=hypothesis.settings(
                max_examples=STUDIES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            ),
        )
