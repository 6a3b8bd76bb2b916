"""Rows about artifacts; `blobs` has their content.

A blob gets its row before its first byte, and loses the row after its last byte is deleted. So no blob is forgotten.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.artifact import Artifact
from dodona_server.storage.engine.statement import Row, Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import artifacts, discarded, kept

_IN_STUDY = artifacts.c.study_key == bindparam("of_study")
_OF_TRIAL = (_IN_STUDY, artifacts.c.number == bindparam("of_number"), kept)
_LIST = Statement(sa.select(artifacts).where(*_OF_TRIAL).order_by(artifacts.c.name))
_COUNT = Statement(sa.select(sa.func.count()).select_from(artifacts).where(*_OF_TRIAL))
_NAMED = sa.select(artifacts).where(*_OF_TRIAL, artifacts.c.name == bindparam("of_name"))
_FIND = Statement(_NAMED)
_FIND_LOCKED = Statement(_NAMED.with_for_update())
_PAGE = Statement(
    sa.select(artifacts)
    .where(
        _IN_STUDY,
        kept,
        # The first condition follows from the second, but can use the index.
        artifacts.c.number >= bindparam("after"),
        sa.or_(artifacts.c.number > bindparam("after"), artifacts.c.name > bindparam("after_name")),
    )
    .order_by(artifacts.c.number, artifacts.c.name)
    .limit(bindparam("limit"))
)
_KEEP = Statement(
    artifacts.update()
    .where(artifacts.c.key == bindparam("of_key"))
    .values(size=bindparam("new_size"), sha256=bindparam("new_sha256"), discard_time=None)
    .returning(artifacts.c.key)
)
_DISCARD = Statement(
    artifacts.update().where(artifacts.c.key == bindparam("of_key")).values(discard_time=bindparam("new_time"))
)
_DISCARD_OF_TRIAL = Statement(artifacts.update().where(*_OF_TRIAL).values(discard_time=bindparam("new_time")))
_SOME = Statement(
    sa.select(artifacts.c.key).where(_IN_STUDY, kept).order_by(artifacts.c.number).limit(bindparam("limit"))
)
_DISCARDED = Statement(
    sa.select(artifacts.c.key, artifacts.c.blob)
    .where(discarded, artifacts.c.discard_time <= bindparam("now"))
    .order_by(artifacts.c.discard_time)
    .limit(bindparam("limit"))
)
_FORGET = Statement(artifacts.delete().where(artifacts.c.key == bindparam("of_key"), discarded))
_INSERT = Statement(artifacts.insert().returning(*artifacts.c))


def of_trial(transaction: Transaction, study_key: int, number: int) -> list[Artifact]:
    """Return the trial's artifacts by name."""
    return [_artifact(row) for row in _LIST.rows(transaction, _trial(study_key, number))]


def count(transaction: Transaction, study_key: int, number: int) -> int:
    """Return how many artifacts the trial has."""
    counted: int = _COUNT.value(transaction, _trial(study_key, number))
    return counted


def find(transaction: Transaction, study_key: int, number: int, name: str, *, lock: bool = False) -> Artifact | None:
    """Return the trial's artifact of that name; with `lock`, lock it until the transaction ends."""
    values = {**_trial(study_key, number), "of_name": name}
    row = (_FIND_LOCKED if lock else _FIND).row(transaction, values)
    return None if row is None else _artifact(row)


def page(transaction: Transaction, study_key: int, after: tuple[int, str], limit: int) -> list[Artifact]:
    """Return up to `limit` artifacts of a study after that trial number and name, in the order of these."""
    values = {"of_study": study_key, "after": after[0], "after_name": after[1], "limit": limit}
    return [_artifact(row) for row in _PAGE.rows(transaction, values)]


def reserve(transaction: Transaction, study_key: int, artifact: Artifact, until: float) -> Artifact:
    """Record that a blob may exist; it may be deleted from `until` on, unless `keep` makes it an artifact before."""
    values = {
        "study_key": study_key,
        "number": artifact.number,
        "name": artifact.name,
        "blob": artifact.blob,
        "attempt": artifact.attempt,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "create_time": artifact.create_time,
        "discard_time": until,
    }
    (row,) = _INSERT.rows(transaction, values)
    return _artifact(row)


def keep(transaction: Transaction, artifact: Artifact) -> bool:
    """Make a reserved blob the only artifact of its name; return whether it was still reserved."""
    values = {"of_key": artifact.key, "new_size": artifact.size, "new_sha256": artifact.sha256}
    return _KEEP.row(transaction, values) is not None


def discard(transaction: Transaction, artifact: Artifact, now: float) -> None:
    """Hide the artifact; its blob may be deleted from `now` on."""
    _DISCARD.run(transaction, {"of_key": artifact.key, "new_time": now})


def discard_of_trial(transaction: Transaction, study_key: int, number: int, now: float) -> None:
    """Hide all artifacts of a trial."""
    _DISCARD_OF_TRIAL.run(transaction, {**_trial(study_key, number), "new_time": now})


def discard_of_study(transaction: Transaction, study_key: int, limit: int) -> int:
    """Hide up to `limit` artifacts of a study and return how many; their blobs may be deleted at once."""
    found = _SOME.rows(transaction, {"of_study": study_key, "limit": limit})
    _DISCARD.run_each(transaction, [{"of_key": row["key"], "new_time": 0.0} for row in found])
    return len(found)


def discarded_blobs(transaction: Transaction, now: float, limit: int) -> list[tuple[int, str]]:
    """Return up to `limit` blobs that may be deleted by `now`, each with the key of its row."""
    rows = _DISCARDED.rows(transaction, {"now": now, "limit": limit})
    return [(row["key"], row["blob"]) for row in rows]


def forget(transaction: Transaction, keys: list[int]) -> None:
    """Delete the rows of deleted blobs."""
    _FORGET.run_each(transaction, [{"of_key": key} for key in keys])


def _trial(study_key: int, number: int) -> dict[str, int]:
    return {"of_study": study_key, "of_number": number}


def _artifact(row: Row) -> Artifact:
    values: dict[str, Any] = {
        name: row[name] for name in ("number", "name", "blob", "attempt", "size", "sha256", "create_time", "key")
    }
    return Artifact(**values)
