"""What is deleted goes away by and by, and nobody waits for it; what is remembered is forgotten in time."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from dodona_server.app import Options, create_app
from dodona_server.domain.access.credentials import Token
from dodona_server.domain.access.roles import Role
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.study import StudyState
from dodona_server.service import maintenance
from dodona_server.service.idempotency import REMEMBERED_SECONDS
from dodona_server.service.maintenance import Maintenance, clear_all
from dodona_server.serving.serving import options_of
from dodona_server.settings import Settings
from dodona_server.storage import operations, requests
from dodona_server.storage.access import accounts
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.requests import Done
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import removal, studies
from dodona_server.storage.tables import core as tables
from dodona_server.storage.trials import measurements, trials
from tests.api.conftest import Api
from tests.storage.crowded import SPEC, add_finished
from tests.support.app_client import AppClient

HERE = Location("p", "l")
TRIALS = 3_000
# 3 measurements, 3 points of a curve, an operation and 2 events for each trial, and the trials themselves.
ROWS = 10 * TRIALS
LIMIT = 500
OF_STUDIES = (tables.curves, tables.measurements, tables.trials, tables.events, tables.operations)


@pytest.fixture
def store(database_url):
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def large(store):
    """A study of many trials."""

    def make(transaction):
        study = studies.insert(transaction, StudyName(HERE, "large"), "large", SPEC, 7, 1.0)
        add_finished(transaction, study.key, TRIALS)
        return study

    return asyncio.run(store.run(make))


def rows_of(transaction, study):
    counted = [sa.select(sa.func.count()).where(table.c.study_key == study.key) for table in OF_STUDIES]
    return sum(transaction.execute(one).scalar_one() for one in counted)


def test_a_step_clears_no_more_than_the_limit_and_others_run_between_two(store, large):
    async def scenario():
        await store.run(lambda t: removal.remove(t, large.key))
        # The name is free at once.
        new = await store.run(lambda t: studies.insert(t, large.name, "large", SPEC, 7, 2.0))
        left, steps = ROWS, 0
        assert await store.read(lambda t: rows_of(t, large)) == left
        while await store.run(lambda t: removal.clear_removed(t, LIMIT)):
            steps += 1
            now_left = await store.read(lambda t: rows_of(t, large))
            assert 0 <= left - now_left <= LIMIT
            assert now_left == max(0, ROWS - steps * LIMIT)
            left = now_left
            await store.run(lambda t: studies.add_trials(t, new, 1))
        assert left == 0
        assert await store.read(lambda t: studies.find_key(t, large.key)) is None
        assert (await store.read(lambda t: studies.find(t, new.name))).trial_count == steps

    asyncio.run(scenario())


def test_a_trial_with_more_measurements_than_the_limit_goes_in_parts(store):
    async def scenario():
        study = await store.run(lambda t: studies.insert(t, StudyName(HERE, "s"), "s", SPEC, 7, 1.0))
        await store.run(lambda t: add_finished(t, study.key, 1))
        more = [
            {"study_key": study.key, "number": 1, "attempt": 2, "step": step, "tick": 0}
            | {"elapsed_seconds": 0.0, "metrics": "{}"}
            for step in range(30)
        ]
        await store.run(lambda t: t.execute(tables.measurements.insert(), more))
        await store.run(lambda t: removal.remove(t, study.key))
        left = await store.read(lambda t: rows_of(t, study))
        while await store.run(lambda t: removal.clear_removed(t, 4)):
            now_left = await store.read(lambda t: rows_of(t, study))
            assert left - now_left <= 4
            left = now_left
        assert left == 0

    asyncio.run(scenario())


def test_maintenance_clears_while_calls_are_answered(store, large, spec):
    with AppClient(create_app(store, Options(kept_seconds=0)), base_url="http://localhost") as client:
        api = Api(client)
        api.delete("/studies/large")
        api.get("/studies/large", code=404)
        api.post("/studies", {"studyId": "large", "studySpec": spec})
        final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
        cycles = 0
        # However long that takes: the test's own time is up before it has failed.
        while client.portal.call(store.read, lambda t: rows_of(t, large)) or cycles < 3:
            (trial,) = api.suggest("large")
            api.post(f"/studies/large/trials/{trial['id']}:complete", final)
            cycles += 1
            assert trial["id"] == str(cycles)
        assert client.portal.call(store.read, lambda t: rows_of(t, large)) == 0
        assert len(api.get("/studies/large/trials?pageSize=1000")["trials"]) == min(cycles, 1000)


def test_all_that_is_deleted_can_be_cleared_at_once(store, large):
    async def scenario():
        await store.run(lambda t: removal.remove(t, large.key))
        assert await clear_all(store) == 1
        assert await store.read(lambda t: rows_of(t, large)) == 0
        assert await clear_all(store) == 0

    asyncio.run(scenario())


CURVE = {1: 0.9, 2: 0.1, 3: 0.8, 4: 0.7, 5: 0.6, 6: 0.5, 7: 0.4}


class TestThinning:
    def test_the_environment_says_how_many_are_kept(self, monkeypatch):
        assert options_of(Settings()).kept_measurements is None
        monkeypatch.setenv("DODONA_KEEP_MEASUREMENTS", "3")
        assert options_of(Settings()).kept_measurements == 3
        monkeypatch.setenv("DODONA_KEEP_MEASUREMENTS", "0")
        with pytest.raises(ValidationError, match="keep_measurements"):
            Settings()

    @pytest.mark.parametrize(
        ("kept", "steps"), [(1, [7]), (2, [1, 7]), (3, [1, 4, 7]), (4, [1, 3, 5, 7]), (7, [1, 2, 3, 4, 5, 6, 7])]
    )
    def test_the_best_is_chosen_before_the_curve_is_thinned(self, store, spec, kept, steps):
        spec["measurementSelectionType"] = "BEST_MEASUREMENT"
        with AppClient(create_app(store, Options(kept_measurements=kept)), base_url="http://localhost") as client:
            api = Api(client)
            api.post("/studies", {"studyId": "s", "studySpec": spec})
            api.suggest(count=2)
            for step, value in CURVE.items():
                measurement = {"stepCount": str(step), "metrics": [{"metricId": "loss", "value": value}]}
                for number in (1, 2):
                    api.post(f"/studies/s/trials/{number}:addTrialMeasurement", {"measurement": measurement})
            final = api.post("/studies/s/trials/1:complete")["finalMeasurement"]
            assert (final["stepCount"], final["metrics"][0]["value"]) == ("2", 0.1)
            first, second = api.get("/studies/s/trials")["trials"]
            assert [int(one["stepCount"]) for one in first["measurements"]] == steps
            # The other trial runs: nothing of it is lost.
            assert len(second["measurements"]) == len(CURVE)
            # Told again, it is the same.
            for body in ({"finalMeasurement": final}, {}):
                assert api.post("/studies/s/trials/1:complete", body)["finalMeasurement"] == final

    def test_the_first_and_the_last_of_attempts_that_are_joined_stay(self, store):
        async def scenario():
            study = await store.run(lambda t: studies.insert(t, StudyName(HERE, "s"), "s", SPEC, 7, 1.0))
            await store.run(lambda t: add_finished(t, study.key, 1))
            trial = await store.read(lambda t: trials.find(t, study, 1))
            went_on = trial.final_measurement
            for step in (4, 5, 6):
                one = dataclasses.replace(went_on, step=step)
                await store.run(lambda t, one=one: measurements.measure(t, study.key, 1, 2, one))
            await store.run(lambda t: measurements.thin(t, study.key, trial, 2))
            left = await store.read(lambda t: measurements.measured(t, study.key, trial))
            assert [one.step for one in left] == [1, 6]

        asyncio.run(scenario())


NOW = 1_700_000_000.0


class TestForgetting:
    def kept(self, store, study):
        """The operations and the requests that are known still."""

        def query(transaction):
            listed = operations.page(transaction, "p", "l", "s", "", 10_000)
            known = transaction.execute(sa.select(tables.requests.c.request_id)).scalars()
            return {operation.client_id for _, _, operation in listed}, set(known)

        return asyncio.run(store.read(query))

    @pytest.fixture
    def study(self, store):
        """With an operation and a request from each of some times, in hours before now."""

        def make(transaction):
            study = studies.insert(transaction, StudyName(HERE, "s"), "s", SPEC, 7, NOW)
            for hours in (49.0, 24.01, 23.99, 0.0):
                then = NOW - hours * 3600
                name = f"{hours:g}"
                operation = SuggestOperation(operations.new_id(then), name, [], StudyState.ACTIVE, then)
                operations.insert(transaction, study.key, operation)
                requests.insert(transaction, HERE, name, Done("report", ""), then + REMEMBERED_SECONDS)
            return study

        return asyncio.run(store.run(make))

    def test_after_a_day(self, store, study):
        assert REMEMBERED_SECONDS == 24 * 3600
        passed = 0.0
        # However the clock was set meanwhile, it looks every ten minutes.
        kept = Maintenance(store, lambda: NOW + clock_set_by + passed, threading.Event(), monotonic=lambda: passed)
        clock_set_by = 0.0
        asyncio.run(kept.look())
        assert self.kept(store, study) == ({"23.99", "0"}, {"23.99", "0"})
        passed += 60  # not yet
        clock_set_by = 3600.0
        asyncio.run(kept.look())
        assert self.kept(store, study) == ({"23.99", "0"}, {"23.99", "0"})
        clock_set_by = -540.0
        passed += maintenance.PURGE_SECONDS
        asyncio.run(kept.look())
        assert self.kept(store, study) == ({"0"}, {"0"})

    def test_the_id_of_a_created_trial_is_kept_with_its_study(self, store, study):
        asyncio.run(store.run(lambda t: requests.insert(t, study.key, "r", Done("create a trial", "trials/1"))))
        asyncio.run(Maintenance(store, lambda: NOW + 1e9, threading.Event()).look())
        assert self.kept(store, study) == (set(), {"r"})
        asyncio.run(store.run(lambda t: removal.remove(t, study.key)))
        asyncio.run(maintenance.clear_all(store))
        assert self.kept(store, study) == (set(), set())

    def test_a_part_at_a_time_the_oldest_first(self, store, study):
        before = NOW - 3600.0

        def purge(transaction):
            requests.purge(transaction, before + REMEMBERED_SECONDS, 2)
            operations.purge(transaction, operations.oldest_id(before), 2)

        asyncio.run(store.run(purge))
        assert self.kept(store, study) == ({"23.99", "0"}, {"23.99", "0"})
        asyncio.run(store.run(purge))
        assert self.kept(store, study) == ({"0"}, {"0"})
        asyncio.run(store.run(purge))
        assert self.kept(store, study) == ({"0"}, {"0"})

    def test_more_than_one_step_forgets_is_forgotten_at_once(self, store, study):
        def many(transaction):
            for index in range(maintenance.MAX_ROWS + 1):
                requests.insert(transaction, HERE, f"old {index}", Done("report", ""), NOW - 24 * 3600)

        asyncio.run(store.run(many))
        kept = Maintenance(store, lambda: NOW, threading.Event())
        assert asyncio.run(kept.look()), "there is more to do"
        asyncio.run(kept.look())
        assert self.kept(store, study) == ({"23.99", "0"}, {"23.99", "0"})


class TestAccess:
    """Sessions and tokens that have ended."""

    @pytest.fixture
    def kept(self, store):
        """Run the maintenance at a time; return the ids of the tokens and sessions that are left."""

        def fill(transaction):
            for token_id, role, end in (
                ("valid", Role.VIEWER, None),
                ("ended lately", Role.VIEWER, NOW - 60),
                ("ended", Role.VIEWER, NOW - maintenance.ENDED_TOKEN_SECONDS - 60),
                # A server that was closed never opens by itself.
                ("operator", Role.OPERATOR, NOW - maintenance.ENDED_TOKEN_SECONDS - 60),
            ):
                token = Token(token_id, "a token", "*", role, 1.0, "somebody", end)
                accounts.insert_token(transaction, token, accounts.Digest("00", "k"))
            for session_id, end in (("open", NOW + 60), ("over", NOW - 60)):
                session = accounts.Session(session_id, "person:ada", 1.0, end, 1.0)
                accounts.insert_session(transaction, session, accounts.Digest("00", "k"))

        asyncio.run(store.run(fill))

        def run(now):
            asyncio.run(Maintenance(store, lambda: now, threading.Event()).look())
            tokens = asyncio.run(store.read(accounts.all_tokens))
            sessions = asyncio.run(store.read(lambda t: accounts.all_sessions(t, 0.0)))
            return {token.token_id for token, _ in tokens}, {one.session_id for one, _ in sessions}

        return run

    def test_they_are_forgotten(self, kept):
        assert kept(NOW) == ({"valid", "ended lately", "operator"}, {"open"})
        assert kept(NOW + 100 + maintenance.ENDED_TOKEN_SECONDS) == ({"valid", "operator"}, set())
