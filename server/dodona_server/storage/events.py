"""Events in the database.

An event is numbered when it is first read, not when it is written: then a reader that has seen all up to a number has
missed none, although transactions that run at once end in any order, and writing one costs a plain insert.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.study import Study
from dodona_server.storage.statement import Statement
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import events, numbered, unnumbered

_IN_STUDY = events.c.study_key == bindparam("of_study")
_INSERT = Statement(events.insert().inline())
_UNNUMBERED = Statement(
    sa.select(events.c.key).where(_IN_STUDY, unnumbered).order_by(events.c.key).limit(bindparam("limit"))
)
_LAST = Statement(sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0)).where(_IN_STUDY, numbered))
_NUMBER = Statement(events.update().where(events.c.key == bindparam("of_event")).values(number=bindparam("new_number")))
_PAGE = Statement(
    sa.select(events)
    .where(_IN_STUDY, numbered, events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("limit"))
)
# Bounds the work of the first reader of a study that nobody has followed so far.
MAX_NUMBERED_AT_ONCE = 10_000


def append(transaction: Transaction, study_key: int, happened: Sequence[Event]) -> None:
    """Keeps events; they are read after those kept before in the same transaction."""
    rows = [
        {
            "study_key": study_key,
            "time": event.time,
            "kind": event.kind.value,
            "trial_number": event.trial_number,
            "detail": event.detail,
        }
        for event in happened
    ]
    _INSERT.run_each(transaction, rows)


def number(transaction: Transaction, study: Study) -> None:
    """Gives numbers to the events that have none; the study must be held."""
    of_study = {"of_study": study.key}
    found = _UNNUMBERED.rows(transaction, {**of_study, "limit": MAX_NUMBERED_AT_ONCE})
    if found:
        last = _LAST.value(transaction, of_study)
        given = [{"of_event": row["key"], "new_number": place} for place, row in enumerate(found, start=last + 1)]
        _NUMBER.run_each(transaction, given)


def page(transaction: Transaction, study: Study, after: int, limit: int) -> list[Event]:
    """Up to `limit` events with numbers above `after`, in order."""
    rows = _PAGE.rows(transaction, {"of_study": study.key, "after": after, "limit": limit})
    return [
        Event(EventKind(row["kind"]), row["time"], row["trial_number"], row["detail"], row["number"]) for row in rows
    ]
