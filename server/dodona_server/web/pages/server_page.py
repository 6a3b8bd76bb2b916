"""Page of the server itself."""

from __future__ import annotations

from typing import Any

from dodona_server.service.views.status import Status

MAX_ROUTES = 12
# The metrics that the page shows, with what they measure.
_SHOWN = {
    "dodona_suggestion_duration_seconds": "Suggestions, by algorithm",
    "dodona_database_wait_seconds": "Wait for the database",
    "dodona_database_transaction_seconds": "Transactions",
    "http_server_request_duration_seconds": "Requests",
}


def server_context(status: Status) -> dict[str, Any]:
    """Return the variables of the page's template."""
    tables = [(title, status.summaries.get(name, [])[:MAX_ROUTES]) for name, title in _SHOWN.items()]
    return {"server": status, "tables": [(title, rows) for title, rows in tables if rows]}
