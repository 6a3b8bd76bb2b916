"""Studies that were deleted and can be restored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dodona_schemas import vertex


@dataclass(frozen=True)
class DeletedStudy:
    """A study that was deleted and can be restored.

    Args:
        id: its id among the deleted studies.
        study_id: the id that it had.
        display_name: the name that it had.
        trial_count: the number of its trials.
        delete_time: when it was deleted.
        purge_time: until when it can be restored.
    """

    id: str
    study_id: str
    display_name: str
    trial_count: int
    delete_time: datetime
    purge_time: datetime


def deleted_study(wire: vertex.DeletedStudy) -> DeletedStudy:
    """Return a deleted study from its message."""
    return DeletedStudy(
        wire.name.rpartition("/")[2],
        wire.study.rpartition("/")[2],
        wire.display_name,
        wire.trial_count,
        wire.delete_time,
        wire.purge_time,
    )
