"""How many transactions a suggestion takes: the writer's time is what all workers share."""

from __future__ import annotations

from contextvars import ContextVar

import pytest

from dodona_server.app import create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.support.app_client import AppClient

pytestmark = pytest.mark.processes


# The server's own work, such as the expiry of leases, may run at any moment of a test.
_in_call: ContextVar[bool] = ContextVar("_in_call", default=False)


class Counter:
    """Counts the transactions of calls: all, and those of calls to suggest that may write or that only read."""

    def __init__(self, store):
        self.all = self.writes = self.reads = 0
        self._run, self._read = store.run, store.read
        store.run, store.read = self.run, self.read

    async def run(self, use_case, about=None):
        self.all += _in_call.get()
        self.writes += "_suggest" in repr(use_case)
        return await self._run(use_case, about)

    async def read(self, query):
        self.all += _in_call.get()
        self.reads += "_look" in repr(query)
        return await self._read(query)


@pytest.fixture
def counter(database_url):
    store = open_store(database_url)
    return Counter(store), store


@pytest.fixture
def api(counter):
    app = create_app(counter[1])

    async def marked(scope, receive, send):
        _in_call.set(scope["type"] == "http")
        await app(scope, receive, send)

    with AppClient(marked, base_url="http://localhost") as client:
        yield Api(client)


def counted(api, counter, **more):
    """The trials of a call, and how many transactions it took: that may write, that only read."""
    counter, _ = counter
    before = counter.writes, counter.reads
    trials = api.suggest(**more)
    return trials, counter.writes - before[0], counter.reads - before[1]


def complete(api, trial):
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 0.5}]}}
    api.post(f"/studies/s/trials/{trial['id']}:complete", final)


def test_a_suggestion_of_a_model_takes_one_transaction_that_writes(api, counter, make_study):
    make_study(algorithm="GP_BANDIT")
    for number in range(8):
        trials, writes, reads = counted(api, counter, client=f"w{number}")
        assert (len(trials), writes, reads) == (1, 1, 1)
        complete(api, trials[0])


def test_a_simple_algorithm_is_looked_at_once(api, counter, make_study):
    make_study()
    counts = [counted(api, counter, client=f"w{number}")[1:] for number in range(3)]
    assert counts == [(1, 1), (1, 0), (1, 0)]


def test_a_study_of_the_same_name_may_need_a_model(api, counter, make_study):
    make_study()
    api.suggest(client="w1")
    api.delete("/studies/s")
    make_study(algorithm="GP_BANDIT")
    counts = [counted(api, counter, client=f"w{number}") for number in range(2)]
    assert [len(trials) for trials, _, _ in counts] == [1, 1]
    # The first call finds out when it writes; the next one looks.
    assert [(writes, reads) for _, writes, reads in counts] == [(2, 0), (1, 1)]


def test_own_queued_and_new_trials_come_together(api, counter, make_study):
    make_study(algorithm="GP_BANDIT")
    (own,) = api.suggest()
    queued = api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.25}]})
    trials, writes, _ = counted(api, counter, count=4)
    assert [trial["id"] for trial in trials] == [own["id"], queued["id"], "3", "4"]
    assert {trial["state"] for trial in trials} == {"ACTIVE"}
    # The first transaction keeps what it assigned while the algorithm computes the others.
    assert writes == 2
    assert [trial["id"] for trial in api.suggest(count=9, requestId="r")][:4] == [trial["id"] for trial in trials]


def test_a_client_that_runs_trials_gets_another_in_one_transaction(api, counter, make_study):
    make_study(algorithm="GP_BANDIT")
    (one,) = api.suggest()
    (two,), writes, _ = counted(api, counter, heldTrials=[one["id"]])
    assert (two["id"], writes) == ("2", 1)
    first = {"clientId": "w", "suggestionCount": 1, "requestId": "r", "heldTrials": ["1", "2"]}
    answer = api.post("/studies/s/trials:suggest", first)
    assert api.post("/studies/s/trials:suggest", first) == answer


def test_a_call_of_the_trial_loop_takes_one_transaction_with_the_measurements(api, counter, make_study):
    make_study()
    api.suggest(client="w0")
    before = counter[0].all
    (trial,) = api.suggest(client="w1")
    path = f"/studies/s/trials/{trial['id']}"
    answers = [api.post(f"{path}:addTrialMeasurement", measurement(step)) for step in range(1, 11)]
    answers.append(api.post(f"{path}:heartbeat", {}))
    assert [len(answer["measurements"]) for answer in answers] == [*range(1, 11), 10]
    assert counter[0].all - before == 12
    # A long curve is not read while others wait to write.
    assert len(api.post(f"{path}:addTrialMeasurement", measurement(11))["measurements"]) == 11
    assert counter[0].all - before == 14
    (short,) = api.suggest(client="w2")
    api.post(f"/studies/s/trials/{short['id']}:addTrialMeasurement", measurement(1))
    before = counter[0].all
    ended = api.post(f"/studies/s/trials/{short['id']}:complete", {"finalMeasurement": measurement(2)["measurement"]})
    assert (ended["state"], len(ended["measurements"]), counter[0].all - before) == ("SUCCEEDED", 1, 1)


def measurement(step):
    return {"measurement": {"stepCount": str(step), "metrics": [{"metricId": "loss", "value": 1 / step}]}}
