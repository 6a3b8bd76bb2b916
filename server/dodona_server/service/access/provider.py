"""A provider of OpenID Connect: what it says of a person, at their sign-in and later."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from dodona_server.domain.access.credentials import check_project, check_role
from dodona_server.domain.access.roles import ALL, Role
from dodona_server.domain.errors import InvalidArgument, Unavailable

TIMEOUT_SECONDS = 10.0
# Only signatures that nobody but the provider can make.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
PREFIX = "oidc:"
MAX_NAME_LENGTH = 100
# With it, a provider gives a token to ask again with when the person is not there.
OFFLINE = "offline_access"
# What a provider answers when a person may no longer sign in, or has to do so again.
REFUSALS = {"invalid_grant", "access_denied", "interaction_required", "login_required", "consent_required"}


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of OpenID Connect.

    Args:
        issuer: its address, below which it describes itself.
        client_id: what it calls this server.
        client_secret: the secret that it gave to this server; empty for a public client.
        roles: the role for each group, as in "editor" or "editor:PROJECT".
        groups_claim: the claim that has a person's groups.
        name_claim: the claim that is a person's name here; no two people may have the same.

    Raises:
        InvalidArgument: the address is not safe, or a role is none.
    """

    issuer: str
    client_id: str
    client_secret: str
    roles: Mapping[str, str]
    groups_claim: str = "groups"
    name_claim: str = "sub"

    def __post_init__(self) -> None:
        address = urlsplit(self.issuer)
        if address.scheme != "https" and address.hostname not in ("localhost", "127.0.0.1"):
            raise InvalidArgument(f"{self.issuer!r} does not begin with https://", "oidc_issuer")
        self.roles_of({self.groups_claim: self.roles})

    def roles_of(self, claims: Mapping[str, Any]) -> dict[str, Role]:
        """Return the roles of somebody's groups by project; of several in one project, the last in the order."""
        groups, found = claims.get(self.groups_claim), dict[str, Role]()
        for group, text in self.roles.items():
            if isinstance(groups, list | Mapping) and group in groups:
                name, _, project = text.partition(":")
                place = check_project(project or ALL)
                role = check_role(name, place)
                found[place] = max(found.get(place, role), role, key=list(Role).index)
        return found

    def name_of(self, claims: Mapping[str, Any]) -> str:
        """Return a person's name here; empty if the claims have none that is safe."""
        name = str(claims.get(self.name_claim) or "")
        verified = self.name_claim != "email" or claims.get("email_verified") is True
        fits = name.isprintable() and name == name.strip() and 0 < len(name) <= MAX_NAME_LENGTH
        return PREFIX + name if verified and fits else ""


@dataclass(frozen=True, slots=True)
class Said:
    """Claims of a provider about a person.

    Args:
        claims: who they are.
        refresh_token: to ask again with; empty if the provider gives none.
    """

    claims: Mapping[str, Any]
    refresh_token: str = field(default="", repr=False)


