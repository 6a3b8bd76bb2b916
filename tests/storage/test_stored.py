"""What a server of an earlier revision has written is read, and its studies go on."""

from __future__ import annotations

import asyncio
import math
import shutil
import threading
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from dodona_server.app import create_app
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import EventKind
from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.studies.study_states import StudyVerb
from dodona_server.domain.trials.trial import Measurement, TrialState
from dodona_server.service.computing.pool import FittingPool
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.idempotency import REMEMBERED_SECONDS
from dodona_server.service.maintenance import Maintenance
from dodona_server.service.studies.studies import StudyService
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.suggestions.suggest import SuggestionService
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.trials import TrialService
from dodona_server.storage import events, operations
from dodona_server.storage.schema import migrate
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies
from dodona_server.storage.tables import core as tables
from dodona_server.storage.trials import ranking
from tests.api.conftest import Api
from tests.storage.conftest import plain_engine
from tests.storage.stored.write import load, stored
from tests.support.app_client import AppClient
from tests.support.postgres import fresh_database

NAME = StudyName(Location("p", "l"), "s")
SCRIPTS = ScriptDirectory.from_config(migrate._config())
FOLLOWED = [str(script.down_revision) for script in SCRIPTS.walk_revisions() if script.down_revision]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("revision", FOLLOWED)
def test_there_is_a_stored_database_of_each_revision_that_another_follows(revision, kind):
    assert stored(revision, kind).is_file(), (
        f"a migration follows revision {revision}, of which there is no stored database: "
        f"give it rows in tests/storage/stored/rows.py and run python -m tests.storage.stored.write {revision}"
    )


