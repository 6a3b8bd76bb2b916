"""Changes of two servers that share PostgreSQL, in the order that could do harm."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from dodona_server.access_commands import first_operator
from dodona_server.domain.access.roles import ALL, Principal, Role
from dodona_server.domain.names import Location, StudyName
from dodona_server.service.access import tokens
from dodona_server.service.access.keys import Keys
from dodona_server.settings import Settings
from dodona_server.storage.access import accounts, audit
from dodona_server.storage.access.secret import server_secret
from dodona_server.storage.engine.store import Store
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import deleted_studies, studies
from dodona_server.storage.studies.deleted_studies import DeletedStudy
from tests.storage.crowded import SPEC
from tests.support.patience import patience

PARENT = Location("p", "l")
NAME = StudyName(PARENT, "s")
OTHER_NAME = StudyName(PARENT, "other")
OPERATOR = Principal("an operator", ((ALL, Role.OPERATOR),))


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    opened = open_store(postgres_url)
    yield opened
    opened.close()


class Meanwhile:
    """Has another server begin something when this one makes a secret: when it has read, before it writes."""

    def __init__(self, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        self._threads = threads
        self._monkeypatch = monkeypatch
        self._begun: Future[Any]

    def begin(self, other: Callable[[], object]) -> None:
        make = secrets.token_hex

        def made(size: int) -> str:
            self._monkeypatch.setattr(secrets, "token_hex", make)
            self._begun = self._threads.submit(other)
            # It may have to wait for this server.
            wait([self._begun], timeout=0.5)
            return make(size)

        self._monkeypatch.setattr(secrets, "token_hex", made)

    def result(self) -> Any:
        return self._begun.result(patience(30))


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meanwhile]:
    with ThreadPoolExecutor(1) as threads:
        yield Meanwhile(threads, monkeypatch)


def secret_of(store: Store) -> str:
    with store.engine.begin() as transaction:
        return server_secret(transaction, None)


def test_servers_that_start_at_once_have_one_secret(store: Store, meanwhile: Meanwhile) -> None:
    meanwhile.begin(lambda: secret_of(store))
    secret = secret_of(store)
    assert secret == meanwhile.result() == secret_of(store)


@pytest.mark.parametrize("secret", [None, "a secret of the settings"])
def test_servers_that_start_at_once_make_one_first_token(
    store: Store, meanwhile: Meanwhile, secret: str | None
) -> None:
    settings = Settings.model_validate({"database_url": store.secret_url, "secret": secret})
    if secret is None:
        secret_of(store)
    meanwhile.begin(lambda: first_operator(settings))
    assert first_operator(settings)
    assert meanwhile.result() is None
    with store.engine.begin() as transaction:
        assert len(accounts.all_tokens(transaction)) == 1
        assert [entry.action for entry in audit.page(transaction, None, None, 10)] == ["create_token"]


def test_a_token_that_is_revoked_while_it_is_rotated_is_revoked(store: Store, meanwhile: Meanwhile) -> None:
    keys = Keys("the secret of the server")
    with store.engine.begin() as transaction:
        token, _ = tokens.create_token(transaction, keys, OPERATOR, "leaked", role="operator")

    def revoke() -> None:
        with store.engine.begin() as transaction:
            tokens.revoke_token(transaction, OPERATOR, token.token_id)

    meanwhile.begin(revoke)
    with store.engine.begin() as transaction:
        tokens.rotate_token(transaction, keys, OPERATOR, token.token_id)
    meanwhile.result()
    with store.engine.begin() as transaction:
        found = accounts.lock_token(transaction, token.token_id)
    assert found is not None
    assert found.expire_time is not None
    assert found.expire_time <= time.time()


@pytest.fixture
def deleted(store: Store) -> DeletedStudy:
    """A study that can be restored."""
    with store.engine.begin() as transaction:
        study = studies.insert(transaction, NAME, "s", SPEC, 7, 1.0)
        deleted_studies.hold(transaction, study, now=2.0, purge_time=3.0)
        found = deleted_studies.find(transaction, PARENT, study.key)
    assert found is not None
    return found


def test_a_study_that_is_purged_while_it_is_restored_is_not_half_there(store: Store, deleted: DeletedStudy) -> None:
    with store.engine.begin() as restoring:
        assert deleted_studies.find(restoring, PARENT, deleted.key)
        with store.engine.begin() as purging:
            deleted_studies.purge(purging, deleted.key)
        assert not deleted_studies.bring_back(restoring, deleted, NAME, "s")
    with store.engine.begin() as transaction:
        assert studies.find(transaction, NAME) is None


def test_a_study_that_is_restored_while_it_is_purged_stays(store: Store, deleted: DeletedStudy) -> None:
    with store.engine.begin() as purging:
        assert deleted_studies.overdue(purging, 4.0, 10) == [deleted.key]
        with store.engine.begin() as restoring:
            assert deleted_studies.bring_back(restoring, deleted, NAME, "s")
        deleted_studies.purge(purging, deleted.key)
    with store.engine.begin() as transaction:
        assert studies.find(transaction, NAME)


def test_a_study_is_restored_once(store: Store, deleted: DeletedStudy) -> None:
    with store.engine.begin() as late:
        assert deleted_studies.find(late, PARENT, deleted.key)
        with store.engine.begin() as first:
            assert deleted_studies.bring_back(first, deleted, NAME, "s")
        assert not deleted_studies.bring_back(late, deleted, OTHER_NAME, "other")
    with store.engine.begin() as transaction:
        assert studies.find(transaction, NAME)
        assert studies.find(transaction, OTHER_NAME) is None
