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
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from dodona_server.api.access.signing_in import set_session
from dodona_server.api.calls.call import Dialect
from dodona_server.api.calls.table import SIGN_IN
from dodona_server.api.front.errors import error_response
from dodona_server.api.front.principal import address_in
from dodona_server.api.front.route import Routes
from dodona_server.domain.errors import InvalidArgument, NotFound
from dodona_server.parts import Access, Audit, SignInProvider
from dodona_server.service.access import people, sessions
from dodona_server.service.access.audit import entry_of
from dodona_server.service.access.provider import OFFLINE, Provider, by_code, describe, endpoint

COOKIE = "dodona_oidc"
# How long a person may take at the provider.
BEGUN_SECONDS = 600.0

routes = Routes(Dialect.OWN)


@routes.serve
async def oidc_begin(request: Request, access: Access, provider: SignInProvider) -> Response:
    """Send the browser to the provider."""
    from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

    known = _configured(provider)
    described = await describe(known)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    # Nobody is there when the server asks again.
    offline = f" {OFFLINE}" if OFFLINE in described.get("scopes_supported", ()) else ""
    query = {
        "response_type": "code",
        "client_id": known.client_id,
        "redirect_uri": _redirect_uri(request),
        "scope": f"openid profile email{offline}",
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    address = endpoint(described, "authorization_endpoint")
    answer = RedirectResponse(f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", 303)
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
        said = await by_code(known, code, nonce, verifier, _redirect_uri(request))
    except InvalidArgument:
        await audit.record_refusal(entry_of("", address, "sign_in", "", "a session", "refused: 400"))
        raise
    name, roles = known.name_of(said.claims), known.roles_of(said.claims)
    outcome = "done" if name and roles else "refused: 403"
    await audit.record(entry_of(f"user {name!r}", address, "sign_in", "", "a session", outcome))
    if not name:
        return error_response(403, "PERMISSION_DENIED", f"the provider names nobody in the claim {known.name_claim!r}")
    if not roles:
        return error_response(403, "PERMISSION_DENIED", "none of your groups has a role on this server")

    def begin(transaction: Any, keys: Any) -> Any:
        owner = people.signed_in(transaction, name, roles)
        return sessions.begin_checked(transaction, keys, owner, said)

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
