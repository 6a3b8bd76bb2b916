"""The OpenAPI document is complete, its examples work, and the committed one is up to date."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dodona_schemas import access
from dodona_schemas import vertex as wire
from dodona_schemas.base import OWN
from dodona_server.api.calls.call import OCTETS
from dodona_server.api.calls.examples import EXAMPLES
from dodona_server.api.calls.table import CALLS
from dodona_server.app import create_app
from dodona_server.document import openapi_document, with_own_fields, with_roles
from dodona_server.storage.schema.opening import open_store
from tests.support.app_client import AppClient

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(openapi_document())
OPERATIONS = [
    pytest.param(method.upper(), path, operation, id=f"{method.upper()} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('openapi') / 'test.db'}")
    with AppClient(create_app(store), base_url="http://localhost") as client:
        yield client


def test_the_committed_document_is_up_to_date():
    assert COMMITTED.read_text(encoding="utf-8") == openapi_document(), (
        "run: python -m dodona_server.document docs/openapi.json"
    )


def test_the_committed_table_of_own_fields_is_up_to_date():
    page = (COMMITTED.parent / "protocol.md").read_text(encoding="utf-8")
    assert "| `requestId` |" in page
    assert page == with_own_fields(page), "run: python -m dodona_server.document docs/protocol.md"


def test_the_committed_table_of_roles_is_up_to_date():
    page = (COMMITTED.parent / "security.md").read_text(encoding="utf-8")
    assert "| `suggest_trials` |  | yes | yes | yes | yes |" in page
    assert page == with_roles(page), "run: python -m dodona_server.document docs/security.md"


def test_each_threat_names_tests_that_exist():
    page = (COMMITTED.parent / "security.md").read_text(encoding="utf-8")
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert len(files) > 8
    assert {file for file in files if not (COMMITTED.parents[1] / file).is_file()} == set()


def test_what_vertex_lacks_is_marked(server):
    marked = {path for path, call in ((p.values[1], p.values[2]) for p in OPERATIONS) if call.get(OWN)}
    assert any(path.endswith("{trial}:heartbeat") for path in marked)
    assert not any(path.endswith(("{trial}:complete", "/trials:suggest", "/healthz")) for path in marked)
    schemas = DOCUMENT["components"]["schemas"]
    assert {
        name for name in ("HeartbeatTrialRequest", "Artifact", "EmptyRequest", "Study") if OWN in schemas[name]
    } == {
        "HeartbeatTrialRequest",
        "Artifact",
    }
    trial = schemas["Trial"]["properties"]
    assert {name for name, field in trial.items() if OWN in field} == {
        "attempt",
        "metadata",
        "leaseDuration",
        "leaseExpireTime",
        "checkpoint",
        "lastStep",
        "stopped",
    }


def test_the_document_is_served(server):
    assert server.get("/openapi.json").json() == DOCUMENT


@pytest.mark.parametrize(("method", "path", "call"), OPERATIONS)
def test_every_call_is_described(method, path, call):
    assert call["summary"]
    assert call["description"].rstrip().endswith(".")
    assert call["tags"]
    assert set(call["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    expected = set() if path in ("/healthz", "/readyz") else {"401", "403", "500"}
    if "{" in path:
        expected |= {"400", "404", "503"}
    if method == "POST":
        expected |= {"413", "415"}
        assert call["requestBody"]["content"]["application/json"]["example"] is not None
    if path.endswith("/studies") and method == "POST":
        expected |= {"409"}
    assert expected <= set(call["responses"])
    assert "422" not in call["responses"]  # FastAPI's own; here it is 400
    assert call["responses"]["200"]["content"]


def test_every_reference_leads_somewhere():
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))):
        place = DOCUMENT
        for part in reference.split("/"):
            assert part in place, reference
            place = place[part]


def test_every_error_is_a_status():
    for response in DOCUMENT["components"]["responses"].values():
        assert response["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorResponse")
    for operation in OPERATIONS:
        for code, response in operation.values[2]["responses"].items():
            if code != "200" and "$ref" not in response:
                assert response["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorResponse")


def test_nothing_is_declared_that_is_not_used():
    assert "HTTPValidationError" not in DOCUMENT["components"]["schemas"]
    assert set(EXAMPLES) == {call.request for call in CALLS} - {None, OCTETS}


def test_scalars_are_described_as_they_are_written():
    schemas = DOCUMENT["components"]["schemas"]
    written = schemas["Measurement-Output"]["properties"]
    assert (written["stepCount"]["type"], written["stepCount"]["format"]) == ("string", "int64")
    assert (written["elapsedDuration"]["type"], written["elapsedDuration"]["format"]) == ("string", "google-duration")
    assert schemas["Trial"]["properties"]["state"]["enum"][1:] == [
        "REQUESTED",
        "ACTIVE",
        "STOPPING",
        "SUCCEEDED",
        "INFEASIBLE",
    ]
    assert schemas["Trial"]["properties"]["startTime"]["format"] == "date-time"
    read = [choice["type"] for choice in schemas["Measurement-Input"]["properties"]["stepCount"]["anyOf"]]
    assert read == ["string", "integer", "null"]


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [one for one in OPERATIONS if one.values[0] == "POST"],
)
def test_every_example_works(server, method, path, call):
    root = "/v1/projects/default/locations/local"
    names = {"project": "default", "location": "local", "study": "digits", "trial": "1"}
    server.delete(f"{root}/studies/digits")
    if not path.endswith("/studies"):
        assert server.post(f"{root}/studies", json=EXAMPLES[wire.CreateStudyRequest]).status_code == 200
        asked = server.post(f"{root}/studies/digits/trials:suggest", json=EXAMPLES[wire.SuggestTrialsRequest])
        names["operation"] = asked.json()["name"].rpartition("/")[2]
    if "{deleted_study}" in path:
        server.delete(f"{root}/studies/digits")
        newest = server.get(f"{root}/deletedStudies").json()["deletedStudies"][0]
        names["deleted_study"] = newest["name"].rpartition("/")[2]
    example = call["requestBody"]["content"]["application/json"]["example"]
    if "/v1/users" in path:
        server.delete("/v1/users/ada")
        names["user"] = "ada"
    if "{user}" in path:
        server.post("/v1/users", json=EXAMPLES[access.CreateUserRequest]).raise_for_status()
    if "{token}" in path:
        made = server.post("/v1/tokens", json=EXAMPLES[access.CreateTokenRequest]).json()
        names["token"] = made["name"].rpartition("/")[2]
    if "{webhook}" in path:
        # A test of it is refused before it is sent.
        made = server.post("/v1/projects/default/webhooks", json={"url": "http://127.0.0.1:9/hook"}).json()
        names["webhook"] = made["name"].rpartition("/")[2]
    answer = server.post(path.format(**names), json=example)
    assert answer.status_code == 200, answer.text
