"""State machine of studies: what each verb does in each state."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.studies.study import StudyState


class StudyVerb(enum.StrEnum):
    """An action on a study's state."""

    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class MoveStudy:
    """The verb moves the study to the state `to`."""

    to: StudyState


STUDY_TRANSITIONS: dict[StudyVerb, dict[StudyState, MoveStudy | Ignore | Refuse]] = {
    StudyVerb.PAUSE: {
        StudyState.ACTIVE: MoveStudy(StudyState.INACTIVE),
        StudyState.INACTIVE: Ignore(),
        StudyState.COMPLETED: Refuse("it suggests no trials that could be paused"),
    },
    StudyVerb.RESUME: {
        StudyState.ACTIVE: Ignore(),
        StudyState.INACTIVE: MoveStudy(StudyState.ACTIVE),
        StudyState.COMPLETED: MoveStudy(StudyState.ACTIVE),
    },
    StudyVerb.COMPLETE: {
        StudyState.ACTIVE: MoveStudy(StudyState.COMPLETED),
        StudyState.INACTIVE: MoveStudy(StudyState.COMPLETED),
        StudyState.COMPLETED: Ignore(),
    },
}
