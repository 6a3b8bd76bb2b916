"""How often one principal may ask."""

from __future__ import annotations

import pytest

from dodona_server.api.guard import rates
from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import Api
from tests.support.app_client import AppClient

pytestmark = pytest.mark.usefixtures("_few")
MEASUREMENT = {"stepCount": 1, "metrics": [{"metricId": "loss", "value": 1.0}]}


@pytest.fixture
def _few(monkeypatch):
    """As few requests at once as usual, at a tenth of the rate: a slow machine must not earn another one."""
    monkeypatch.setattr(rates, "BURST_SECONDS", 50.0)


@pytest.fixture
def api(tmp_path):
    """A server that answers three requests, and another one only after 17 s."""
    app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(max_requests_per_second=0.06))
    with AppClient(app, base_url="http://localhost") as client:
        yield Api(client)


def test_a_principal_that_asks_too_often_is_refused(api):
    for _ in range(3):
        api.get("/studies")
    answer = api.client.get("/v1/projects/p/locations/l/studies")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] in ("16", "17")
    error = answer.json()["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["message"].startswith("this is more than 0.06 requests a second")


def test_the_trial_that_it_holds_goes_on(api, study):
    (trial,) = api.suggest()
    path = f"{study}/trials/{trial['id']}"
    api.get(path)
    api.get(path, 429)
    api.post(f"{path}:addTrialMeasurement", {"measurement": MEASUREMENT})
    api.post(f"{path}:heartbeat", {"clientId": "w"})
    own = f"/ml/v1/projects/p/locations/l{path}:addMeasurement"
    measurement = {"stepCount": "2", "metrics": [{"metric": "loss", "value": 1.0}]}
    assert api.client.post(own, json={"measurement": measurement}).status_code == 200
    assert api.post(f"{path}:complete", {})["state"] == "SUCCEEDED"
    api.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1}, 429)


def test_a_project_has_a_rate_of_its_own(tmp_path):
    operator = {"authorization": "Bearer the token of the settings"}
    options = Options(token="the token of the settings", max_project_requests_per_second=0.06)
    app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), options)
    with AppClient(app, base_url="http://localhost") as client:
        made = client.post("/v1/tokens", json={"displayName": "x", "role": "viewer", "project": "q"}, headers=operator)
        stranger = {"authorization": f"Bearer {made.json()['secret']}"}
        # Who is not of the project takes nothing from those who are.
        foreign = [client.get("/v1/projects/p/locations/l/studies", headers=stranger) for _ in range(6)]
        assert {answer.status_code for answer in foreign} == {404}
        for path in (
            "/v1/projects/p/locations/l/studies",
            "/ml/v1/projects/p/locations/l/studies",
            "/studies/p/l/none",
        ):
            assert client.get(path, headers=operator).status_code in (200, 404)
        refused = client.get("/v1/projects/p/locations/l/studies", headers=operator)
        assert refused.status_code == 429
        assert "the server's DODONA_MAX_PROJECT_REQUESTS_PER_SECOND" in refused.json()["error"]["message"]
        assert client.get("/v1/projects/q/locations/l/studies", headers=operator).status_code == 200


def test_strangers_keep_nobody_from_signing_in(tmp_path):
    options = Options(token="the token of the settings", max_requests_per_second=0.06)
    with AppClient(
        create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), options), base_url="http://localhost"
    ) as client:
        assert {client.get("/healthz").status_code for _ in range(6)} == {200}
        answer = client.post("/sign-in", json={"password": "the token of the settings"})
        assert answer.status_code == 200
