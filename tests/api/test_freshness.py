"""What a suggestion knows: through the server an algorithm suggests what it suggests when it is called directly."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.app import Options, create_app
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies
from tests.api.conftest import Api
from tests.support.app_client import AppClient

pytestmark = pytest.mark.processes

SEED = 7
PENDING = 8
COUNTING = {"algorithm": "MISBEHAVING", "algorithmOptions": {"fault": "count"}}
PAUSING = {"algorithm": "MISBEHAVING", "algorithmOptions": {"fault": "pause"}}
# Longer than a busy machine takes to start a process.
# A process takes more than a second to start.
ONE_PROCESS = Options(deadline_seconds=60.0, fitting_processes=1)
TWO_PROCESSES = Options(deadline_seconds=60.0, fitting_processes=2)


def number(name, low=0.0, high=1.0, **more):
    return {"parameterId": name, "doubleValueSpec": {"minValue": low, "maxValue": high}, **more}


LAYERS = {
    "parameterId": "layers",
    "integerValueSpec": {"minValue": "1", "maxValue": "3"},
    "conditionalParameterSpecs": [
        {
            "parentIntValues": {"values": ["2", "3"]},
            "parameterSpec": number("rate", 1e-4, 1e-1, scaleType="UNIT_LOG_SCALE"),
        }
    ],
}
KIND = {"parameterId": "kind", "categoricalValueSpec": {"values": ["a", "b", "c"]}}
ONE = [{"metricId": "loss", "goal": "MINIMIZE"}]
TWO = [*ONE, {"metricId": "size", "goal": "MAXIMIZE"}]
STUDIES = {
    "two numbers": ("GP_BANDIT", [number("x"), number("y", -5.0, 5.0)], ONE),
    "kinds and numbers": ("GP_BANDIT", [number("x"), KIND], ONE),
    "conditions": ("GP_BANDIT", [LAYERS, number("x")], ONE),
    "two objectives": ("GP_BANDIT", [number("x"), number("y")], TWO),
    "another algorithm": ("TPE", [number("x"), number("y")], ONE),
}


def outcome(values):
    """The metrics of a point, the same for all studies."""
    numbers = [value for value in values.values() if not isinstance(value, str)]
    loss = sum((value - 0.3) ** 2 for value in numbers) + (values.get("kind") == "b")
    return {"loss": loss, "size": sum(numbers)}


def values_of(trial):
    return {one["parameterId"]: one["value"] for one in trial["parameters"]}


def complete(api, trial, study="s", **metrics):
    final = {"metrics": [{"metricId": name, "value": value} for name, value in (metrics or {"loss": 0.5}).items()]}
    return api.post(f"/studies/{study}/trials/{trial['id']}:complete", {"finalMeasurement": final})


def provenance(trial):
    return {key.removeprefix("suggestion/"): value for key, value in trial["metadata"].items()}


class Direct:
    """The algorithm, called in this process with every result."""

    def __init__(self, spec):
        self.spec, self.algorithm = spec, algorithm_for(spec.algorithm)
        self.pending, self.finished, self.asked = {}, {}, 0

    def ask(self):
        self.asked += 1
        problem = Problem(self.spec, self.asked - 1, seed=SEED)
        finished = [self.finished[key] for key in sorted(self.finished)]
        rng = random.Random(f"{SEED}/{self.asked}")
        (point,) = self.algorithm.suggest(Request(problem, finished, list(self.pending.values()), 1, rng)).parameters
        self.pending[self.asked] = Trial(self.asked, TrialState.ACTIVE, point)
        return point

    def tell(self, asked, metrics):
        point = self.pending.pop(asked).parameters
        self.finished[asked] = Trial(asked, TrialState.SUCCEEDED, point, final_measurement=Measurement(metrics))


@pytest.mark.parametrize("options", [TWO_PROCESSES])
@pytest.mark.parametrize("kind", STUDIES)
def test_with_eight_pending_the_server_suggests_what_the_algorithm_does(api, kind):
    algorithm, parameters, metrics = STUDIES[kind]
    spec = {"algorithm": algorithm, "seed": str(SEED), "metrics": metrics, "parameters": parameters}
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    kept = api.client.portal.call(api.store.read, lambda transaction: studies.find(transaction, NAME))
    direct = Direct(kept.spec)
    rng = random.Random(kind)
    running = []
    for _ in range(20):
        while len(running) < PENDING:
            (trial,) = api.suggest(client=f"w{direct.asked}")
            assert values_of(trial) == direct.ask(), trial
            assert provenance(trial)["results_missed"] == "0"
            running.append(trial)
        trial = running.pop(rng.randrange(PENDING))
        metrics_of = outcome(values_of(trial))
        wanted = {metric["metricId"]: metrics_of[metric["metricId"]] for metric in metrics}
        complete(api, trial, **wanted)
        direct.tell(int(trial["id"]), wanted)


@pytest.mark.parametrize("options", [TWO_PROCESSES])
def test_workers_that_ask_together_get_what_the_algorithm_suggests_them_in_turn(api):
    algorithm, parameters, metrics = STUDIES["conditions"]
    spec = {"algorithm": algorithm, "seed": str(SEED), "metrics": metrics, "parameters": parameters}
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    kept = api.client.portal.call(api.store.read, lambda transaction: studies.find(transaction, NAME))
    direct = Direct(kept.spec)
    for _ in range(12):
        (trial,) = api.suggest()
        assert values_of(trial) == direct.ask()
        complete(api, trial, **outcome(values_of(trial)))
        direct.tell(int(trial["id"]), outcome(values_of(trial)))
    with ThreadPoolExecutor(PENDING) as threads:
        handed = threads.map(lambda index: api.suggest(client=f"w{index}")[0], range(PENDING))
        served = sorted((values_of(trial) for trial in handed), key=str)
    assert served == sorted((direct.ask() for _ in range(PENDING)), key=str)


NAME = StudyName(Location("p", "l"), "s")


@pytest.fixture
def store(database_url):
    """The server's database; it closes it."""
    return open_store(database_url)


