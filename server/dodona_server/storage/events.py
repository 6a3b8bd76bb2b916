"""Events in the database.

An event gets its number when it is first read, not when it is written. So a reader that has seen all events up to a
number has missed none, although concurrent transactions end in any order. Writing an event is a plain insert.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.event import Actor, Event, EventKind, EventPosition
from dodona_server.domain.page import Page
from dodona_server.domain.studies.study import Study
from dodona_server.observation import metrics
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.paging import page_of, sizes
from dodona_server.storage.engine.statement import Row, Statement, one_of
from dodona_server.storage.engine.store import Transaction, after_commit
from dodona_server.storage.tables.core import events, numbered, shown, studies, unnumbered

_OF_THAT_STUDY = events.c.study_key == studies.c.key
_IN_STUDY = events.c.study_key == bindparam("of_study")
_INSERT = Statement(events.insert().inline())
_UNNUMBERED = Statement(
    sa.select(events.c.key).where(_IN_STUDY, unnumbered).order_by(events.c.key).limit(bindparam("limit"))
)
_LAST = Statement(sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0)).where(_IN_STUDY, numbered))
_NUMBER = Statement(events.update().where(events.c.key == bindparam("of_event")).values(number=bindparam("new_number")))
_PAGES = (
    sa.select(events)
    .where(_IN_STUDY, numbered, events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("limit"))
)
_PAGE, _SIZES = Statement(_PAGES), sizes(_PAGES, events.c.detail)
_LATEST_UNNUMBERED = Statement(
    sa.select(events)
    .where(_IN_STUDY, unnumbered, events.c.key < bindparam("before"))
    .order_by(events.c.key.desc())
    .limit(bindparam("limit"))
)
_LATEST_NUMBERED = Statement(
    sa.select(events)
    .where(_IN_STUDY, numbered, events.c.number < bindparam("before"))
    .order_by(events.c.number.desc())
    .limit(bindparam("limit"))
)
# All events of the study are read: an index for pages alone would cost each report.
_OF_TRIAL = Statement(
    sa.select(events)
    .where(_IN_STUDY, events.c.trial_number == bindparam("trial_number"))
    .order_by(events.c.key)
    .limit(bindparam("limit"))
)
_NEWEST = Statement(
    sa.select(
        studies.c.key,
        sa.select(sa.func.max(events.c.number)).where(_OF_THAT_STUDY, numbered).scalar_subquery().label("last"),
        sa.select(events.c.key).where(_OF_THAT_STUDY, unnumbered).limit(1).scalar_subquery().label("unnumbered"),
    ).where(one_of(studies.c.key, "keys"), shown)
)
_OF_TRIALS = Statement(
    sa.select(events).where(_IN_STUDY, one_of(events.c.trial_number, "numbers")).order_by(events.c.key)
)
_LAST_KEY = Statement(sa.select(sa.func.coalesce(sa.func.max(events.c.key), 0)))
_LATER = (
    sa.select(events.c.key, events.c.study_key)
    .where(events.c.key > bindparam("after"))
    .order_by(events.c.key)
    .limit(bindparam("limit"))
    .subquery()
)
_PROJECTS = Statement(
    sa.select(_LATER.c.key, studies.c.project).where(_LATER.c.study_key == studies.c.key).order_by(_LATER.c.key)
)
# Limits the work of the first reader of a study that nobody has followed so far.
MAX_NUMBERED_AT_ONCE = 10_000


def append(transaction: Transaction, study_key: int, happened: Sequence[Event]) -> None:
    """Store events; they come after those stored before in the same transaction."""
    if not happened:
        return
    rows = [
        {
            "study_key": study_key,
            "time": event.time,
            "kind": event.kind.value,
            "trial_number": event.trial_number,
            "detail": event.detail,
            "actor": "" if event.actor is None else str(event.actor),
        }
        for event in happened
    ]
    _INSERT.run_each(transaction, rows)
    after_commit(transaction, functools.partial(metrics.count_events, [event.kind.value for event in happened]))


def number(transaction: Transaction, study: Study) -> None:
    """Number the events that have no number; the caller must have locked the study."""
    of_study = {"of_study": study.key}
    found = _UNNUMBERED.rows(transaction, {**of_study, "limit": MAX_NUMBERED_AT_ONCE})
    if found:
        last = _LAST.value(transaction, of_study)
        given = [{"of_event": row["key"], "new_number": index} for index, row in enumerate(found, start=last + 1)]
        _NUMBER.run_each(transaction, given)


def newest(transaction: Transaction, study_keys: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """Return the number of each study's last event, and whether some have no number yet; omit deleted studies."""
    rows = _NEWEST.rows(transaction, {"keys": codec.dump_numbers(list(study_keys))})
    return {row["key"]: (row["last"] or 0, row["unnumbered"] is not None) for row in rows}


def of_trials(transaction: Transaction, study_key: int, numbers: Sequence[int]) -> list[Event]:
    """Return the events about these trials, in the order in which they were stored; this reads all of the study's."""
    parameters = {"of_study": study_key, "numbers": codec.dump_numbers(list(numbers))}
    return [_event(row) for row in _OF_TRIALS.rows(transaction, parameters)]


def last_key(transaction: Transaction) -> int:
    """Return the key of the latest event of all studies."""
    last: int = _LAST_KEY.value(transaction, {})
    return last


def projects_after(transaction: Transaction, after: int, limit: int) -> list[tuple[int, str]]:
    """Return the keys and projects of up to `limit` events with keys above `after`, in order."""
    return [(row["key"], row["project"]) for row in _PROJECTS.rows(transaction, {"after": after, "limit": limit})]


def page(transaction: Transaction, study_key: int, after: int, limit: int) -> Page[Event]:
    """Return a page of up to `limit` events with numbers above `after`, in order."""
    parameters = {"of_study": study_key, "after": after, "limit": limit}
    return page_of(transaction, _PAGE, _SIZES, parameters, _event)


def latest(
    transaction: Transaction, study_key: int, before: EventPosition | None, limit: int
) -> tuple[list[Event], EventPosition | None]:
    """Return up to `limit` events, the latest first, and the position of the last one; None if it is the first event.

    Args:
        transaction: to read in.
        study_key: the study's.
        before: only events before that one; None for the latest.
        limit: the largest number of events.
    """
    rows: list[Row] = []
    of_study = {"of_study": study_key, "limit": limit + 1}
    last = 2**62
    if before is None or not before.is_number:
        key = last if before is None else before.value
        # Those without a number are later than the others.
        rows = _LATEST_UNNUMBERED.rows(transaction, {**of_study, "before": key})
    if len(rows) <= limit:
        number = before.value if before is not None and before.is_number else last
        rows += _LATEST_NUMBERED.rows(transaction, {**of_study, "before": number})
    found = [_event({**row, "number": row["number"] or 0}) for row in rows[:limit]]
    if len(rows) <= limit:
        return found, None
    final = rows[limit - 1]
    by_number = final["number"] is not None
    return found, EventPosition(by_number, final["number"] if by_number else final["key"])


def of_trial(transaction: Transaction, study_key: int, number: int, limit: int) -> list[Event]:
    """Return the first `limit` events of a trial, in order."""
    rows = _OF_TRIAL.rows(transaction, {"of_study": study_key, "trial_number": number, "limit": limit})
    return [_event({**row, "number": row["number"] or 0}) for row in rows]


def _event(row: Row) -> Event:
    return Event(
        EventKind(row["kind"]),
        row["time"],
        row["trial_number"],
        row["detail"],
        row["number"] or 0,
        Actor.read(row["actor"]),
    )
