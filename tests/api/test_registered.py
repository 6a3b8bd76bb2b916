"""An algorithm that another installed package registers; see tests/plugins."""

from __future__ import annotations

import pytest

from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE, Api
from tests.support.app_client import AppClient

pytestmark = pytest.mark.processes


@pytest.fixture
def api(database_url):
    """The server with enough time for a busy machine to start a process."""
    with AppClient(
        create_app(open_store(database_url), Options(deadline_seconds=60.0)), base_url="http://localhost"
    ) as client:
        yield Api(client)


def measure(api, study, trial, losses):
    for step, loss in enumerate(losses, start=1):
        measurement = {"stepCount": str(step), "metrics": [{"metricId": "loss", "value": loss}]}
        api.post(f"{study}/trials/{trial['id']}:addTrialMeasurement", {"measurement": measurement})


def test_it_reads_the_curves_of_finished_and_of_running_trials(api, make_study):
    study = make_study(algorithm="BEST_CURVE")
    (first,) = api.suggest(client="a")
    assert first["metadata"]["suggestion/reason"] == "the first point"
    measure(api, study, first, [0.9, 0.8, 0.7])
    api.post(f"{study}/trials/{first['id']}:complete")
    (second,) = api.suggest(client="b")
    about = second["metadata"]
    assert (about["suggestion/reason"], about["suggestion/parent"]) == ("3 measurements of trial 1", "1")
    measure(api, study, second, [0.6, 0.2])
    api.post(f"{study}/trials", {"parameters": [{"parameterId": "x", "value": 0.5}], "state": "INFEASIBLE"})
    (third,) = api.suggest(client="c")
    assert third["metadata"]["suggestion/reason"] == "2 measurements of trial 2"


def test_a_stopped_trial_is_not_among_the_completed_ones(api, make_study):
    study = make_study(algorithm="BEST_CURVE")
    for losses, stops in (([0.9, 0.8], False), ([0.1], True)):
        (trial,) = api.suggest(client="a")
        measure(api, study, trial, losses)
        if stops:
            api.post(f"{study}/trials/{trial['id']}:stop")
        api.post(f"{study}/trials/{trial['id']}:complete")
    (third,) = api.suggest(client="a")
    assert third["metadata"]["suggestion/parent"] == "1"


def test_its_name_is_read_and_written_in_both_dialects(api, make_study):
    study = make_study(algorithm="BEST_CURVE")
    assert api.get(study)["studySpec"]["algorithm"] == "BEST_CURVE"
    # A registered name has no number.
    assert api.get(f"{study}?$alt=json;enum-encoding=int")["studySpec"]["algorithm"] == 0
    # The older dialect has no field for most algorithms.
    older = api.client.get(f"{HERE}{study}", headers={"host": "ml.googleapis.com"})
    assert older.json().get("studyConfig", {}).get("algorithm", "ALGORITHM_UNSPECIFIED") == "ALGORITHM_UNSPECIFIED"


def test_an_unknown_name_is_refused_with_those_that_there_are(api, spec):
    message = api.refused("/studies", {"studyId": "s", "studySpec": {**spec, "algorithm": "WORST_CURVE"}})
    assert message.startswith("studySpec.algorithm: WORST_CURVE is not available; available are ")
    assert "BEST_CURVE" in message
    assert "GP_BANDIT" in message
    message = api.refused("/studies", {"studyId": "s", "studySpec": {**spec, "algorithm": "NOT_IMPORTED"}})
    assert message.startswith("studySpec.algorithm: NOT_IMPORTED (no_such_package:Anything) cannot be loaded")
    options = {"algorithm": "BEST_CURVE", "algorithmOptions": {"depth": 3}}
    message = api.refused("/studies", {"studyId": "s", "studySpec": {**spec, **options}})
    assert message == "studySpec.algorithmOptions: 'depth' is not an option of BEST_CURVE; it has none"


def test_one_that_would_run_in_the_servers_transactions_is_refused(api, spec):
    message = api.refused("/studies", {"studyId": "s", "studySpec": {**spec, "algorithm": "INLINE"}})
    assert message.startswith(
        "studySpec.algorithm: INLINE (dodona_server.algorithms.simple.random_search:RandomSearch) "
    )
    assert message.endswith("is inline, which only the server's own algorithms may be")