@pytest.fixture
def options():
    return ONE_PROCESS


@pytest.fixture
def api(store, options):
    """The server with the test's algorithm, in this process and in those of the pool."""
    with AppClient(create_app(store, options), base_url="http://localhost") as client:
        served = Api(client)
        served.store = store
        yield served


def known(trial):
    """How many results the counting algorithm knew, and how many points it had chosen before in the same breath."""
    return divmod(round(10_000 * trial["parameters"][0]["value"]), 100)


def test_a_suggestion_knows_every_result_that_was_acknowledged(api, make_study):
    make_study(**COUNTING)
    running = [api.suggest(client=f"w{index}")[0] for index in range(4)]
    for finished in range(1, 12):
        complete(api, running.pop(0))
        (trial,) = api.suggest(client=f"v{finished}")
        assert known(trial) == (finished, 0)
        assert provenance(trial) | {"waited_ms": ""} == {
            "source": "fresh",
            "results_known": str(finished),
            "results_missed": "0",
            "waited_ms": "",
            "reason": "counted",
        }
        running.append(trial)


def test_it_knows_imported_results_and_forgets_deleted_ones(api, make_study):
    make_study(**COUNTING)
    api.suggest()
    final = {"metrics": [{"metricId": "loss", "value": 0.1}]}
    for value in (0.5, 0.6):
        added = {"parameters": [{"parameterId": "x", "value": value}], "state": "SUCCEEDED", "finalMeasurement": final}
        imported = api.post("/studies/s/trials", added)
    assert known(api.suggest(client="a")[0]) == (2, 0)
    api.delete(f"/studies/s/trials/{imported['name'].rpartition('/')[2]}")
    assert known(api.suggest(client="b")[0]) == (1, 0)


