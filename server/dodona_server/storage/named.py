"""Conditions on a study that a statement finds by its name, so that it need not wait for the study's key."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import StudyName
from dodona_server.storage.tables.core import studies

OF_NAMED_STUDY = (
    studies.c.project == bindparam("project"),
    studies.c.location == bindparam("location"),
    studies.c.study_id == bindparam("study_id"),
)
NAMED_STUDY_KEY = sa.select(studies.c.key).where(*OF_NAMED_STUDY).scalar_subquery()


def named(study: StudyName) -> dict[str, Any]:
    """Return the parameters of `OF_NAMED_STUDY`."""
    return {"project": study.parent.project, "location": study.parent.location, "study_id": study.study_id}
