"""The callers as which foreign clients run their suites: without a token, and with those of an editor and a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from google.api_core.exceptions import Forbidden
from googleapiclient.errors import HttpError

import dodona
from tests.support.patience import patience
from tests.support.processes import ServerProcess

OPERATOR = "the token of the settings"
OPEN = "without a token"
# From the role that may do least; without a token everything is allowed.
ORDER = ("worker", "editor", "admin", OPEN)


@dataclass(frozen=True)
class Caller:
    """A server, who asks it, and who looks after it.

    Args:
        url: of the server.
        token: of the caller; empty for none.
        operator: the token of somebody who may do everything; empty for none.
    """

    url: str
    token: str = field(default="", repr=False)
    operator: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What the caller sends to be known."""
        return bearer(self.token)

    @property
    def operating(self) -> dict[str, str]:
        """What the operator sends."""
        return bearer(self.operator)

    def delete_studies(self, location: str = "local") -> None:
        """Delete the studies of the project."""
        with dodona.Client(self.url, self.operator or None, location=location) as client:
            for study in list(client.studies()):
                study.delete()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@pytest.fixture(scope="session")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Caller]]:
    """A server with tokens: a caller of each role in its project."""
    process = ServerProcess(tmp_path_factory.mktemp("guarded"), DODONA_TOKEN=OPERATOR).start()

    def caller(role: str) -> Caller:
        body = {"displayName": role, "role": role, "project": "default"}
        made = httpx.post(f"{process.url}/v1/tokens", json=body, headers=bearer(OPERATOR), timeout=patience(30))
        return Caller(process.url, made.raise_for_status().json()["secret"], OPERATOR)

    yield {role: caller(role) for role in ("worker", "editor")}
    process.stop()


@pytest.fixture(params=[OPEN, "editor", "worker"])
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Who runs the test; with the mark `needs`, lesser roles must be refused a call of it."""
    role = request.param
    needed = request.node.get_closest_marker("needs")
    if needed is not None and ORDER.index(role) < ORDER.index(needed.args[0]):
        request.applymarker(pytest.mark.xfail(raises=REFUSED, strict=True))
    if role == OPEN:
        yield Caller(request.getfixturevalue("server_url"))
        return
    caller: Caller = request.getfixturevalue("_guarded")[role]
    yield caller
    caller.delete_studies()


def _is_forbidden(error: Any) -> bool:
    return (error.status_code if isinstance(error, HttpError) else error.code) == httpx.codes.FORBIDDEN


REFUSED = pytest.RaisesExc((Forbidden, HttpError), check=_is_forbidden)
