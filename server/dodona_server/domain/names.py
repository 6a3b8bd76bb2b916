"""Resource names: the only place that parses and writes them.

A `*_id` is one segment; a name is the whole path: `projects/p/locations/l/studies/s/trials/7`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument, NotFound

# Not "." and "..", which have another meaning in the path of a URL.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
MAX_DISPLAY_NAME_LENGTH = 256
MAX_ARTIFACT_ID_LENGTH = 100


def is_id(value: str) -> bool:
    """Return whether `value` can be a segment of a name."""
    return _ID.fullmatch(value) is not None


def check_id(value: str, field: str) -> str:
    """Return `value`.

    Raises:
        InvalidArgument: it cannot be a segment of a name.
    """
    if not is_id(value):
        raise InvalidArgument(
            f"{value!r} is not a valid id; 1 to 128 letters, digits, '_', '.' and '-' are allowed, but not '.' or '..'",
            field,
        )
    return value


@dataclass(frozen=True, slots=True)
class Location:
    """Project and location of studies; Dodona accepts any."""

    project: str
    location: str

    def __post_init__(self) -> None:
        check_id(self.project, "project")
        check_id(self.location, "location")

    def __str__(self) -> str:
        return f"projects/{self.project}/locations/{self.location}"

    def study(self, name: str) -> StudyName:
        """Return the name of a study from its id in this location, or from its whole name.

        Raises:
            InvalidArgument: it is neither.
        """
        parts = name.split("/")
        if len(parts) == 6:
            return StudyName(Location(parts[1], parts[3]), parts[5])
        return StudyName(self, name)


@dataclass(frozen=True, slots=True)
class StudyName:
    """Name of a study."""

    parent: Location
    study_id: str

    def __post_init__(self) -> None:
        check_id(self.study_id, "study")

    def __str__(self) -> str:
        return f"{self.parent}/studies/{self.study_id}"


def check_display_name(name: str) -> None:
    """Refuse a display name that is empty or too long.

    Raises:
        InvalidArgument: it is.
    """
    if not name:
        raise InvalidArgument(f"is empty; 1 to {MAX_DISPLAY_NAME_LENGTH} characters are allowed", "display_name")
    if len(name) > MAX_DISPLAY_NAME_LENGTH:
        raise InvalidArgument(f"{len(name)} characters; {MAX_DISPLAY_NAME_LENGTH} are allowed", "display_name")


@dataclass(frozen=True, slots=True)
class TrialName:
    """Name of a trial."""

    study: StudyName
    number: int

    @classmethod
    def of(cls, study: StudyName, trial_id: str) -> TrialName:
        """Return the name of the trial whose number is `trial_id`, in decimal digits.

        Raises:
            NotFound: `trial_id` is not a number from 1 on, so no trial has it.
        """
        if not _NUMBER.fullmatch(trial_id):
            raise NotFound(f"{study}/trials/{trial_id} does not exist; trials are numbered from 1 on")
        return cls(study, int(trial_id))

    def __str__(self) -> str:
        return f"{self.study}/trials/{self.number}"


@dataclass(frozen=True, slots=True)
class OperationName:
    """Name of an operation of a study."""

    study: StudyName
    operation_id: str

    def __str__(self) -> str:
        return f"{self.study}/operations/{self.operation_id}"


@dataclass(frozen=True, slots=True)
class ArtifactName:
    """Name of a file of a trial."""

    trial: TrialName
    artifact_id: str

    def __post_init__(self) -> None:
        check_id(self.artifact_id, "artifact")
        if len(self.artifact_id) > MAX_ARTIFACT_ID_LENGTH:
            problem = f"{len(self.artifact_id)} characters; {MAX_ARTIFACT_ID_LENGTH} are allowed"
            raise InvalidArgument(problem, "artifact")

    def __str__(self) -> str:
        return f"{self.trial}/artifacts/{self.artifact_id}"