async def describe(provider: Provider) -> dict[str, Any]:
    """Return the provider's description of itself.

    Raises:
        Unavailable: it does not answer, or is another one.
    """
    described = await _fetch("GET", f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if described.get("issuer") != provider.issuer:
        raise Unavailable(f"the provider calls itself {described.get('issuer')!r}, not {provider.issuer!r}")
    return described


def endpoint(described: Mapping[str, Any], name: str) -> str:
    """Return an address that the provider names.

    Raises:
        Unavailable: it names none.
    """
    if not isinstance(described.get(name), str):
        raise Unavailable(f"the provider of OpenID Connect names no {name}")
    return str(described[name])


async def by_code(provider: Provider, code: str, nonce: str, verifier: str, redirect_uri: str) -> Said:
    """Return the provider's claims about the person whose browser has brought a code, after all checks of the standard.

    Raises:
        DodonaError: the provider does not answer, or its answer is not valid.
    """
    described = await describe(provider)
    body = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    status, answer = await _token(provider, described, body)
    if status >= HTTPStatus.BAD_REQUEST:
        raise Unavailable(f"the provider of OpenID Connect answers with {status}")
    claims = await _verified(provider, described, answer.get("id_token"), {"nonce": nonce})
    if claims.get("nonce") != nonce:
        raise InvalidArgument("the provider's answer belongs to another sign-in")
    return Said(await _with_groups(provider, described, answer, claims), str(answer.get("refresh_token") or ""))


async def by_refresh_token(provider: Provider, refresh_token: str, subject: str) -> Said | None:
    """Return the provider's present claims about a person who has signed in; None if it no longer answers for them.

    Args:
        provider: the one that has signed them in.
        refresh_token: from its last answer.
        subject: the person's claim `sub`.

    Raises:
        DodonaError: the provider does not answer, or its answer is not valid.
    """
    described = await describe(provider)
    status, answer = await _token(provider, described, {"grant_type": "refresh_token", "refresh_token": refresh_token})
    if status >= HTTPStatus.BAD_REQUEST:
        if answer.get("error") in REFUSALS:
            return None
        raise Unavailable(f"the provider of OpenID Connect answers with {status}")
    # An ID token is not required here.
    given = answer.get("id_token")
    claims = await _verified(provider, described, given, {}) if given else {"sub": subject}
    if claims.get("sub") != subject:
        return None
    claims = await _with_groups(provider, described, answer, claims)
    return Said(claims, str(answer.get("refresh_token") or refresh_token))


def check(provider: Provider) -> None:
    """Check that the packages for a provider are installed.

    Raises:
        Unavailable: they are not.
    """
    try:
        import authlib  # type: ignore[import-untyped]  # noqa: F401
        import joserfc  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"{provider.issuer} needs {error.name}: pip install 'dodona[server,oidc]'") from error


async def _token(provider: Provider, described: Mapping[str, Any], body: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Return the status and the content of the answer to a request for tokens."""
    auth = (provider.client_id, provider.client_secret) if provider.client_secret else None
    if auth is None:
        body = {**body, "client_id": provider.client_id}
    return await _ask("POST", endpoint(described, "token_endpoint"), data=body, auth=auth)


async def _verified(
    provider: Provider, described: Mapping[str, Any], token: Any, more: dict[str, str]
) -> dict[str, Any]:
    """Return the claims of an ID token; `more` are further ones that it must have."""
    from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    keys = await _fetch("GET", endpoint(described, "jwks_uri"))
    try:
        read = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
        wanted = {"iss": {"essential": True, "value": provider.issuer}, "aud": {"value": provider.client_id}}
        claims = CodeIDToken(read.claims, read.header, wanted, {**more, "client_id": provider.client_id})
        claims.validate(leeway=60)
    except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidArgument(f"the provider's answer is not valid: {type(error).__name__}") from error
    return dict(claims)


async def _with_groups(
    provider: Provider, described: Mapping[str, Any], answer: Mapping[str, Any], claims: dict[str, Any]
) -> dict[str, Any]:
    """Return the claims; if no groups are among them, with those of the endpoint of user information.

    Some providers keep groups out of the ID token.
    """
    if provider.groups_claim in claims or "userinfo_endpoint" not in described:
        return claims
    headers = {"Authorization": f"Bearer {answer.get('access_token')}"}
    more = await _fetch("GET", endpoint(described, "userinfo_endpoint"), headers=headers)
    if more.get("sub") != claims.get("sub"):
        raise InvalidArgument("the provider's answer is about somebody else")
    return {**more, **claims}


async def _fetch(method: str, url: str, **more: Any) -> dict[str, Any]:
    status, answer = await _ask(method, url, **more)
    if status >= HTTPStatus.BAD_REQUEST:
        raise Unavailable(f"the provider of OpenID Connect answers with {status}")
    return answer


@cache
def _known_authorities() -> ssl.SSLContext:
    """Return a context with their certificates; reading these takes 16 ms, in which the server answers nobody."""
    return httpx.create_ssl_context()


async def _ask(method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=_known_authorities()) as client:
            response = await client.request(method, url, **more)
            answer = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # Not its text, which may have the code in it.
        raise Unavailable(f"the provider of OpenID Connect does not answer: {type(error).__name__}") from None
    if not isinstance(answer, dict):
        raise Unavailable("the provider of OpenID Connect did not answer with a JSON object")
    return response.status_code, answer
