"""Pages for administrators: tokens and users, and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dodona_server.domain.access.credentials import Person, Token
from dodona_server.domain.access.roles import ALL, Principal, Role
from dodona_server.storage.access.audit import Entry

MAX_ENTRIES = 200


def access_context(by: Principal, tokens: Sequence[Token], people: Sequence[Person], now: float) -> dict[str, Any]:
    """Return the variables of the template of tokens and users, as `by` may see them."""
    projects = by.projects_of("create_token")
    valid = [token for token in tokens if token.expire_time is None or token.expire_time > now]
    is_operator = by.may("create_user", None)
    return {
        "tokens": valid,
        "ended": len(tokens) - len(valid),
        "people": people,
        "everywhere": ALL,
        "is_operator": is_operator,
        "projects": sorted(projects or ()),
        "roles": [role for role in Role if is_operator or role is not Role.OPERATOR],
    }


def audit_context(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the variables of the audit log's template; one more entry than it shows says that there are more."""
    shown = entries[:MAX_ENTRIES]
    return {"entries": shown, "following": shown[-1].key if len(entries) > MAX_ENTRIES else None}
