"""Signing in through a real, small provider of OpenID Connect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from dodona_server.app import Options, create_app
from dodona_server.domain.errors import InvalidArgument
from dodona_server.service.access.provider import Provider
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE
from tests.support.app_client import AppClient
from tests.support.openid import CLIENT, SECRET, OpenIdProvider, openid_provider

OPERATOR = "the token of the settings"
ROLES = {"team": "editor:p", "others": "viewer:q", "ops": "operator"}
BROWSER = {"accept": "text/html"}


@pytest.fixture(scope="module")
def started() -> Iterator[OpenIdProvider]:
    with openid_provider() as started:
        yield started


@pytest.fixture
def provider(started: OpenIdProvider) -> OpenIdProvider:
    started.claims, started.forged, started.signing = {"sub": "ada", "groups": ["team"]}, {}, started.key
    started.refreshes, started.userinfo, started.broken = False, {}, None
    return started


@pytest.fixture
def client(tmp_path: Path, provider: OpenIdProvider) -> Iterator[AppClient]:
    known = Provider(provider.issuer, CLIENT, SECRET, ROLES)
    app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=OPERATOR, oidc=known))
    with AppClient(app, base_url="http://localhost", follow_redirects=False) as client:
        yield client


def back(client: AppClient) -> str:
    """Where the provider sends the browser that this server has sent to it."""
    sent = client.get("/sign-in/oidc")
    assert sent.status_code == 303
    location: str = httpx.get(sent.headers["location"]).headers["location"]
    return location


def sign_in(client: AppClient) -> Any:
    return client.get(back(client))


def status(client: AppClient, project: str = "p") -> int:
    return int(client.get(f"/v1/projects/{project}/locations/l/studies").status_code)


def test_a_person_signs_in_with_the_roles_of_their_groups(client: AppClient, provider: OpenIdProvider) -> None:
    assert 'href="/sign-in/oidc"' in client.get("/", headers=BROWSER).text
    done = sign_in(client)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert (status(client, "p"), status(client, "q")) == (200, 404)
    assert "oidc:ada" in client.get("/", headers=BROWSER).text
    provider.claims["groups"] = ["others", "unknown"]
    assert sign_in(client).status_code == 303
    assert (status(client, "p"), status(client, "q")) == (404, 200)
    listed = client.get("/v1/users", headers={"authorization": f"Bearer {OPERATOR}"}).json()["users"]
    assert [(user["name"], user["memberships"]) for user in listed] == [
        ("users/oidc:ada", [{"project": "q", "role": "viewer"}])
    ]


@pytest.mark.parametrize(
    "claims", [{"sub": "ada"}, {"sub": "ada", "groups": ["unknown"]}, {"sub": "ada", "groups": "team"}]
)
def test_whoever_is_in_no_group_is_nobody(client: AppClient, provider: OpenIdProvider, claims: Any) -> None:
    provider.claims = claims
    refused = sign_in(client)
    assert refused.status_code == 403
    assert "none of your groups" in refused.text
    assert status(client) == 401


@pytest.mark.parametrize(
    "forged",
    [{"iss": "http://other"}, {"aud": "another client"}, {"nonce": "another"}, {"exp": 1000}, {"sub": ""}],
    ids=["issuer", "audience", "nonce", "expired", "nobody"],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    client: AppClient, provider: OpenIdProvider, forged: Any
) -> None:
    provider.forged = forged
    assert sign_in(client).status_code in (400, 403)
    assert status(client) == 401


def test_nor_is_one_that_somebody_else_has_signed(client: AppClient, provider: OpenIdProvider) -> None:
    provider.signing = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
    assert sign_in(client).status_code == 400
    assert status(client) == 401


def test_an_answer_counts_once_and_in_the_browser_that_asked(client: AppClient) -> None:
    location = back(client)
    with_cookie = dict(client.cookies)
    client.cookies.clear()
    assert client.get(location).status_code == 403
    client.cookies["dodona_oidc"] = with_cookie["dodona_oidc"][:-1] + "x"
    assert client.get(location).status_code == 403
    client.cookies.clear()
    other = back(client)
    # The answer to one sign-in does not end another.
    assert client.get(location).status_code == 403
    assert client.get(other).status_code == 303
    client.cookies.clear()
    client.cookies["dodona_oidc"] = with_cookie["dodona_oidc"]
    assert client.get(location).status_code == 303
    assert client.get(location).status_code in (403, 503)


def test_nobody_adds_a_user_with_such_a_name(client: AppClient) -> None:
    body = {"user": "oidc:ada", "password": "a long password"}
    refused = client.post("/v1/users", json=body, headers={"authorization": f"Bearer {OPERATOR}"})
    assert refused.status_code == 400


@pytest.mark.parametrize(("issuer", "roles"), [("http://example.org", {}), ("https://x", {"a": "king"})])
def test_unsafe_settings_are_refused(issuer: str, roles: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        Provider(issuer, CLIENT, SECRET, roles)


def test_a_server_without_a_provider_says_so(tmp_path: Path) -> None:
    app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=OPERATOR))
    with AppClient(app, base_url="http://localhost") as client:
        assert client.get("/sign-in/oidc").status_code == 404
        assert "/sign-in/oidc" not in client.get("/", headers=BROWSER).text
        assert client.get(f"{HERE}/studies").status_code == 401
