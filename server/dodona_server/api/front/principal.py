"""Principal of a request: `Guard` finds it, each route checks it, and the request's handler can ask for it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api.front.errors import domain_response
from dodona_server.domain.access.roles import ANYONE, AUDITED, RULES, Principal
from dodona_server.domain.errors import DodonaError, Unavailable
from dodona_server.service.access.audit import entry_of
from dodona_server.storage.access.audit import Entry

# A call that takes long ends within this time after its principal has lost a role here.
KNOWN_SECONDS = 0.5


def remember(scope: Scope, principal: Principal, known: Callable[[], Principal | None] | None = None) -> None:
    """Store the principal of a request in its scope, and in those that are made from it.

    Args:
        scope: of the request.
        principal: who makes it.
        known: looks for the principal again; None for one that nobody can revoke.
    """
    state = scope.setdefault("state", {})
    state["principal"], state["known"] = principal, known


def is_known(scope: Scope) -> bool:
    """Return whether the principal of a request still has the roles that it had when the request came."""
    known = scope["state"]["known"]
    return known is None or known() == principal_of(scope)


def principal_of(scope: Scope) -> Principal:
    """Return the principal of a request that has passed `Guard`."""
    principal: Principal = scope["state"]["principal"]
    return principal


def checked(name: str, app: ASGIApp, *, changes: bool) -> ASGIApp:
    """Return the part of a route that answers the call of that name, behind a check of the principal's roles.

    What changes something is in the audit log before it is answered, and so are refusals. Of the trial loop, only what
    people do in a browser is in it.
    """
    audited = changes and name in AUDITED

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if RULES[name] is not ANYONE:
                principal_of(scope).check(name, scope["path_params"].get("project"))
        except DodonaError as error:
            refused = domain_response(error)
            await scope["app"].state.audit.record_refusal(_entry(scope, name, refused.status_code))
            await refused(scope, receive, send)
        else:
            records = audited or (changes and principal_of(scope).session)
            await app(scope, receive, _recording(scope, receive, name, send) if records else send)

    return app if RULES[name] is ANYONE and not audited else check


def note(scope: Scope, *, actor: str = "", target: str = "", project: str = "") -> None:
    """Add to the audit log's entry about a request what its path does not say."""
    scope["state"]["noted"] = {"actor": actor, "target": target, "project": project}


def _recording(scope: Scope, receive: Receive, name: str, send: Send) -> Send:
    """Return a `send` that adds an entry to the audit log before the answer begins, or else refuses the call."""
    is_refused = False

    async def record(message: Message) -> None:
        nonlocal is_refused
        if message["type"] == "http.response.start":
            try:
                await scope["app"].state.audit.record(_entry(scope, name, message["status"]))
            except Unavailable as error:
                # Not raised: to the framework the answer has begun, and this would be a bug of the server.
                is_refused = True
                await domain_response(error)(scope, receive, send)
        if not is_refused:
            await send(message)

    return record


def _entry(scope: Scope, name: str, status: int) -> Entry:
    noted = scope["state"].get("noted", {})
    return entry_of(
        noted.get("actor") or principal_of(scope).name,
        address_in(scope),
        name,
        noted.get("project") or scope["path_params"].get("project", ""),
        # Without the query, which may have a token.
        noted.get("target") or scope["path"].removeprefix("/v1/"),
        "done" if status < HTTPStatus.BAD_REQUEST else f"refused: {status}",
    )


def address_in(scope: Scope) -> str:
    """Return the address that a request comes from."""
    return str(scope["client"][0]) if scope.get("client") else ""
