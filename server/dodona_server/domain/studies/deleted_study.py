"""A study that was deleted and can be restored."""

from __future__ import annotations

from dataclasses import dataclass

from dodona_server.domain.names import StudyName


@dataclass(frozen=True, slots=True)
class DeletedStudy:
    """A study that was deleted and can be restored.

    Args:
        key: its id among the deleted studies.
        name: the name that it had, which another study may have by now.
        display_name: the display name that it had.
        trial_count: the number of its trials.
        delete_time: when it was deleted, in seconds since the epoch.
        purge_time: from when on its rows and files are deleted for good.
    """

    key: int
    name: StudyName
    display_name: str
    trial_count: int
    delete_time: float
    purge_time: float
