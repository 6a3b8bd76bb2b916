"""Page of workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dodona_server.domain.access.roles import Principal, foreign
from dodona_server.domain.names import Location, StudyName, is_id
from dodona_server.domain.page import Page
from dodona_server.domain.worker import Worker
from dodona_server.web.links import Links

MAX_WORKERS = 100
MAX_PAGE = 10**6


@dataclass(frozen=True, slots=True)
class WorkersQuery:
    """Query of the page.

    Args:
        study: whose workers are shown; None for all.
        everyone: whether those that are gone are shown too.
        page: which page of them, from 1 on.
        links: to other states of the page.
    """

    study: StudyName | None
    everyone: bool
    page: int
    links: Links

    @classmethod
    def read(cls, given: Mapping[str, str], principal: Principal) -> WorkersQuery:
        """Return the query; whatever is not understood has its default.

        Raises:
            NotFound: the study is in a project that is not the principal's.
        """
        parts = given.get("study", "").split("/")
        study = StudyName(Location(*parts[:2]), parts[2]) if len(parts) == 3 and all(map(is_id, parts)) else None
        if study is not None and not principal.may("all_workers", study.parent.project):
            raise foreign(study.parent.project)
        number = given.get("page", "")
        page = min(int(number), MAX_PAGE) if number.isascii() and number.isdecimal() else 1
        everyone = given.get("all") == "yes"
        kept = {"study": "/".join(parts) if study else "", "all": "yes" if everyone else ""}
        return cls(study, everyone, max(1, page), Links("/workers", kept))


def workers_context(found: Page[Worker], now: float, query: WorkersQuery) -> dict[str, Any]:
    """Return the variables of the page's template."""
    return {
        "live": True,
        "workers": [(one, one.state(now), one.trials_per_hour(now)) for one in found.entries],
        "query": query,
        "links": query.links,
        "before": query.links.to(page=str(query.page - 1) if query.page > 2 else "") if query.page > 1 else "",
        "following": query.links.to(page=str(query.page + 1)) if found.more else "",
    }
