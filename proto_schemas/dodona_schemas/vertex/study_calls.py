"""Bodies of the calls about studies."""

from __future__ import annotations

from datetime import datetime

from dodona_schemas.base import Double, Duration, Flag, Int32, Int64, Repeated, TextMap, WireModel, own
from dodona_schemas.vertex.fields import own_request_id
from dodona_schemas.vertex.parameters import ParameterPrior, ParameterSpec
from dodona_schemas.vertex.stopping import StoppingSpecs, StudyStoppingConfig
from dodona_schemas.vertex.study import Study


class CreateStudyRequest(Study):
    """A study to create."""

    request_id: str | None = own_request_id()
    validate_only: Flag | None = own("whether only to check the study: the answer is what would be created")


class ListStudiesResponse(WireModel):
    """A page of studies."""

    studies: Repeated[Study] = []
    next_page_token: str = ""


class LookupStudyRequest(WireModel):
    """Display name of a study to find."""

    display_name: str = ""


class AddParametersRequest(WireModel):
    """Parameters to add to a study's search space."""

    parameters: Repeated[ParameterSpec] = []
    request_id: str | None = own_request_id()


class UpdateMetadataRequest(WireModel):
    """Entries to set; an empty value removes one."""

    metadata: TextMap = {}
    request_id: str | None = own_request_id()


class SetMaxTrialsRequest(WireModel):
    """A new budget of trials."""

    max_num_trials: Int32
    request_id: str | None = own_request_id()


class ReplayStoppingResponse(WireModel):
    """Decisions that the stopping rule "auto" would have made on the curves of a study without a rule.

    `trial_count` is 0 if nobody knows; `summary` says why, or what the others say in numbers. `saved_share` is the part
    of all steps that the stopped trials made after the rule would have stopped them. `lost_trial` is the best trial, if
    the rule would have stopped it.
    """

    trial_count: Int32 = 0
    stopped_trial_count: Int32 = 0
    saved_share: Double = 0.0
    lost_trial: str = ""
    summary: str = ""


class StudyOutlook(WireModel):
    """Use of a study's budget, and the forecast for the rest.

    Compute is the time in which workers ran trials, times their GPUs. `left_trial_count` is how many trials the budget
    still allows at the present pace, absent without a limit. `improvement_chance` is the chance that these bring a
    clear improvement (by a hundredth of the interquartile range of the results); absent while nobody knows.
    """

    finished_trial_count: Int32 = 0
    compute_duration: Duration = 0.0
    cost: Double | None = None
    left_trial_count: Int32 | None = None
    left_duration: Duration | None = None
    left_compute_duration: Duration | None = None
    left_cost: Double | None = None
    improvement_chance: Double | None = None


class RenameStudyRequest(WireModel):
    """A new display name; the id stays."""

    display_name: str = ""
    request_id: str | None = own_request_id()


class SetBudgetRequest(WireModel):
    """A new budget, which replaces all limits of the old one."""

    study_stopping_config: StudyStoppingConfig | None = None
    request_id: str | None = own_request_id()


class NamedPrior(ParameterPrior):
    """Prior of a parameter; without values, its prior is removed."""

    parameter_id: str = ""


class SetPriorsRequest(WireModel):
    """New priors of parameters; those of other parameters stay as they are."""

    priors: Repeated[NamedPrior] = []
    request_id: str | None = own_request_id()


class SetStoppingRuleRequest(StoppingSpecs):
    """A new rule that stops trials early; without one, no trial is stopped any more."""

    request_id: str | None = own_request_id()


class SetWantedWorkersRequest(WireModel):
    """Number of workers that the study should have; without it, the commands that start workers choose."""

    wanted_workers: Int32 | None = None
    request_id: str | None = own_request_id()


class PauseStudyRequest(WireModel):
    """The study suggests no trials until it is resumed."""

    reason: str = ""
    request_id: str | None = own_request_id()


class DeletedStudy(WireModel):
    """A study that was deleted and can be restored until `purge_time`; `study` is the name that it had."""

    name: str
    study: str
    display_name: str = ""
    trial_count: Int64
    delete_time: datetime
    purge_time: datetime


class ListDeletedStudiesResponse(WireModel):
    """Studies that can be restored, the last deleted first; not more than 1,000."""

    deleted_studies: Repeated[DeletedStudy] = []


class UndeleteStudyRequest(WireModel):
    """A deleted study to restore; `study_id` is a new id and display name, if another study has the old one now."""

    study_id: str = ""
    request_id: str | None = own_request_id()


class Event(WireModel):
    """Event of a study; `number` counts from 1 without gaps."""

    number: Int64
    kind: str
    time: datetime
    trial: str | None = None
    detail: str = ""


class ListEventsResponse(WireModel):
    """Events in order; for the next ones, set `after` to the last number."""

    events: Repeated[Event] = []
