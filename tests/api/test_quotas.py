"""A project has a quota of bytes: refused when it is full, and warned before."""

from __future__ import annotations

import logging

import pytest

from dodona_server.app import Options, create_app
from dodona_server.service.quotas import ProjectLimits
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE, Api
from tests.support.app_client import AppClient

OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def api(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr("dodona_server.service.quotas.COUNTED_SECONDS", 0.0)
    options = Options(artifacts=str(tmp_path / "files"), quotas=ProjectLimits(1000, 500))
    with AppClient(create_app(open_store(database_url), options), base_url="http://localhost") as client:
        yield Api(client)


@pytest.fixture
def trial(api, study):
    api.suggest()
    return f"{study}/trials/1"


def put(api, trial, name, size, code=200, chunked=False):
    content = b"x" * size
    answer = api.client.put(
        f"{HERE}{trial}/artifacts/{name}", content=iter([content]) if chunked else content, headers=OCTETS
    )
    assert answer.status_code == code, answer.text
    return answer.json()


@pytest.mark.parametrize("chunked", [False, True])
def test_artifacts_have_a_quota_with_a_warning_before(api, trial, study, spec, caplog, chunked):
    caplog.set_level(logging.WARNING)
    put(api, trial, "a", 700)
    assert "Little room left" not in api.client.get("/").text
    assert caplog.text == ""
    put(api, trial, "b", 150)
    assert "project p: artifacts take up 850 of 1000 bytes" in caplog.text
    assert "p: artifacts take up 850 of 1000 bytes" in api.client.get("/").text
    error = put(api, trial, "c", 151, 507, chunked)["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert "take up 850 bytes, and 151 more would exceed its quota of 1000" in error["message"]
    put(api, trial, "c", 150, chunked=chunked)
    assert api.client.get(f"{HERE}{trial}/artifacts/c").status_code == 200
    # Reports and completions go on, and other projects have their own.
    api.post(f"{trial}:complete", {"trialInfeasible": True})
    other = "/v1/projects/q/locations/l/studies"
    assert api.client.post(other, json={"studyId": "s", "studySpec": spec}).status_code == 200
    api.client.post(f"{other}/s/trials:suggest", json={"clientId": "w", "suggestionCount": 1})
    assert api.client.put(f"{other}/s/trials/1/artifacts/a", content=b"x" * 900, headers=OCTETS).status_code == 200
    # A deleted study takes up room until it is purged.
    api.delete(study)
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    api.suggest()
    put(api, trial, "a", 10, 507)
    (deleted,) = api.get("/deletedStudies")["deletedStudies"]
    api.delete(f"/deletedStudies/{deleted['name'].rpartition('/')[2]}")
    put(api, trial, "a", 10)


def test_metadata_has_one_and_may_always_be_removed(api, trial, study, spec):
    api.post(f"{study}:updateMetadata", {"metadata": {"a": "x" * 200}})
    api.post(f"{trial}:updateMetadata", {"metadata": {"b": "x" * 150}})
    for path in (study, trial):
        error = api.post(f"{path}:updateMetadata", {"metadata": {"c": "x" * 300}}, 507)["error"]
        assert "the metadata of project p" in error["message"]
    api.post("/studies", {"studyId": "t", "studySpec": spec, "metadata": {"a": "x" * 300}}, 507)
    api.post("/studies", {"studyId": "t", "studySpec": spec})
    api.post(f"{study}:updateMetadata", {"metadata": {"a": ""}})
    api.post(f"{study}:updateMetadata", {"metadata": {"c": "x" * 200}})


@pytest.fixture
def counted(database_url):
    options = Options(quotas=ProjectLimits(studies=2, trials=3))
    with AppClient(create_app(open_store(database_url), options), base_url="http://localhost") as client:
        yield Api(client)


def test_studies_have_one(counted, spec, caplog):
    caplog.set_level(logging.WARNING)
    for name in ("s", "t"):
        counted.post("/studies", {"studyId": name, "studySpec": spec})
    assert "project p: there are 2 of 2 studies" in caplog.text
    answer = counted.client.post(f"{HERE}/studies", json={"studyId": "u", "studySpec": spec})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert answer.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert "project p has 2 studies, and its quota is 2: delete some" in answer.json()["error"]["message"]
    assert "p: there are 2 of 2 studies" in counted.client.get("/").text
    # One that exists is found as before, and a deleted one makes room.
    counted.post("/studies", {"studyId": "s", "studySpec": spec})
    counted.delete("/studies/t")
    counted.post("/studies", {"studyId": "u", "studySpec": spec})


def test_trials_have_one_and_those_that_exist_go_on(counted, spec):
    for name in ("s", "t"):
        counted.post("/studies", {"studyId": name, "studySpec": spec})
    counted.post("/studies/s/trials:suggest", {"clientId": "a", "suggestionCount": 1})
    # As many as there is room for.
    more = counted.post("/studies/t/trials:suggest", {"clientId": "b", "suggestionCount": 5})["response"]["trials"]
    assert [one["id"] for one in more] == ["1", "2"]
    for path, body in (
        ("/studies/s/trials:suggest", {"clientId": "c", "suggestionCount": 1}),
        ("/studies/s/trials", {"parameters": []}),
    ):
        error = counted.post(path, body, 429)["error"]
        assert error["message"].startswith("project p has 3 trials, and its quota is 3")
    # A worker that comes back gets its trial, reports and completes it.
    held = counted.post("/studies/t/trials:suggest", {"clientId": "b", "suggestionCount": 2})["response"]["trials"]
    assert [one["id"] for one in held] == ["1", "2"]
    counted.post("/studies/t/trials/1:complete", {"trialInfeasible": True})
    counted.delete("/studies/t/trials/2")
    counted.post("/studies/s/trials:suggest", {"clientId": "c", "suggestionCount": 1})
