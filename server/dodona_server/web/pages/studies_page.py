"""Page of all studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.studies.study_list import StudyFilter, StudyOrder
from dodona_server.service.views.dashboard import StudiesView
from dodona_server.web.figures.chart import sparkline
from dodona_server.web.links import Links, chosen

MAX_STUDIES = 50
MAX_PAGE = 10**6


@dataclass(frozen=True, slots=True)
class StudiesQuery:
    """Query of the page: which studies, and how many pages of them precede."""

    wanted: StudyFilter
    page: int
    links: Links

    @classmethod
    def read(cls, given: Mapping[str, str], projects: frozenset[str] | None = None) -> StudiesQuery:
        """Return the query, for studies of `projects`; whatever is not understood has its default."""
        text, state, number = given.get("q", "").strip()[:200], given.get("state", ""), given.get("page", "")
        order = chosen(given.get("order", ""), StudyOrder.NEWEST)
        page = min(int(number), MAX_PAGE) if number.isascii() and number.isdecimal() else 1
        state = state if state in set(StudyState) else ""
        kept = {
            "q": text,
            "state": state,
            "order": "" if order is StudyOrder.NEWEST else order.value,
            "project": given.get("project", "")[:200],
            "tag": given.get("tag", "").strip()[:200],
            "archived": "yes" if given.get("archived") == "yes" else "",
        }
        wanted = StudyFilter(
            text,
            StudyState(state) if state else None,
            order,
            projects,
            kept["project"],
            kept["tag"],
            kept["archived"] == "yes",
        )
        return cls(wanted, max(1, page), Links("/", kept))


def studies_context(view: StudiesView, query: StudiesQuery) -> dict[str, Any]:
    """Return the variables of the page's template."""
    found = view.studies
    return {
        "live": any(one.study.state is StudyState.ACTIVE or one.running for one in found.entries),
        "studies": found.entries,
        "sparklines": {one.study.key: sparkline(one.history, one.study.spec.objective.goal) for one in found.entries},
        "count": view.count,
        "projects": view.projects,
        "query": query,
        "links": query.links,
        "before": query.links.to(page=str(query.page - 1) if query.page > 2 else "") if query.page > 1 else "",
        "following": query.links.to(page=str(query.page + 1)) if found.more else "",
        "first": (query.page - 1) * MAX_STUDIES + 1,
    }
