"""What all tests of the client share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dodona import Client
from dodona._trials import session as _session


@pytest.fixture(autouse=True)
def _no_heartbeat_outlives_its_test() -> Iterator[None]:
    """The clients of a test end with it; their threads must not speak into the next one."""
    yield
    for session in list(_session._sessions):
        session._heartbeat.outbox.after_fork()
        session.close()


@pytest.fixture
def client(server_url: str) -> Iterator[Client]:
    with Client(server_url) as client:
        yield client