def test_contexts_and_waiting_calls_are_fresh_too(api, make_study):
    make_study(algorithm="GP_BANDIT", parameters=[number("x"), number("y")])
    for index in range(3):
        (trial,) = api.suggest(client=f"w{index}")
        complete(api, trial)
        contexts = [{"parameters": [{"parameterId": "x", "value": 0.25}]}]
        (within,) = api.suggest(client=f"c{index}", contexts=contexts)
        assert provenance(within)["results_known"] == str(2 * index + 1)
        complete(api, within)


@pytest.mark.parametrize(
    "algorithm",
    [
        "ASHA",
        "CMA_ES",
        "FREEZE_THAW",
        "HYPERBAND",
        "NSGA2",
        "PBT",
        "REGULARIZED_EVOLUTION",
        "SKOPT_FOREST",
        "SUCCESSIVE_HALVING",
    ],
)
def test_every_algorithm_that_learns_says_whether_it_is_fresh(api, make_study, algorithm):
    options = {"algorithmOptions": {"max_epochs": 9, "factor": 3}} if algorithm == "HYPERBAND" else {}
    make_study(algorithm=algorithm, parameters=[number("x"), number("y")], **options)
    complete(api, api.suggest()[0])
    about = provenance(api.suggest(client="next")[0])
    assert (about["results_known"], about["results_missed"]) == ("1", "0")
    assert about["source"] in ("fresh", "ahead")


def test_earlier_studies_are_read_for_each_suggestion(api, make_study, spec):
    api.post("/studies", {"studyId": "earlier", "studySpec": spec})
    make_study(algorithm="GP_BANDIT", priorStudies=["earlier"])
    final = {"metrics": [{"metricId": "loss", "value": 0.1}]}
    for value in (0.2, 0.7, 0.9):
        body = {"parameters": [{"parameterId": "x", "value": value}], "state": "SUCCEEDED", "finalMeasurement": final}
        api.post("/studies/earlier/trials", body)
    complete(api, api.suggest()[0])
    assert provenance(api.suggest(client="next")[0])["results_missed"] == "0"


def test_calls_that_wait_together_get_points_that_were_chosen_jointly(api, make_study):
    make_study(**PAUSING)
    api.suggest(client="first")
    with ThreadPoolExecutor(6) as threads:
        handed = list(threads.map(lambda index: api.suggest(client=f"w{index}")[0], range(6)))
    assert max(known(trial)[1] for trial in handed) > 0
    assert len({trial["id"] for trial in handed}) == 6


def test_an_algorithm_slower_than_patience_is_asked_ahead(api, make_study):
    make_study(**PAUSING)
    sources = []
    # A result may come before the process has read the history.
    for index in range(20):
        (trial,) = api.suggest(client=f"w{index}")
        sources.append((provenance(trial)["source"], int(provenance(trial)["results_missed"])))
        assert known(trial)[0] == int(provenance(trial)["results_known"])
        complete(api, trial)
        if ("ahead", 1) in sources:
            break
    assert ("ahead", 1) in sources


def test_a_stand_in_says_so(api, make_study):
    make_study(algorithm="MISBEHAVING", algorithmOptions={"fault": "raise"})
    (trial,) = api.suggest()
    complete(api, trial)
    (trial,) = api.suggest(client="next")
    assert provenance(trial)["source"] == "stand-in"
    assert (provenance(trial)["results_known"], provenance(trial)["results_missed"]) == ("0", "1")
    because = "because ZeroDivisionError: a fault of the algorithm"
    assert provenance(trial)["reason"] == f"the next point of the quasi-random sequence, {because}"


def test_a_study_with_many_workers_does_not_keep_another_waiting(api, spec):
    for name in ("crowded", "other"):
        api.post("/studies", {"studyId": name, "studySpec": {**spec, **PAUSING}})
    api.suggest("crowded")
    answered = []

    def ask(study, index):
        assert api.suggest(study, client=f"w{index}")
        answered.append(study)

    with ThreadPoolExecutor(30) as threads:
        asked = [threads.submit(ask, "crowded", index) for index in range(24)]
        asked.append(threads.submit(ask, "other", 99))
        for one in asked:
            one.result()
    assert answered.index("other") < 20


