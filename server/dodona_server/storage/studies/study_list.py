"""Lists of studies: what each shows comes from the ends of indexes, however many trials it has."""

from __future__ import annotations

import json
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.metadata import TAGS
from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import Goal, Study
from dodona_server.domain.studies.study_list import StudyFilter, StudyOrder, StudySummary
from dodona_server.domain.trials.trial import TrialState
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.paging import page_of, sizes
from dodona_server.storage.engine.statement import Row, Statement, in_selected, json_texts, one_of
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies.studies import read_study
from dodona_server.storage.tables.core import ranked, shown, studies, trials, unfinished, workers
from dodona_server.storage.trials.filtered import json_value
from dodona_server.storage.trials.rows import IN_STUDY, SHORT_METADATA

# The most trials of a study whose values are read.
MAX_HISTORY = 120

_PATH = studies.c.project + "/" + studies.c.location + "/" + studies.c.study_id
_FOUND = (
    shown,
    sa.func.lower(studies.c.display_name + " " + _PATH).like(bindparam("pattern"), escape="\\"),
    sa.or_(bindparam("in_state") == "", studies.c.state == bindparam("in_state")),
    sa.or_(bindparam("in_project") == "", studies.c.project == bindparam("in_project")),
    sa.or_(bindparam("archived") == "yes", studies.c.archive_time.is_(None)),
    sa.or_(bindparam("archived") == "", studies.c.archive_time.is_not(None)),
    # Most studies have no metadata; JSON is read of those alone that may have the tag.
    sa.or_(
        bindparam("tagged") == "",
        sa.and_(
            studies.c.metadata.contains(TAGS),
            (sa.literal(",") + json_value(studies.c.metadata, TAGS) + ",").like(bindparam("tagged"), escape="\\"),
        ),
    ),
    sa.or_(
        bindparam("in_all_projects") == "yes",
        in_selected(studies.c.project, json_texts(bindparam("in_projects", type_=sa.String))),
    ),
)
_OF_WORKERS = sa.select(workers.c.seen_time).where(workers.c.study_key == studies.c.key).correlate(studies)
_ORDERS: dict[StudyOrder, tuple[sa.ColumnElement[Any], ...]] = {
    StudyOrder.NEWEST: (studies.c.key.desc(),),
    StudyOrder.OLDEST: (studies.c.key,),
    StudyOrder.NAME: (sa.func.lower(studies.c.display_name), studies.c.key),
    StudyOrder.TRIALS: (studies.c.trial_count.desc(), studies.c.key.desc()),
    StudyOrder.ACTIVE: (
        sa.func.coalesce(_OF_WORKERS.with_only_columns(sa.func.max(workers.c.seen_time)).scalar_subquery(), 0).desc(),
        studies.c.key.desc(),
    ),
}
# The list shows the start of the metadata.
_SHORT = sa.case((sa.func.length(studies.c.metadata) <= SHORT_METADATA, studies.c.metadata), else_="{}")
_COLUMNS = sa.select(*(column for column in studies.c if column.key != "metadata"), _SHORT.label("metadata")).where(
    *_FOUND
)
_PAGES = {
    order: _COLUMNS.order_by(*columns).limit(bindparam("limit")).offset(bindparam("skipped"))
    for order, columns in _ORDERS.items()
}
_PAGE = {order: Statement(query) for order, query in _PAGES.items()}
_SIZES = {order: sizes(query, studies.c.spec, studies.c.inactive_reason) for order, query in _PAGES.items()}
_LATEST = Statement(
    sa.select(studies)
    .where(studies.c.project == bindparam("project"), studies.c.trial_count >= bindparam("least"))
    .order_by(studies.c.key.desc())
    .limit(bindparam("limit"))
)
_COUNT = Statement(sa.select(sa.func.count()).select_from(studies).where(*_FOUND))

_OF_THAT = trials.c.study_key == studies.c.key
_IS_RUNNING = trials.c.state != TrialState.REQUESTED.value
_UNFINISHED = sa.select(trials).where(_OF_THAT, unfinished).correlate(studies)
_BEST = sa.select(trials.c.objective).where(_OF_THAT, ranked).limit(1).correlate(studies)
_NEWEST = sa.select(trials.c.create_time).where(_OF_THAT).order_by(trials.c.number.desc()).limit(1).correlate(studies)


def _counted(what: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]) -> Any:
    return _UNFINISHED.with_only_columns(what).where(*where).scalar_subquery()


def _newest(time: sa.ColumnElement[Any]) -> Any:
    return sa.func.coalesce(_NEWEST.with_only_columns(time).scalar_subquery(), studies.c.create_time)


