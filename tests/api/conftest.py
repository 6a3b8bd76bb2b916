"""The whole server in process, over real HTTP semantics, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.support.app_client import AppClient

HERE = "/v1/projects/p/locations/l"


class Api:
    """Calls by path below the location, with plain JSON in and out."""

    def __init__(self, client: AppClient) -> None:
        self.client = client

    def call(self, method: str, path: str, body: Any = None, code: int = 200) -> dict[str, Any]:
        response = self.client.request(method, HERE + path, json=body)
        assert response.status_code == code, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def get(self, path: str, code: int = 200) -> dict[str, Any]:
        return self.call("GET", path, code=code)

    def post(self, path: str, body: Any = None, code: int = 200) -> dict[str, Any]:
        return self.call("POST", path, body, code)

    def delete(self, path: str, code: int = 200) -> dict[str, Any]:
        return self.call("DELETE", path, code=code)

    def refused(self, path: str, body: Any = None, status: str = "INVALID_ARGUMENT") -> str:
        """The message of the google.rpc.Status that a POST is refused with."""
        codes = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "NOT_FOUND": 404, "ALREADY_EXISTS": 409}
        error = self.post(path, body, codes[status])["error"]
        assert (error["code"], error["status"]) == (codes[status], status)
        message: str = error["message"]
        return message

    def suggest(self, study: str = "s", client: str = "w", count: int = 1, **more: Any) -> list[dict[str, Any]]:
        """The trials that a call to suggest hands out."""
        body = {"clientId": client, "suggestionCount": count, **more}
        trials: list[dict[str, Any]] = self.post(f"/studies/{study}/trials:suggest", body)["response"]["trials"]
        return trials


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the framework's way of the hot calls to one database: both ways call the same service."""
    items[:] = [one for one in items if not _is_framework_on_postgresql(one)]


def _is_framework_on_postgresql(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get("front") is False and parameters.get("database_url") == "postgresql"


@pytest.fixture
def front() -> bool:
    """Whether the hot calls are answered before FastAPI; modules about these calls override it to test both ways."""
    return True


@pytest.fixture
def api(database_url: str, front: bool) -> Iterator[Api]:
    """The server on an empty database."""
    app = create_app(open_store(database_url), Options(front=front, fitting_processes=1))
    with AppClient(app, base_url="http://localhost") as client:
        yield Api(client)


@pytest.fixture
def spec() -> dict[str, Any]:
    """A small study spec to change as a test needs; its algorithm needs no process of its own."""
    return {
        "algorithm": "RANDOM_SEARCH",
        "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
        "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
    }


@pytest.fixture
def make_study(api: Api, spec: dict[str, Any]) -> Callable[..., str]:
    """Makes the study "s" of `spec` with changes, and gives its path."""

    def make(**changes: Any) -> str:
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, **changes}})
        return "/studies/s"

    return make


@pytest.fixture
def study(make_study: Callable[..., str]) -> str:
    """The path of a study of `spec`."""
    return make_study()


@pytest.fixture
def trial(api: Api, study: str) -> str:
    """The path of an ACTIVE trial."""
    return f"{study}/trials/{api.suggest()[0]['id']}"
