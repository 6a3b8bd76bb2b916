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
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import events, numbered, unnumbered

_IN_STUDY = events.c.study_key == bindparam("of_study")
_UNNUMBERED = sa.select(events.c.key).where(_IN_STUDY, unnumbered).order_by(events.c.key).limit(bindparam("limit"))
_LAST = sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0)).where(_IN_STUDY, numbered)
_NUMBER = events.update().where(events.c.key == bindparam("of_event")).values(number=bindparam("new_number"))
_PAGE = (
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
    # A list, also of one, would take a way that costs ten times as much.
    transaction.execute(events.insert(), rows[0] if len(rows) == 1 else rows)


def number(transaction: Transaction, study: Study) -> None:
    """Gives numbers to the events that have none; the study must be held."""
    of_study = {"of_study": study.key}
    keys = transaction.execute(_UNNUMBERED, {**of_study, "limit": MAX_NUMBERED_AT_ONCE}).scalars().all()
    if keys:
        last = transaction.execute(_LAST, of_study).scalar_one()
        given = [{"of_event": key, "new_number": place} for place, key in enumerate(keys, start=last + 1)]
        transaction.execute(_NUMBER, given)


def page(transaction: Transaction, study: Study, after: int, limit: int) -> list[Event]:
    """Up to `limit` events with numbers above `after`, in order."""
    rows = transaction.execute(_PAGE, {"of_study": study.key, "after": after, "limit": limit}).mappings()
    return [
        Event(EventKind(row["kind"]), row["time"], row["trial_number"], row["detail"], row["number"]) for row in rows
    ]
