"""Signing in through another service by OpenID Connect: the code flow with PKCE, and groups that become roles.

The provider's answer comes back through the browser. What it must match, the state, nonce and verifier of the request,
is in a cookie of that browser, signed with the server's secret.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from dodona_server.api.access.signing_in import set_session
from dodona_server.api.calls.call import Dialect
from dodona_server.api.calls.table import SIGN_IN
from dodona_server.api.front.errors import error_response
from dodona_server.api.front.principal import address_in
from dodona_server.api.front.route import Routes
from dodona_server.domain.access.credentials import check_project, check_role
from dodona_server.domain.access.roles import ALL, Role
from dodona_server.domain.errors import InvalidArgument, NotFound, Unavailable
from dodona_server.parts import Access, Audit, SignInProvider
from dodona_server.service.access import people, sessions
from dodona_server.service.access.audit import entry_of

COOKIE = "dodona_oidc"
# How long a person may take at the provider.
BEGUN_SECONDS = 600.0
TIMEOUT_SECONDS = 10.0
# Only signatures that nobody but the provider can make.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
PREFIX = "oidc:"
MAX_NAME_LENGTH = 100

routes = Routes(Dialect.OWN)


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
        self.roles_of(self.roles)

    def roles_of(self, groups: Any) -> dict[str, Role]:
        """Return the roles of somebody in these groups by project; of several in one project, the last in the order."""
        found: dict[str, Role] = {}
        for group, text in self.roles.items():
            if isinstance(groups, list | Mapping) and group in groups:
                name, _, project = text.partition(":")
                place = check_project(project or ALL)
                role = check_role(name, place)
                found[place] = max(found.get(place, role), role, key=list(Role).index)
        return found


@routes.serve
async def oidc_begin(request: Request, access: Access, provider: SignInProvider) -> Response:
    """Send the browser to the provider."""
    from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

    known = _configured(provider)
    described = await _described(known)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    query = {
        "response_type": "code",
        "client_id": known.client_id,
        "redirect_uri": _redirect_uri(request),
        "scope": "openid profile email",
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    separator = "&" if "?" in described["authorization_endpoint"] else "?"
    answer = RedirectResponse(f"{described['authorization_endpoint']}{separator}{urlencode(query)}", 303)
    begun = json.dumps([state, nonce, verifier, time.time() + BEGUN_SECONDS])
    signed = (await access.keys()).signed(base64.urlsafe_b64encode(begun.encode()).decode())
    answer.set_cookie(
        COOKIE,
        signed,
        max_age=int(BEGUN_SECONDS),
        path=request.scope.get("root_path", "") + SIGN_IN,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


@routes.serve
async def oidc_end(
    request: Request, access: Access, audit: Audit, provider: SignInProvider, code: str = "", state: str = ""
) -> Response:
    """Begin a session for the person whom the provider names."""
    known, keys = _configured(provider), await access.keys()
    begun = _begun(keys.verified(request.cookies.get(COOKIE, "")), state)
    if begun is None or not code:
        return error_response(403, "PERMISSION_DENIED", "this sign-in was not begun here, or took too long: try again")
    nonce, verifier = begun
    address = address_in(request.scope)
    try:
        claims = await _claims(known, code, nonce, verifier, _redirect_uri(request))
    except InvalidArgument:
        await audit.record_refusal(entry_of("", address, "sign_in", "", "a session", "refused: 400"))
        raise
    name, roles = _name(known, claims), known.roles_of(claims.get(known.groups_claim))
    outcome = "done" if name and roles else "refused: 403"
    await audit.record(entry_of(f"user {name!r}", address, "sign_in", "", "a session", outcome))
    if not name:
        return error_response(403, "PERMISSION_DENIED", f"the provider names nobody in the claim {known.name_claim!r}")
    if not roles:
        return error_response(403, "PERMISSION_DENIED", "none of your groups has a role on this server")

    def begin(transaction: Any, keys: Any) -> Any:
        owner = people.signed_in(transaction, name, roles)
        return sessions.begin(transaction, keys, owner)

    answer = RedirectResponse((request.scope.get("root_path") or "") + "/", 303)
    set_session(request, answer, await access.change(begin))
    answer.delete_cookie(COOKIE, path=request.scope.get("root_path", "") + SIGN_IN)
    return answer


def _configured(provider: Provider | None) -> Provider:
    if provider is None:
        raise NotFound("this server has no provider of OpenID Connect: sign in with a name or a token")
    return provider


def _redirect_uri(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{SIGN_IN}/oidc/callback"


def _begun(text: str | None, state: str) -> tuple[str, str] | None:
    """Return the nonce and the verifier of the sign-in with that state; None if this browser has begun none."""
    if text is None:
        return None
    known, nonce, verifier, end = json.loads(base64.urlsafe_b64decode(text))
    if not hmac.compare_digest(known.encode(), state.encode()) or end < time.time():
        return None
    return nonce, verifier


async def _described(provider: Provider) -> dict[str, Any]:
    """Return what the provider says of itself."""
    described = await _fetch("GET", f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if described.get("issuer") != provider.issuer:
        raise Unavailable(f"the provider calls itself {described.get('issuer')!r}, not {provider.issuer!r}")
    return described


async def _claims(provider: Provider, code: str, nonce: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
    """Return what the provider says of the person, after all checks of the standard.

    Raises:
        DodonaError: the provider does not answer, or its answer is not valid.
    """
    from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    described = await _described(provider)
    body = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    auth = (provider.client_id, provider.client_secret) if provider.client_secret else None
    if auth is None:
        body["client_id"] = provider.client_id
    answer = await _fetch("POST", described["token_endpoint"], data=body, auth=auth)
    keys = await _fetch("GET", described["jwks_uri"])
    try:
        token = jwt.decode(answer["id_token"], KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
        wanted = {"iss": {"essential": True, "value": provider.issuer}, "aud": {"value": provider.client_id}}
        claims = CodeIDToken(token.claims, token.header, wanted, {"nonce": nonce, "client_id": provider.client_id})
        claims.validate(leeway=60)
    except (JoseError, KeyError, ValueError) as error:
        raise InvalidArgument(f"the provider's answer is not valid: {type(error).__name__}") from error
    if claims.get("nonce") != nonce:
        raise InvalidArgument("the provider's answer belongs to another sign-in")
    return dict(claims)


async def _fetch(method: str, url: str, **more: Any) -> dict[str, Any]:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = (await client.request(method, url, **more)).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # Not its text, which may have the code in it.
        raise Unavailable(f"the provider of OpenID Connect does not answer: {type(error).__name__}") from None
    if not isinstance(answer, dict):
        raise Unavailable("the provider of OpenID Connect answers with no object")
    return answer


def _name(provider: Provider, claims: Mapping[str, Any]) -> str:
    name = str(claims.get(provider.name_claim) or "")
    verified = provider.name_claim != "email" or claims.get("email_verified") is True
    fits = name.isprintable() and name == name.strip() and 0 < len(name) <= MAX_NAME_LENGTH
    return PREFIX + name if verified and fits else ""


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
