"""Algorithms that take their time: in processes of their own, with a deadline, and never in anybody's way."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from dodona_server.app import Options, create_app
from dodona_server.service.computing.forking import POOL_PROCESS
from dodona_server.service.maintenance import clear_all
from dodona_server.service.suggestions.suggest import MAX_FAILURES
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.support.app_client import AppClient
from tests.support.patience import patience

pytestmark = pytest.mark.processes

SLOW = {"algorithm": "MISBEHAVING", "algorithmOptions": {"fault": "slow"}}


@pytest.fixture
def deadline():
    """How many seconds an algorithm has: enough for a busy machine to start a process."""
    return 60.0


@pytest.fixture
def processes():
    """How many processes the pool may have; one takes more than a second to start."""
    return 1


@pytest.fixture
def store(database_url):
    """The server's database; it closes it."""
    return open_store(database_url)


@pytest.fixture
def api(store, deadline, processes):
    """The server with the test's algorithm, in this process and in those of the pool."""
    options = Options(deadline_seconds=deadline, fitting_processes=processes)
    with AppClient(create_app(store, options), base_url="http://localhost") as client:
        yield Api(client)


def events(api, kind):
    return [event["detail"] for event in api.get("/studies/s/events")["events"] if event["kind"] == kind]


def complete(api, trial, loss=0.5):
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": loss}]}}
    return api.post(f"/studies/s/trials/{trial['id']}:complete", final)


def parents():
    """The process that has imported the algorithms, for all servers of this process."""
    return [child for child in psutil.Process().children() if is_running(child) and POOL_PROCESS in child.cmdline()]


def forks():
    """The processes of the pool."""
    return [fork for parent in parents() for fork in parent.children() if is_running(fork)]


def is_running(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(process):
    process.kill()
    deadline = time.monotonic() + patience(10)
    while is_running(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_suggestions_come_from_the_pool(api, make_study):
    make_study(algorithm="MISBEHAVING", studyStoppingConfig={"maxNumTrials": 6})
    seen = []
    while handed := api.suggest(count=2):
        for trial in handed:
            seen.append(trial["parameters"][0]["value"])
            complete(api, trial)
    assert len(seen) == 6
    assert len(set(seen)) == 6
    assert events(api, "SUGGESTION_FALLBACK") == []
    assert api.get("/studies/s")["state"] == "COMPLETED"


def test_the_commands_that_everybody_sees_do_not_tell_where_the_database_is(api, store, make_study):
    make_study(algorithm="MISBEHAVING")
    assert api.suggest()
    running = [*parents(), *forks()]
    assert len(running) == 2
    assert not any(store.secret_url in " ".join(process.cmdline()) for process in running)


def test_the_same_seed_gives_the_same_first_suggestion(api, spec):
    values = []
    for name in ("one", "two"):
        body = {"studyId": name, "studySpec": {**spec, "algorithm": "MISBEHAVING", "seed": "7"}}
        api.post("/studies", body)
        values.append(api.suggest(name)[0]["parameters"])
    assert values[0] == values[1]


def test_contexts_reach_the_algorithm(api, make_study):
    make_study(algorithm="MISBEHAVING")
    contexts = [{"parameters": [{"parameterId": "x", "value": value}]} for value in (0.25, 0.75)]
    handed = api.suggest(count=4, contexts=contexts)
    assert sorted(trial["parameters"][0]["value"] for trial in handed) == [0.25, 0.25, 0.75, 0.75]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise", "ZeroDivisionError: a fault of the algorithm"),
        ("die", "the process that fits models died"),
    ],
)
def test_a_fault_gives_a_quasi_random_suggestion_and_an_event(api, make_study, fault, reason):
    make_study(algorithm="MISBEHAVING", algorithmOptions={"fault": fault})
    (trial,) = api.suggest()
    assert 0 <= trial["parameters"][0]["value"] <= 1
    assert events(api, "SUGGESTION_FALLBACK") == [reason]


def test_a_fault_counts_once_for_a_call_that_has_got_trials_already(api, make_study):
    make_study(algorithm="MISBEHAVING", algorithmOptions={"fault": "raise"})
    assert len(api.suggest()) == 1
    assert [trial["id"] for trial in api.suggest(count=3)] == ["1", "2", "3"]
    assert events(api, "SUGGESTION_FALLBACK") == ["ZeroDivisionError: a fault of the algorithm"] * 2


@pytest.mark.parametrize("deadline", [2.0])
def test_a_slow_algorithm_gives_a_quasi_random_suggestion_and_an_event(api, make_study):
    make_study(**SLOW)
    (trial,) = api.suggest()
    assert 0 <= trial["parameters"][0]["value"] <= 1
    assert events(api, "SUGGESTION_FALLBACK") == ["MISBEHAVING took more than 2 s"]


