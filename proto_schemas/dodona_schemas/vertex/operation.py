"""Operations: the answers to calls that may take long in Vertex; here they are always done."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from dodona_schemas.base import Flag, Repeated, WireModel, own
from dodona_schemas.vertex.study import StudyState
from dodona_schemas.vertex.trial import Trial


class GenericOperationMetadata(WireModel):
    """Times when an operation began and last changed."""

    create_time: datetime
    update_time: datetime


class SuggestTrialsMetadata(WireModel):
    """Client and time of the request."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsMetadata"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsMetadata", alias="@type"
    )
    generic_metadata: GenericOperationMetadata
    client_id: str = ""


class SuggestTrialsResponse(WireModel):
    """Trials to run; no trials and `study_state` COMPLETED mean that the study has nothing left to suggest."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsResponse"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsResponse", alias="@type"
    )
    trials: Repeated[Trial] = []
    study_state: StudyState = StudyState.STATE_UNSPECIFIED
    start_time: datetime | None = None
    end_time: datetime | None = None
    worker_stopped: Flag | None = own("whether the client was asked to stop; `study_state` is then COMPLETED")


class Operation(WireModel):
    """A call to suggest. Dodona completes operations within the call, so they are always done."""

    name: str = ""
    done: bool = False
    metadata: SuggestTrialsMetadata | None = None
    response: SuggestTrialsResponse | None = None


class CheckTrialEarlyStoppingStateMetadata(WireModel):
    """Trial of the request. The name on the wire is misspelled in the protocol."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateMetatdata"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateMetatdata", alias="@type"
    )
    generic_metadata: GenericOperationMetadata
    study: str = ""
    trial: str = ""


class CheckTrialEarlyStoppingStateResponse(WireModel):
    """Decision on whether the trial should stop early."""

    type_: Literal["type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateResponse"] = Field(
        default="type.googleapis.com/google.cloud.aiplatform.v1.CheckTrialEarlyStoppingStateResponse", alias="@type"
    )
    should_stop: bool = False


class EarlyStoppingOperation(WireModel):
    """A call to check a trial's early stopping state; always done."""

    name: str = ""
    done: bool = False
    metadata: CheckTrialEarlyStoppingStateMetadata | None = None
    response: CheckTrialEarlyStoppingStateResponse | None = None


class ListOperationsResponse(WireModel):
    """A page of operations."""

    operations: Repeated[Operation] = []
    next_page_token: str = ""
