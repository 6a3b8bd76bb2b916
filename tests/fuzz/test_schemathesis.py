"""Requests that our own OpenAPI document calls possible, and those that it does not: no answer breaks the document."""

from __future__ import annotations

import functools
import json
import os
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import settings
from schemathesis.config import SchemathesisConfig
from schemathesis.pytest.lazy import get_all_tests

from dodona_schemas import vertex as wire
from dodona_server.api.calls.examples import EXAMPLES
from tests.support.patience import patience
from tests.support.processes import ServerProcess

SEED = int(os.environ.get("DODONA_TEST_SEED", "1"))
# Besides the cases that Schemathesis derives from each schema, which are most of them.
EXAMPLES_PER_OPERATION = max(1, settings.default.max_examples // 6)
LOCATION = "/v1/projects/default/locations/local"
STUDY = f"{LOCATION}/studies/digits"
# A test compares the file with the document that the server answers with.
DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))
OPERATIONS = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A running server."""
    process = ServerProcess(tmp_path_factory.mktemp("fuzz")).start()
    with httpx.Client(base_url=process.url, timeout=patience(60)) as client:
        yield client
    process.stop()


@hypothesis.settings(
    deadline=None,
    max_examples=EXAMPLES_PER_OPERATION,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.seed(SEED)
def check(case: schemathesis.Case, server: httpx.Client) -> None:
    """Sends one case."""
    _aim(case, server)
    case.call_and_validate(base_url=str(server.base_url), session=_session())


@pytest.fixture(scope="module")
def checks() -> Any:
    """The test of each operation, in order.

    Not by `schema.parametrize`: it makes all cases when tests are collected, in every process.
    """
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "generation": {"max-examples": EXAMPLES_PER_OPERATION, "database": "none"},
            # A schema cannot say that minValue is at most maxValue: what it allows may be refused for its meaning.
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 400, 404, 409]}},
            # A person's name may have a colon: what deletes a person is possible at this path, too.
            "operations": [
                {"include-path-regex": "^/v1/users/{user}:", "checks": {"allow_header_conformance": {"enabled": False}}}
            ],
        }
    )
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=config)
    return get_all_tests(schema=schema, test_func=check, settings=None, given_kwargs=None)


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_answer_breaks_the_document(label: str, checks: Any, server: httpx.Client) -> None:
    print(f"DODONA_TEST_SEED={SEED}")
    # With `-k`, the tests between are left out.
    run = next(run for operation, run in (found.ok() for found in checks) if operation.label == label)
    run(server=server)


@functools.cache
def _session() -> requests.Session:
    """Keeps its connection: one for each case would take as long as the answers. Keeps no cookies."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _aim(case: schemathesis.Case, server: httpx.Client) -> None:
    """Makes most calls hit a study and a trial that are there: ids drawn at random never would."""
    if not case.path_parameters or (case.meta and not case.meta.generation.mode.is_positive):
        return
    chance = zlib.crc32(repr(sorted(case.path_parameters.items())).encode())
    if chance % 5 == 0:
        return
    known = {"project": "default", "location": "local", "study": "digits", "artifact": "model.weights.h5"}
    if "trial" in case.path_parameters or "operation" in case.path_parameters:
        operation = _operation(server, f"worker-{chance % 3}")
        known["operation"] = operation["name"].rpartition("/")[2]
        known["trial"] = operation["response"]["trials"][0]["id"]
    elif server.get(STUDY).status_code == HTTPStatus.NOT_FOUND:
        server.post(f"{LOCATION}/studies", json=EXAMPLES[wire.CreateStudyRequest])
    if "deleted_study" in case.path_parameters:
        known["deleted_study"] = _deleted(server)
    for name in known.keys() & case.path_parameters.keys():
        case.path_parameters[name] = known[name]


def _deleted(server: httpx.Client) -> str:
    """The id of a study that can be restored."""
    server.delete(STUDY)
    listed = server.get(f"{LOCATION}/deletedStudies").json()["deletedStudies"]
    name: str = listed[0]["name"]
    return name.rpartition("/")[2]


def _operation(server: httpx.Client, client: str) -> dict[str, Any]:
    """An operation that handed a trial out, of a new study if the old one is gone or has nothing left."""
    for _ in range(2):
        answer = server.post(f"{STUDY}/trials:suggest", json={"clientId": client, "suggestionCount": 1})
        operation: dict[str, Any] = answer.json()
        if answer.status_code == HTTPStatus.OK and operation["response"]["trials"]:
            return operation
        server.delete(STUDY)
        server.post(f"{LOCATION}/studies", json=EXAMPLES[wire.CreateStudyRequest])
    raise AssertionError("a new study hands out no trial")
