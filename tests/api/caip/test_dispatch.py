"""Which requests are in the AI Platform dialect, and the discovery document of its calls."""

from __future__ import annotations

import json
import re

from dodona_server.api.caip.discovery import document
from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.caip.conftest import measurement
from tests.api.conftest import HERE
from tests.support.app_client import AppClient


class TestDispatch:
    """Which dialect a request below `/v1` is in."""

    def test_the_client_tells_by_its_name(self, api, ml, study, trial):
        headers = {"user-agent": "tf-cloud/0.1.16 (client_environment:DL_CONTAINER;)"}
        answer = api.client.get(f"{HERE}{study}", headers=headers)
        assert answer.json() == ml.get(study)
        assert answer.headers["connection"] == "close"
        listed = api.client.get(f"{HERE}{study}/trials", headers=headers).json()["trials"]
        assert listed[0].keys() >= {"trialInfeasible"}
        operation = api.client.post(f"{HERE}{trial}:checkEarlyStoppingState", headers=headers).json()
        assert api.client.get(f"/v1/{operation['name']}", headers=headers).json() == operation

    def test_the_host_tells(self, tmp_path, config):
        token = "a long random secret"
        with AppClient(create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=token))) as client:
            for host, ours in (
                ("us-central1-ml.example.internal:8443", True),
                ("ml.example.internal", True),
                ("html.example.internal", False),
                ("us-central1-aiplatform.example.internal", False),
            ):
                headers = {"host": host, "authorization": f"Bearer {token}"}
                answer = client.get(f"{HERE}/studies", headers=headers)
                assert (answer.status_code, answer.headers.get("connection") == "close") == (200, ours)
                assert ("nextPageToken" in answer.json()) is not ours

    def test_the_dialects_own_verbs_tell(self, api, trial):
        for call, body in ((":addMeasurement", {"measurement": measurement(1)}), (":checkEarlyStoppingState", None)):
            answer = api.client.post(f"{HERE}{trial}{call}", json=body)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            escaped = api.client.post(f"{HERE}{trial}{call.replace(':', '%3A')}", json=body)
            assert escaped.status_code == 200

    def test_a_new_study_tells_by_its_id_or_its_configuration(self, api, config, spec):
        for query, body in (
            ("", {"studyConfig": config}),
            ("", {"study_config": config}),
            ("?studyId=s", {"study_config": config}),
            ("?alt=json&studyId=s", {"studyConfig": config}),
        ):
            assert "studyConfig" in api.post(f"/studies{query}", body)
        assert "studySpec" in api.post("/studies?alt=json", {"studySpec": spec})
        assert "studyConfig" in api.refused("/studies?studyId=t", {"studySpec": spec})

    def test_a_study_of_the_other_dialect_may_speak_of_this_one(self, api, spec):
        study = api.post("/studies", {"displayName": "my studyConfig", "studyId": "s", "studySpec": spec})
        assert study["displayName"] == "my studyConfig"

    def test_a_broken_body_is_told_from_a_bug(self, api):
        for body in (b'{"studyConfig": ', b'["studyConfig"]', b"[" * 100_000 + b'"studyConfig"'):
            answer = api.client.post(f"{HERE}/studies", content=body, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")

    def test_the_other_dialects_requests_are_left_alone(self, api, ml, config):
        ml.post("/studies?studyId=s", {"studyConfig": config})
        study = api.client.get(f"{HERE}/studies/s?alt=json", headers={"x-goog-api-client": "gdcl/2.202.0"})
        assert "studySpec" in study.json()
        assert "connection" not in study.headers
        body = {"clientId": "w", "suggestionCount": 1}
        assert "parameterId" in api.post("/studies/s/trials:suggest", body)["response"]["trials"][0]["parameters"][0]


class TestDiscovery:
    def test_the_address_is_the_requests(self, api):
        assert api.client.get("/ml/discovery.json").json()["rootUrl"] == "http://localhost/ml/"
        found = api.client.get("/ml/discovery.json", headers={"host": "127.0.0.1:8080"}).json()
        assert found["rootUrl"] == found["baseUrl"] == "http://127.0.0.1:8080/ml/"
        assert "auth" not in found

    def test_every_schema_that_is_named_is_there(self):
        found = document("http://localhost/ml/")
        names = set(found["schemas"])
        assert set(references(found)) <= names
        assert {schema["id"] for schema in found["schemas"].values()} == names
        assert "anyOf" not in json.dumps(found)

    def test_every_method_has_its_route(self, api):
        paths = api.client.get("/openapi.json").json()["paths"]
        served = {
            (verb.upper(), re.sub(r"{\w+}", "*", path.removeprefix("/ml/v1/")))
            for path, verbs in paths.items()
            if path.startswith("/ml/v1/")
            for verb in verbs
        }
        described = set()
        for method in methods(document("http://localhost/ml/")):
            (variable,) = method["parameterOrder"]
            resource = method["parameters"][variable]["pattern"].strip("^$").replace("[^/]+", "*")
            described.add(
                (method["httpMethod"], method["path"].removeprefix("v1/").replace(f"{{+{variable}}}", resource))
            )
        assert described == served


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def methods(resource):
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from methods(inner)