@pytest.mark.parametrize(("deadline", "processes"), [(10.0, 2)])
def test_a_slow_study_holds_no_other_one_up(api, spec):
    for name in ("slow", "other"):
        more = SLOW if name == "slow" else {"algorithm": "MISBEHAVING"}
        api.post("/studies", {"studyId": name, "studySpec": {**spec, **more}})
    assert api.suggest("slow")
    for _ in range(3):
        assert api.suggest("other")
    assert not [one for one in api.get("/studies/other/events")["events"] if "FALLBACK" in one["kind"]]


def test_a_study_that_fails_again_and_again_is_paused_with_the_reason(api, make_study):
    make_study(algorithm="MISBEHAVING", algorithmOptions={"fault": "raise"})
    for _ in range(30):
        answer = api.post("/studies/s/trials:suggest", {"clientId": f"w{_}", "suggestionCount": 1})["response"]
        if not answer["trials"]:
            break
    study = api.get("/studies/s")
    assert study["state"] == "INACTIVE"
    assert "MISBEHAVING failed 20 times in a row; at last: ZeroDivisionError" in study["inactiveReason"]
    assert api.post("/studies/s:resume")["state"] == "ACTIVE"
    assert api.suggest(client="late")


@pytest.mark.parametrize("deadline", [3.0])
def test_a_failure_is_one_however_many_workers_wait_for_it(api, make_study):
    make_study(**SLOW)
    workers = MAX_FAILURES + 5
    with ThreadPoolExecutor(workers) as threads:
        handed = list(threads.map(lambda number: api.suggest(client=f"w{number}"), range(workers)))
    assert all(len(trials) == 1 for trials in handed)
    assert len(events(api, "SUGGESTION_FALLBACK")) == workers
    assert api.get("/studies/s")["state"] == "ACTIVE"


def test_a_process_is_started_before_anybody_asks(api, make_study):
    make_study(algorithm="MISBEHAVING")
    for _ in range(200):
        if forks():
            return
        time.sleep(0.05)
    raise AssertionError("no process was started")


@pytest.mark.parametrize("parent_too", [False, True])
def test_a_process_that_is_killed_without_a_job_is_replaced(api, make_study, parent_too):
    make_study(algorithm="MISBEHAVING")
    api.suggest()
    (parent,), (fork,) = parents(), forks()
    if parent_too:
        kill(parent)
    kill(fork)
    assert api.suggest(client="next")
    assert events(api, "SUGGESTION_FALLBACK") == []
    assert (parents() == [parent]) is not parent_too
    assert fork not in forks()


def test_no_thread_runs_before_a_fork(api, make_study):
    """A thread that holds a lock at that moment would leave it locked in the fork."""
    make_study(algorithm="MISBEHAVING")
    api.suggest()
    (parent,) = parents()
    assert parent.num_threads() == 1


def test_what_stands_in_for_a_model_is_an_event(api, make_study):
    make_study(algorithm="MISBEHAVING", algorithmOptions={"fault": "note"})
    (trial,) = api.suggest()
    assert events(api, "SUGGESTION_FALLBACK") == ["a simpler method stood in"]
    (event,) = [one for one in api.get("/studies/s/events")["events"] if one["kind"] == "SUGGESTION_FALLBACK"]
    assert event["trial"] == trial["id"]


def test_what_was_computed_of_a_deleted_study_is_forgotten(api, store, make_study):
    """On SQLite the new one has the key of the old one."""
    counting = {"algorithm": "MISBEHAVING", "algorithmOptions": {"fault": "count"}}
    make_study(**counting)
    for _ in range(3):
        (trial,) = api.suggest()
        complete(api, trial)
    api.delete("/studies/s")
    api.client.portal.call(clear_all, store)
    make_study(**counting)
    (trial,) = api.suggest()
    assert trial["parameters"][0]["value"] < 0.01
    complete(api, trial)
    api.delete("/studies/s/trials/1")
    (trial,) = api.suggest(client="next")
    assert trial["parameters"][0]["value"] < 0.01


def test_a_grown_space_makes_what_was_computed_void(api, make_study):
    make_study(algorithm="MISBEHAVING")
    (trial,) = api.suggest()
    complete(api, trial)
    grown = {"parameterId": "y", "doubleValueSpec": {"minValue": 2, "maxValue": 3, "defaultValue": 2}}
    api.post("/studies/s:addParameters", {"parameters": [grown]})
    (following,) = api.suggest(client="next")
    assert {parameter["parameterId"] for parameter in following["parameters"]} == {"x", "y"}


@pytest.mark.parametrize("values", [["a"], ["a", "b", "c", "d"]])
def test_a_finite_space_is_tried_whole(api, make_study, values):
    make_study(algorithm="GP_BANDIT", parameters=[{"parameterId": "x", "categoricalValueSpec": {"values": values}}])
    tried = []
    while api.get("/studies/s")["state"] == "ACTIVE":
        for trial in api.suggest(count=3):
            tried.append(trial["parameters"][0]["value"])
            complete(api, trial)
    assert sorted(tried) == values
