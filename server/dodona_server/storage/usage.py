"""Use of storage by a project: studies, trials, and bytes, for which a row of each artifact or trial is read."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.storage.engine.statement import Statement, in_selected
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import artifacts, deleted_studies, kept, studies, trials

_OF_PROJECT = sa.select(studies.c.key).where(studies.c.project == bindparam("of_project"))
_DELETED = sa.select(deleted_studies.c.study_key).where(deleted_studies.c.project == bindparam("of_project"))


def _sum(size: sa.ColumnElement[int], key: sa.Column[int], *where: sa.ColumnElement[bool]) -> Statement:
    # Deleted studies that can be restored take up space too.
    mine = sa.or_(in_selected(key, _OF_PROJECT), in_selected(key, _DELETED))
    return Statement(sa.select(sa.func.coalesce(sa.func.sum(size), 0)).where(mine, *where))


_ARTIFACTS = _sum(artifacts.c.size, artifacts.c.study_key, kept)
_OF_STUDIES = _sum(sa.func.length(studies.c.metadata), studies.c.key)
_OF_TRIALS = _sum(sa.func.length(trials.c.metadata), trials.c.study_key)

_STUDIES = Statement(sa.select(sa.func.count()).where(studies.c.project == bindparam("of_project")))
_TRIALS = Statement(
    sa.select(sa.func.coalesce(sa.func.sum(studies.c.trial_count), 0)).where(
        studies.c.project == bindparam("of_project")
    )
)


def artifact_bytes(transaction: Transaction, project: str) -> int:
    """Return the bytes of the project's artifacts."""
    return int(_ARTIFACTS.value(transaction, {"of_project": project}))


def metadata_bytes(transaction: Transaction, project: str) -> int:
    """Return the size of the metadata of the project's studies and trials, in characters of JSON."""
    parameters = {"of_project": project}
    return int(_OF_STUDIES.value(transaction, parameters)) + int(_OF_TRIALS.value(transaction, parameters))


def study_count(transaction: Transaction, project: str) -> int:
    """Return the number of the project's studies, without deleted ones."""
    return int(_STUDIES.value(transaction, {"of_project": project}))


def trial_count(transaction: Transaction, project: str) -> int:
    """Return the number of the trials of the project's studies; this reads a row for each study."""
    return int(_TRIALS.value(transaction, {"of_project": project}))