@pytest.mark.parametrize("options", [Options(deadline_seconds=1, fitting_processes=1)])
def test_that_no_process_is_free_is_no_failure_of_the_algorithm(api, spec):
    hung = {"algorithm": "MISBEHAVING", "algorithmOptions": {"fault": "slow"}}
    for name, more in (("hung", hung), ("s", COUNTING)):
        api.post("/studies", {"studyId": name, "studySpec": {**spec, **more}})
    assert api.suggest("hung")
    (trial,) = api.suggest("s")
    assert provenance(trial)["source"] == "stand-in"
    (event,) = [one for one in api.get("/studies/s/events")["events"] if one["kind"] == "SUGGESTION_FALLBACK"]
    assert event["detail"] == "no process was free for MISBEHAVING in 1 s"
    kept = api.client.portal.call(api.store.read, lambda transaction: studies.find(transaction, NAME))
    assert kept.algorithm_failures == 0


def test_servers_that_share_a_database_agree_on_whose_points_count(postgres_url):
    stores = [open_store(postgres_url) for _ in range(2)]
    spec = {"algorithm": "GP_BANDIT", "metrics": ONE, "parameters": [number("x"), number("y")], "seed": str(SEED)}
    with (
        AppClient(create_app(stores[0], TWO_PROCESSES), base_url="http://localhost") as one,
        AppClient(create_app(stores[1], TWO_PROCESSES), base_url="http://localhost") as two,
    ):
        servers = [Api(one), Api(two)]
        servers[0].post("/studies", {"studyId": "s", "studySpec": spec})
        seen, lock = [], threading.Lock()

        def work(index):
            api = servers[index % 2]
            for _ in range(4):
                (trial,) = api.suggest(client=f"w{index}")
                with lock:
                    seen.append((values_of(trial), provenance(trial)))
                complete(api, trial, loss=outcome(values_of(trial))["loss"])

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(work, range(6)))
    points = [tuple(values.values()) for values, _ in seen]
    assert len(set(points)) == 24
    assert "stand-in" not in {about["source"] for _, about in seen}


def test_many_calls_that_wait_look_at_the_database_no_more_often_than_one(api, make_study, store):
    make_study(studyStoppingConfig={"maxNumTrials": 1})
    (trial,) = api.suggest(leaseDuration="60s", heldTrials=[])
    looks = []
    run = store.run

    async def counted(use_case, about=None):
        looks.append(about)
        return await run(use_case, about)

    store.run = counted
    calls = 40
    began = time.monotonic()
    with ThreadPoolExecutor(calls) as threads:
        body = {"leaseDuration": "60s", "heldTrials": [], "wait": "3s"}
        asked = [threads.submit(api.suggest, client=f"v{index}", **body) for index in range(calls)]
        answers = [one.result() for one in asked]
    assert answers == [[]] * calls
    # Each looks when it comes, when its time is over, and perhaps when it takes over from the one that looks for all.
    # In between there is a look every half second for all of them, not 40.
    between = 2 * (time.monotonic() - began)
    assert 2 * calls <= len(looks) <= 3 * calls + between
    assert asyncio.iscoroutinefunction(run)
    assert trial


def test_a_trial_that_comes_back_goes_to_a_call_that_waits(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 2})
    trials = [api.suggest(client=f"w{index}", leaseDuration="60s", heldTrials=[])[0] for index in range(2)]
    with ThreadPoolExecutor(4) as threads:
        body = {"leaseDuration": "60s", "heldTrials": [], "wait": "20s"}
        asked = [threads.submit(api.suggest, client=f"v{index}", **body) for index in range(4)]
        for trial in trials:
            api.post(f"/studies/s/trials/{trial['id']}:release")
        handed = []
        for _ in range(2):
            while not (done := [one for one in asked if one.done()]):
                threading.Event().wait(0.05)
            for one in done:
                asked.remove(one)
                handed += one.result()
            for again in done:
                for got in again.result():
                    complete(api, got)
    assert sorted(trial["id"] for trial in handed) == ["1", "2"]
    assert [one.result() for one in asked] == [[]] * len(asked)