@pytest.fixture(scope="module", params=FOLLOWED)
def begun(request):
    return request.param


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def upgraded(request, begun, tmp_path_factory):
    """A database of that revision after the upgrade, which tests copy: the upgrade takes longer."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('upgraded') / 'x.db'}"
        _upgrade(begun, url)
        yield url
        return
    with fresh_database(request.getfixturevalue("_postgres")) as url:
        _upgrade(begun, url)
        yield url


def _upgrade(revision, url):
    engine = plain_engine(url)
    load(engine, revision)
    migrate.upgrade(engine)
    engine.dispose()


@contextmanager
def copy_of(url, request, folder):
    """A store on a copy of that database."""
    original = sa.make_url(url)
    if original.get_backend_name() == "sqlite":
        opened = open_store(f"sqlite:///{shutil.copy(original.database, folder)}")
        yield opened
        opened.close()
        return
    with fresh_database(request.getfixturevalue("_postgres"), template=original.database) as copy:
        opened = open_store(copy)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def read_store(upgraded, request, tmp_path_factory):
    """A store of that revision for all tests that only read."""
    with copy_of(upgraded, request, tmp_path_factory.mktemp("read")) as opened:
        yield opened


@pytest.fixture
def store(upgraded, request, tmp_path):
    with copy_of(upgraded, request, tmp_path) as opened:
        yield opened


def read(store, query):
    return asyncio.run(store.read(query))


def test_studies_and_trials_come_back(read_store):
    study = read(read_store, lambda t: studies.find(t, NAME))
    assert (study.display_name, study.seed, study.state) == ("the s", 7, StudyState.ACTIVE)
    assert (study.next_trial_number, study.trial_count, study.metadata) == (8, 6, {"owner": "ada"})
    assert (study.spec.objective.id, study.spec.stopping.max_num_trials) == ("loss", 20)
    paused = read(read_store, lambda t: studies.page(t, NAME.parent, study.key, 9).entries)
    assert [(one.state, one.inactive_reason) for one in paused] == [(StudyState.INACTIVE, "lunch")]
    kept = {trial.number: trial for trial in asyncio.run(TrialQueries(read_store).page(study.name, 0, 99)).entries}
    assert {number: trial.state for number, trial in kept.items()} == {
        1: TrialState.SUCCEEDED,
        2: TrialState.INFEASIBLE,
        3: TrialState.ACTIVE,
        4: TrialState.STOPPING,
        5: TrialState.REQUESTED,
        6: TrialState.SUCCEEDED,
    }
    # An attempt is one that was handed out: a trial that waits has had none.
    assert {number: trial.attempt for number, trial in kept.items()} == {1: 1, 2: 1, 3: 1, 4: 1, 5: 0, 6: 1}
    assert all(
        (trial.lease, trial.lost_attempts, trial.lost_client_id, trial.checkpoint) == (None, 0, "", "")
        for trial in kept.values()
    )
    assert (kept[1].client_id, kept[1].create_time, kept[1].end_time) == ("w1", 1001.0, 1002.0)
    assert (kept[1].metadata, kept[2].infeasible_reason) == ({"tag": "first"}, "out of memory")
    final = kept[1].final_measurement
    assert (final.step, final.elapsed_seconds, final.metrics["loss"]) == (2, 20.0, 0.5)
    assert math.isnan(final.metrics["acc"])
    assert [one.metrics["loss"] for one in kept[1].measurements] == [math.inf, 0.5]
    assert kept[4].measurements == [Measurement({"loss": 0.875}, 0, 1.5)]
    assert [trial.number for trial in read(read_store, lambda t: ranking.ranking(t, study, None, 9))] == [6, 1]
    assert read(read_store, lambda t: ranking.counts(t, study))[TrialState.INFEASIBLE] == 1


def test_operations_and_events_come_back(read_store):
    study = read(read_store, lambda t: studies.find(t, NAME))
    asked = read(read_store, lambda t: operations.find_in_study(t, study.key, "0000000f46280000000000000000000a"))
    assert (asked.client_id, asked.trial_numbers, asked.study_state) == ("w1", [1, 2, 3], StudyState.ACTIVE)
    listed = read(read_store, lambda t: operations.page(t, "p", "l", "s", "", 9))
    assert [operation.trial_numbers for _, _, operation in listed] == [[1, 2, 3], [4]]
    asyncio.run(read_store.run(lambda t: events.number(t, study)))
    assert [(one.number, one.kind) for one in read(read_store, lambda t: events.page(t, study.key, 0, 9).entries)] == [
        (1, EventKind.STUDY_CREATED),
        (2, EventKind.TRIAL_ACTIVE),
        (3, EventKind.TRIAL_INFEASIBLE),
        (4, EventKind.TRIAL_STOPPING),
    ]


def test_the_study_goes_on(store):
    result = {"metrics": [{"metricId": "loss", "value": 0.125}]}
    with AppClient(create_app(store), base_url="http://localhost") as client:
        api = Api(client)
        # Its worker comes back, those that wait are handed out, and new ones are numbered behind all there were.
        assert [trial["id"] for trial in api.suggest(client="w1")] == ["3"]
        handed = api.suggest(client="w3", count=2, leaseDuration="60s", heldTrials=[])
        assert [(trial["id"], trial["attempt"]) for trial in handed] == [("5", 1), ("8", 1)]
        for number in (3, 5, 8):
            api.post(f"/studies/s/trials/{number}:addTrialMeasurement", {"measurement": {"stepCount": "9", **result}})
            api.post(f"/studies/s/trials/{number}:complete")
        stopped = api.post("/studies/s/trials/4:complete")
        assert stopped["finalMeasurement"]["metrics"] == [{"metricId": "loss", "value": 0.875}]
        best = api.post("/studies/s/trials:listOptimalTrials")["optimalTrials"]
        assert [trial["id"] for trial in best] == ["3", "5", "8"]
        assert api.get("/studies/s/events")["events"][0]["kind"] == "STUDY_CREATED"
        api.post("/studies/paused:resume")
        assert [trial["id"] for trial in api.suggest("paused")] == ["1"]
        api.delete("/studies/s")
        api.get("/studies/s", code=404)


def call(store, use):
    """What a call is answered with on the day of its rows: an app would forget their ids at once."""

    async def answer():
        schedule = Schedule(FittingPool(store, 1))
        arguments = (store, lambda: 1002.0)
        try:
            return await use(
                StudyService(*arguments, schedule),
                TrialService(*arguments, schedule),
                SuggestionService(*arguments, threading.Event(), schedule),
            )
        finally:
            schedule.close()

    return asyncio.run(answer())


def test_created_trials_and_suggestions_are_known_by_their_requests(store):
    made = call(store, lambda _, trials, __: trials.create(NAME, {"x": 0.5}, None, "r5"))
    assert (made.number, made.state) == (5, TrialState.REQUESTED)
    asked = call(store, lambda *all_: all_[2].suggest(NAME, SuggestRequest("w1", 3, "q1")))
    assert (asked.name.operation_id, [trial.number for trial in asked.trials]) == (
        "0000000f46280000000000000000000a",
        [1, 2, 3],
    )
    with pytest.raises(InvalidArgument, match="'r5' is the id of another request: create a trial in projects/p"):
        call(store, lambda *all_: all_[2].suggest(NAME, SuggestRequest("w1", 3, "r5")))
    assert read(store, lambda t: studies.find(t, NAME)).trial_count == 6


@pytest.mark.parametrize("begun", ["0004"], indirect=True, scope="module")
def test_other_calls_are_too_and_their_ids_belong_to_their_study(store):
    rows = read(store, lambda t: t.execute(sa.select(tables.requests).order_by(tables.requests.c.request_id)).all())
    assert [(row.request_id, row.study_key, row.location, row.result) for row in rows] == [
        ("c", 1, "", ""),
        ("d", 0, "p/l", ""),
        ("g", 0, "p/l", ""),
        ("o", 0, "p/l", ""),
        ("p", 1, "", ""),
        ("q1", 1, "", "operations/0000000f46280000000000000000000a"),
        ("q9", 0, "p/l", ""),
        ("r5", 1, "", "trials/5"),
        ("t", 1, "", ""),
    ]
    assert {row.forget_time for row in rows if row.request_id != "r5"} == {1001.0 + REMEMBERED_SECONDS}
    study = call(store, lambda studies, *_: studies.move(NAME, StudyVerb.PAUSE, request_id="p"))
    assert study.state is StudyState.ACTIVE
    trial = call(store, lambda _, trials, __: trials.complete(TrialName(NAME, 1), None, request_id="c"))
    assert trial.state is TrialState.SUCCEEDED
    call(store, lambda _, trials, __: trials.delete(TrialName(NAME, 7), "t"))
    # An earlier study of that name was deleted by this request.
    call(store, lambda studies, *_: studies.delete(NAME, "d"))
    same = call(store, lambda studies, *_: studies.create(NAME.parent, "s", "the s", study.spec, None, request_id="q9"))
    assert same.key == study.key


@pytest.mark.parametrize("begun", ["0004"], indirect=True, scope="module")
def test_ids_are_forgotten_a_day_after_their_calls_but_those_of_created_trials(store):
    for now, known in ((1000.0 + REMEMBERED_SECONDS, 9), (1002.0 + REMEMBERED_SECONDS, 1)):
        asyncio.run(Maintenance(store, lambda now=now: now, threading.Event()).look())
        assert len(read(store, lambda t: t.execute(sa.select(tables.requests)).all())) == known


@pytest.mark.parametrize("begun", ["0005"], indirect=True, scope="module")
def test_a_stopping_rule_of_an_older_study_is_kept_and_stops_nothing(store):
    with AppClient(create_app(store), base_url="http://localhost") as client:
        api = Api(client)
        assert api.post("/studies/paused:resume")["studySpec"]["medianAutomatedStoppingSpec"] is not None
        for value in (0.3, 0.4, 0.4, 0.4, 0.5, 9.0):
            trial = f"/studies/paused/trials/{api.suggest('paused')[0]['id']}"
            for step in range(1, 6):
                measured = {"stepCount": step, "metrics": [{"metricId": "loss", "value": value}]}
                assert api.post(f"{trial}:addTrialMeasurement", {"measurement": measured})["state"] == "ACTIVE"
            api.post(f"{trial}:complete")


@pytest.mark.parametrize("begun", ["0006"], indirect=True, scope="module")
def test_a_trial_that_was_stopped_is_no_longer_the_best(store):
    with AppClient(create_app(store), base_url="http://localhost") as client:
        study = "/v1/projects/p/locations/m/studies/m"
        trials = client.get(f"{study}/trials").json()["trials"]
        assert [(trial["id"], trial.get("stopped")) for trial in trials] == [("1", None), ("2", True)]
        best = client.post(f"{study}/trials:listOptimalTrials", json={}).json()["optimalTrials"]
        assert [trial["id"] for trial in best] == ["1"]


def test_an_upgraded_database_has_foreign_keys_that_hold(read_store):
    with read_store.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert sa.inspect(connection).get_foreign_keys("operations")
