"""The bodies of the calls about studies."""

from __future__ import annotations

from datetime import datetime

from dodona_schemas.base import Int32, Int64, Repeated, TextMap, WireModel
from dodona_schemas.vertex.fields import RequestId
from dodona_schemas.vertex.study import ParameterSpec, Study


class CreateStudyRequest(Study):
    """A study to create."""

    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class ListStudiesResponse(WireModel):
    """A page of studies."""

    studies: Repeated[Study] = []
    next_page_token: str = ""


class LookupStudyRequest(WireModel):
    """Finds a study by the name people gave it."""

    display_name: str = ""


class AddParametersRequest(WireModel):
    """Dodona's own: parameters by which a study's search space grows."""

    parameters: Repeated[ParameterSpec] = []
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class UpdateMetadataRequest(WireModel):
    """Dodona's own: entries to set; an empty value removes one."""

    metadata: TextMap = {}
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class SetMaxTrialsRequest(WireModel):
    """Dodona's own: gives the study another budget of trials."""

    max_num_trials: Int32
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class PauseStudyRequest(WireModel):
    """Dodona's own: no trials are handed out until the study is resumed."""

    reason: str = ""
    # Dodona's own: the same id again gets the same answer; it is remembered for a day.
    request_id: RequestId | None = None


class Event(WireModel):
    """Dodona's own: something that has happened in a study; `number` counts from 1 on without gaps."""

    number: Int64
    kind: str
    time: datetime
    trial: str | None = None
    detail: str = ""


class ListEventsResponse(WireModel):
    """Dodona's own: events in order; ask again with `after` set to the last number."""

    events: Repeated[Event] = []