_SUMMARIES = Statement(
    sa.select(
        studies.c.key,
        _counted(sa.func.count()).label("unfinished"),
        _counted(sa.func.count(), _IS_RUNNING).label("running"),
        _counted(sa.func.count(trials.c.client_id.distinct()), _IS_RUNNING).label("workers"),
        _counted(sa.func.max(trials.c.lease_expiry - trials.c.lease_seconds)).label("heartbeat"),
        _counted(sa.func.sum(trials.c.start_time), _IS_RUNNING).label("started"),
        _OF_WORKERS.with_only_columns(sa.func.sum(workers.c.busy_seconds)).scalar_subquery().label("busy"),
        _newest(trials.c.create_time).label("created"),
        _newest(trials.c.end_time).label("ended"),
        _BEST.order_by(trials.c.objective).scalar_subquery().label("lowest"),
        _BEST.order_by(trials.c.objective.desc()).scalar_subquery().label("highest"),
    ).where(one_of(studies.c.key, "keys"))
)


_HISTORY = Statement(
    sa.select(trials.c.number, trials.c.objective)
    .where(IN_STUDY, one_of(trials.c.number, "numbers"), trials.c.end_time.is_not(None), ranked)
    .order_by(trials.c.number)
)
_BEST_TRIALS = {
    goal: Statement(
        sa.select(trials.c.number, trials.c.objective)
        .where(IN_STUDY, ranked)
        .order_by(trials.c.objective.desc() if goal is Goal.MAXIMIZE else trials.c.objective, trials.c.number)
        .limit(1)
    )
    for goal in Goal
}
_PROJECTS = Statement(sa.select(studies.c.project.distinct().label("project")).where(shown).order_by(studies.c.project))


def projects(transaction: Transaction) -> list[str]:
    """Return the projects that have studies."""
    return [row["project"] for row in _PROJECTS.rows(transaction)]


def page(transaction: Transaction, wanted: StudyFilter, skipped: int, limit: int) -> Page[StudySummary]:
    """Return a page of up to `limit` studies after the first `skipped`; fewer if they are large."""
    parameters = {**_parameters(wanted), "skipped": skipped, "limit": limit}
    found = page_of(transaction, _PAGE[wanted.order], _SIZES[wanted.order], parameters, read_study)
    keys = codec.dump_numbers([study.key for study in found.entries])
    rows = {row["key"]: row for row in _SUMMARIES.rows(transaction, {"keys": keys})}
    return Page([_summary(transaction, study, rows[study.key]) for study in found.entries], found.more)


def count(transaction: Transaction, wanted: StudyFilter) -> int:
    """Return how many studies there are."""
    counted: int = _COUNT.value(transaction, _parameters(wanted))
    return counted


def _parameters(wanted: StudyFilter) -> dict[str, Any]:
    return {
        "pattern": f"%{_escaped(wanted.text.lower())}%",
        "in_state": "" if wanted.state is None else wanted.state.value,
        "in_all_projects": "yes" if wanted.projects is None else "",
        "in_projects": json.dumps(sorted(wanted.projects or ())),
        "in_project": wanted.project,
        "archived": "yes" if wanted.archived else "",
        "tagged": f"%,{_escaped(wanted.tag)},%" if wanted.tag else "",
    }


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _history(transaction: Transaction, study: Study) -> list[tuple[int, float]]:
    """Return number and value of some trials, evenly chosen, and of the best one, in order."""
    last = study.next_trial_number - 1
    numbers = sorted({1 + index * last // MAX_HISTORY for index in range(MAX_HISTORY)}) if last else []
    rows = _HISTORY.rows(transaction, {"of_study": study.key, "numbers": codec.dump_numbers(numbers)})
    best = _BEST_TRIALS[study.spec.objective.goal].rows(transaction, {"of_study": study.key})
    return sorted({row["number"]: row["objective"] for row in [*rows, *best]}.items())


def _summary(transaction: Transaction, study: Study, row: Row) -> StudySummary:
    active = max(row["heartbeat"] or 0.0, row["created"], row["ended"])
    maximized = study.spec.objective.goal is Goal.MAXIMIZE
    return StudySummary(
        study=study,
        finished=study.trial_count - row["unfinished"],
        running=row["running"],
        workers=row["workers"],
        best=row["highest"] if maximized else row["lowest"],
        busy_seconds=(row["busy"] or 0.0) + max(0.0, row["running"] * active - (row["started"] or 0.0)),
        history=_history(transaction, study),
        active_time=active,
    )


def latest(transaction: Transaction, project: str, least: int, limit: int) -> list[Study]:
    """Return up to `limit` studies of a project with at least that many trials, the latest first."""
    rows = _LATEST.rows(transaction, {"project": project, "least": least, "limit": limit})
    return [read_study(row) for row in rows]
