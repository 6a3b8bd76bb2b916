"""Sessions of people whom a provider of OpenID Connect has signed in: it is asked again about their groups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from dodona_server.app import Options, create_app
from dodona_server.service.access import rechecks, sessions
from dodona_server.service.access.provider import Provider
from dodona_server.storage.schema.opening import open_store
from tests.api.test_oidc import OPERATOR, ROLES, sign_in, status
from tests.support.app_client import AppClient
from tests.support.openid import CLIENT, SECRET, OpenIdProvider, openid_provider
from tests.support.patience import patience

OPERATING = {"authorization": f"Bearer {OPERATOR}"}


@pytest.fixture(scope="module")
def started() -> Iterator[OpenIdProvider]:
    with openid_provider() as started:
        yield started


@pytest.fixture
def provider(started: OpenIdProvider, monkeypatch: pytest.MonkeyPatch) -> OpenIdProvider:
    """A provider that gives refresh tokens; servers ask it again at once."""
    started.claims, started.forged = {"sub": "ada", "groups": ["team"]}, {}
    started.refreshes, started.userinfo, started.broken = True, {}, None
    started.used_again.clear()
    monkeypatch.setattr(rechecks, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(rechecks, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "CHECK_SECONDS", 0.1)
    return started


def server(database_url: str, provider: OpenIdProvider) -> AppClient:
    known = Provider(provider.issuer, CLIENT, SECRET, ROLES)
    app = create_app(open_store(database_url), Options(token=OPERATOR, oidc=known))
    return AppClient(app, base_url="http://localhost", follow_redirects=False)


@pytest.fixture
def client(tmp_path: Path, provider: OpenIdProvider) -> Iterator[AppClient]:
    with server(f"sqlite:///{tmp_path / 'x.db'}", provider) as client:
        yield client


def eventually(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + patience(30)
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def asked_again(provider: OpenIdProvider) -> None:
    """Wait until the provider was asked again twice: then what came of the first answer is stored."""
    before = len(provider.all_given)
    eventually(lambda: len(provider.all_given) > before + 1)


def actions(client: AppClient) -> list[tuple[str, str, str]]:
    listed = client.get("/v1/audit", headers=OPERATING).json()["entries"]
    return [(one["actor"], one["action"], one["target"]) for one in listed if one["actor"] == rechecks.ACTOR]


def test_a_change_of_groups_counts_without_another_sign_in(client: AppClient, provider: OpenIdProvider) -> None:
    sign_in(client)
    assert (status(client, "p"), status(client, "q")) == (200, 404)
    provider.claims["groups"] = ["others"]
    eventually(lambda: status(client, "q") == 200)
    assert status(client, "p") == 404
    # The log follows the change in a transaction of its own.
    eventually(lambda: actions(client) == [(rechecks.ACTOR, "set_role", "users/oidc:ada")])


@pytest.mark.parametrize(
    "claims", [{"sub": "ada"}, {"sub": "ada", "groups": ["unknown"]}, {"sub": "eve", "groups": ["team"]}]
)
def test_whoever_has_left_all_groups_is_signed_out(
    client: AppClient, provider: OpenIdProvider, claims: dict[str, object]
) -> None:
    sign_in(client)
    provider.claims = claims
    eventually(lambda: status(client) == 401)
    # The log follows the change in a transaction of its own.
    eventually(lambda: actions(client) == [(rechecks.ACTOR, "sign_out", "users/oidc:ada")])


@pytest.mark.parametrize("error", ["invalid_grant", "interaction_required"])
def test_whoever_is_refused_by_the_provider_is_signed_out(
    client: AppClient, provider: OpenIdProvider, error: str
) -> None:
    sign_in(client)
    asked_again(provider)
    assert status(client) == 200
    provider.broken = (400, {"error": error})
    eventually(lambda: status(client) == 401)


def test_the_groups_may_be_with_the_user_information(client: AppClient, provider: OpenIdProvider) -> None:
    provider.claims, provider.userinfo = {"sub": "ada"}, {"sub": "ada", "groups": ["team"]}
    sign_in(client)
    assert (status(client, "p"), status(client, "q")) == (200, 404)
    provider.userinfo["groups"] = ["others"]
    eventually(lambda: status(client, "q") == 200)
    provider.userinfo["sub"] = "eve"
    assert sign_in(client).status_code == 400


@pytest.mark.parametrize("broken", [(503, {}), (400, {"error": "invalid_client"}), (200, {"id_token": "x"})])
def test_a_provider_that_fails_ends_no_session_until_its_time_is_over(
    client: AppClient,
    provider: OpenIdProvider,
    broken: tuple[int, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sign_in(client)
    provider.broken = broken
    eventually(lambda: "cannot be checked; this is tried again" in caplog.text)
    assert status(client) == 200
    provider.broken = None
    monkeypatch.setattr(sessions, "UNCHECKED_SECONDS", patience(0.5))
    asked_again(provider)
    provider.broken = broken
    eventually(lambda: status(client) == 401)
    assert actions(client) == []


def test_without_a_refresh_token_a_session_is_short(
    client: AppClient, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.refreshes = False
    monkeypatch.setattr(sessions, "UNCHECKED_SECONDS", 0.5)
    sign_in(client)
    eventually(lambda: status(client) == 401)


def test_a_session_goes_on_as_long_as_it_is_confirmed(
    client: AppClient, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNCHECKED_SECONDS", 20.0)
    sign_in(client)
    (before,) = ends(client)
    asked_again(provider)
    eventually(lambda: ends(client) > [before])
    # But not beyond the longest time.
    monkeypatch.setattr(sessions, "LIFETIME_SECONDS", 5.0)
    eventually(lambda: ends(client) < [before])


def ends(client: AppClient) -> list[float]:
    """When the sessions that the server knows end."""
    gate = client.app.state.gate  # type: ignore[attr-defined]
    return [one.end for one in gate._snapshot.sessions.values()]


@pytest.mark.parametrize("subject", ["ada", "auth0|5f:a/b", "é ?#"])
def test_deleting_the_user_holds(client: AppClient, provider: OpenIdProvider, subject: str) -> None:
    provider.claims["sub"] = subject
    sign_in(client)
    assert status(client) == 200
    address = f"/v1/users/{quote('oidc:' + subject, safe='')}"
    given = client.post(f"{address}:setRole", json={"project": "q", "role": "viewer"}, headers=OPERATING)
    assert given.json()["name"] == f"users/oidc:{subject}"
    assert client.delete(address, headers=OPERATING).status_code == 200
    assert status(client) == 401
    provider.claims["groups"] = ["others"]
    time.sleep(0.3)
    assert client.get("/v1/users", headers=OPERATING).json() == {"users": []}


def test_signing_out_holds(client: AppClient, provider: OpenIdProvider) -> None:
    sign_in(client)
    client.post("/sign-out", json={}, headers={"origin": "http://localhost"}).raise_for_status()
    assert status(client) == 401
    # An answer may still be on its way.
    time.sleep(0.3)
    known = list(provider.all_given)
    time.sleep(0.3)
    assert provider.all_given == known


def test_what_the_provider_is_asked_with_is_sealed(client: AppClient, provider: OpenIdProvider, tmp_path: Path) -> None:
    sign_in(client)
    asked_again(provider)
    contents = b"".join(file.read_bytes() for file in tmp_path.glob("x.db*") if file.is_file())
    assert b"person:oidc:ada" in contents
    assert len(provider.all_given) > 1
    assert not any(token.encode() in contents for token in provider.all_given)


def test_of_several_servers_one_asks(
    database_url: str, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecks, "RETRY_SECONDS", 60.0)
    with ExitStack() as servers:
        count = 1 if database_url.startswith("sqlite") else 3
        first, *others = [servers.enter_context(server(database_url, provider)) for _ in range(count)]
        sign_in(first)
        for _ in range(5):
            asked_again(provider)
        for other in others:
            other.cookies = first.cookies
        assert [status(one) for one in (first, *others)] == [200] * count
        assert provider.used_again == []
