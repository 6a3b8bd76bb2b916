"""Google's clients as the tests use them: unmodified, over plain HTTP, without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import httplib2
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform import initializer
from google.cloud.aiplatform_v1 import VizierServiceClient
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.http import HttpRequest

from tests.clients.discovery import VERTEX

HERE = "projects/default/locations/local"


def credentials(token: str) -> Any:
    """What Google's clients send for a token; nothing if it is empty."""
    return Credentials(token) if token else AnonymousCredentials()


def vizier_client(url: str, token: str = "") -> VizierServiceClient:
    """The low-level client of the Vertex SDK."""
    options = {"api_endpoint": url}
    return VizierServiceClient(client_options=options, transport="rest", credentials=credentials(token))


@contextmanager
def settings_restored() -> Iterator[None]:
    """What `aiplatform.init` keeps for the whole process is kept for a block only."""
    settings = vars(initializer.global_config)
    before = dict(settings)
    try:
        yield
    finally:
        settings.clear()
        settings.update(before)


class CheckedRequest(HttpRequest):  # type: ignore[misc]
    """A request of the discovery client whose answer must be what the discovery document says."""

    def execute(self, http: httplib2.Http | None = None, num_retries: int = 0) -> Any:
        """Sends it."""
        answer = super().execute(http=http, num_retries=num_retries)
        VERTEX.check(answer, VERTEX.answers[self.methodId])
        return answer


@lru_cache(maxsize=3)  # the document is large
def discovery_client(url: str, token: str = "") -> Any:
    """The discovery client's projects.locations; every answer is checked."""
    options = {"api_endpoint": url}
    service = build(
        "aiplatform",
        "v1",
        credentials=credentials(token),
        client_options=options,
        requestBuilder=CheckedRequest,
        static_discovery=True,
    )
    return service.projects().locations()
