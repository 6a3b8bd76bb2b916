"""The secret of servers that share PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from dodona_server.storage.access.secret import server_secret
from dodona_server.storage.engine.store import Store
from dodona_server.storage.schema.opening import open_store


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    opened = open_store(postgres_url)
    yield opened
    opened.close()


def secret_of(store: Store) -> str:
    with store.engine.begin() as transaction:
        return server_secret(transaction, None)


def test_servers_that_start_at_once_have_one_secret(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make, others = secrets.token_hex, []

    def made_after_another_server_has(size: int) -> str:
        monkeypatch.setattr(secrets, "token_hex", make)
        others.append(secret_of(store))
        return make(size)

    monkeypatch.setattr(secrets, "token_hex", made_after_another_server_has)
    assert [secret_of(store)] == others
    assert [secret_of(store)] == others
