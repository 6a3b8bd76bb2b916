"""What the tests of google-cloud-aiplatform's low-level client share."""

from __future__ import annotations

import pytest
from google.cloud.aiplatform_v1 import VizierServiceClient

from tests.clients.conftest import Caller
from tests.clients.google_clients import vizier_client
from tests.clients.vertex_sdk.messages import create


@pytest.fixture
def client(caller: Caller) -> VizierServiceClient:
    """A client of each caller."""
    return vizier_client(caller.url, caller.token)


@pytest.fixture
def study(client: VizierServiceClient) -> str:
    """The name of a small study."""
    return create(client).name
