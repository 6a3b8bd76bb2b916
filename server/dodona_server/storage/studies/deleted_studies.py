"""Studies that were deleted and can be restored.

Their rows stay as they are under the project `HELD`, which no name can have, so that no query finds them by name. What
they were called is in a table of its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.deleted_study import DeletedStudy
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import TrialState
from dodona_server.storage.engine.clock import database_now
from dodona_server.storage.engine.statement import Row, Statement, in_selected, json_texts
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies import removal
from dodona_server.storage.tables.core import HELD, deleted_studies, studies, trials, unfinished
from dodona_server.storage.trials.rows import IN_STUDY

MAX_LISTED = 1000

_OF_STUDY = deleted_studies.c.study_key == bindparam("of_study")
_INSERT = Statement(deleted_studies.insert())
_COLUMNS = sa.select(deleted_studies, studies.c.trial_count).join(studies, studies.c.key == deleted_studies.c.study_key)
_NEWEST = _COLUMNS.order_by(deleted_studies.c.delete_time.desc(), deleted_studies.c.study_key.desc()).limit(MAX_LISTED)
_IN_LOCATION = (
    deleted_studies.c.project == bindparam("project"),
    deleted_studies.c.location == bindparam("location"),
)
_OF_LOCATION = Statement(_NEWEST.where(*_IN_LOCATION))
_OF_ALL = Statement(_NEWEST)
_OF_PROJECTS = Statement(
    _NEWEST.where(in_selected(deleted_studies.c.project, json_texts(bindparam("projects", type_=sa.String))))
)
_FIND = Statement(_COLUMNS.where(_OF_STUDY, *_IN_LOCATION))
_OVERDUE = Statement(
    sa.select(deleted_studies.c.study_key)
    .where(deleted_studies.c.purge_time <= bindparam("now"))
    .order_by(deleted_studies.c.purge_time)
    .limit(bindparam("limit"))
)
_COUNT = Statement(sa.select(sa.func.count()).select_from(deleted_studies))
_FORGET = Statement(deleted_studies.delete().where(_OF_STUDY).returning(deleted_studies.c.study_key))
_RENAME = Statement(
    studies.update()
    .where(studies.c.key == bindparam("of_study"))
    .values(
        project=bindparam("new_project"),
        location=bindparam("new_location"),
        study_id=bindparam("new_id"),
        display_name=bindparam("new_display_name"),
        check_time=bindparam("new_check"),
    )
)
# While the study was deleted, leases that expired ended without another one.
_RUNNING = sa.select(trials.c.number).where(
    IN_STUDY,
    unfinished,
    sa.or_(trials.c.state == TrialState.ACTIVE.value, trials.c.state == TrialState.STOPPING.value),
)
_LEND_AGAIN = Statement(
    trials.update()
    .where(IN_STUDY, in_selected(trials.c.number, _RUNNING), trials.c.lease_seconds.is_not(None))
    .values(lease_expiry=database_now() + trials.c.lease_seconds)
)


def hold(transaction: Transaction, study: Study, now: float, purge_time: float) -> None:
    """Hide the study and free its name, until it is restored or `purge_time` has come."""
    values = {
        "study_key": study.key,
        "project": study.name.parent.project,
        "location": study.name.parent.location,
        "study_id": study.name.study_id,
        "display_name": study.display_name,
        "delete_time": now,
        "purge_time": purge_time,
    }
    _INSERT.run(transaction, values)
    key = str(study.key)
    hidden = {"new_project": HELD, "new_location": HELD, "new_id": key, "new_display_name": key, "new_check": None}
    _RENAME.run(transaction, {"of_study": study.key, **hidden})


def of_location(transaction: Transaction, parent: Location) -> list[DeletedStudy]:
    """Return the studies of a location that can be restored, the last deleted first, up to `MAX_LISTED`."""
    rows = _OF_LOCATION.rows(transaction, {"project": parent.project, "location": parent.location})
    return [_deleted_study(row) for row in rows]


def of_projects(transaction: Transaction, projects: Collection[str] | None) -> list[DeletedStudy]:
    """Return the same for several projects; None for all."""
    if projects is None:
        return [_deleted_study(row) for row in _OF_ALL.rows(transaction)]
    return [_deleted_study(row) for row in _OF_PROJECTS.rows(transaction, {"projects": json.dumps(sorted(projects))})]


def find(transaction: Transaction, parent: Location, key: int) -> DeletedStudy | None:
    """Return the deleted study of a location with that key."""
    values = {"of_study": key, "project": parent.project, "location": parent.location}
    row = _FIND.row(transaction, values)
    return None if row is None else _deleted_study(row)


def bring_back(transaction: Transaction, deleted: DeletedStudy, name: StudyName, display_name: str) -> bool:
    """Restore the study, under a name that must be free; return False if it was purged or restored meanwhile."""
    if not _forget(transaction, deleted.key):
        return False
    values = {
        "new_project": name.parent.project,
        "new_location": name.parent.location,
        "new_id": name.study_id,
        "new_display_name": display_name,
        "new_check": None,
    }
    _RENAME.run(transaction, {"of_study": deleted.key, **values})
    _LEND_AGAIN.run(transaction, {"of_study": deleted.key})
    return True


def purge(transaction: Transaction, key: int) -> None:
    """Purge a deleted study unless it was restored meanwhile; `removal.clear_removed` deletes its rows."""
    if _forget(transaction, key):
        removal.remove(transaction, key)


def overdue(transaction: Transaction, now: float, limit: int) -> list[int]:
    """Return the keys of up to `limit` deleted studies whose time has come by `now`."""
    return [row["study_key"] for row in _OVERDUE.rows(transaction, {"now": now, "limit": limit})]


def count(transaction: Transaction) -> int:
    """Return how many deleted studies can be restored."""
    counted: int = _COUNT.value(transaction)
    return counted


def _forget(transaction: Transaction, key: int) -> bool:
    """Return whether the study was still deleted; others that purge or restore it wait, and find that it is not."""
    return _FORGET.row(transaction, {"of_study": key}) is not None


def _deleted_study(row: Row) -> DeletedStudy:
    return DeletedStudy(
        key=row["study_key"],
        name=StudyName(Location(row["project"], row["location"]), row["study_id"]),
        display_name=row["display_name"],
        trial_count=row["trial_count"],
        delete_time=row["delete_time"],
        purge_time=row["purge_time"],
    )
