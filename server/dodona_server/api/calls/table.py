"""Table of calls: a row for each call that the server answers.

Five places read it: FastAPI's routes (`api/front/route.py`), the front that answers the hot calls
(`api/vertex/loop.py`), the OpenAPI document (`api/openapi.py`), AI Platform's discovery document
(`api/caip/discovery.py`) and the recognition of its requests (`api/caip/dispatch.py`). The function that answers a call
has the row's name.
"""

from __future__ import annotations

from typing import Any

from dodona_schemas import access, artifacts, webhooks
from dodona_schemas import caip as ml
from dodona_schemas import vertex as wire
from dodona_server.api.calls.call import (
    CSV,
    EVENT_STREAM,
    HTML,
    JSON,
    JSON_LINES,
    MARKDOWN,
    OCTETS,
    PARQUET,
    TEXT,
    Call,
    Dialect,
)

# Google's SDK looks for operations below this path instead of "/v1".
GOOGLE_ROOT = "/ui"

LOCATION = "/v1/projects/{project}/locations/{location}"
STUDIES = LOCATION + "/studies"
DELETED = LOCATION + "/deletedStudies"
STUDY = STUDIES + "/{study}"
TRIALS = STUDY + "/trials"
TRIAL = TRIALS + "/{trial}"
ARTIFACT = TRIAL + "/artifacts/{artifact}"
TOKENS = "/v1/tokens"
WEBHOOKS = "/v1/projects/{project}/webhooks"
TOKEN = TOKENS + "/{token}"
USERS = "/v1/users"
AUDIT = "/v1/audit"
SIGN_IN = "/sign-in"
USER = USERS + "/{user}"
# Files of the pages, which are the same for everyone: a browser shows an error page before it knows the token.
STATIC = "/static/"
STUDY_PAGE = "/studies/{project}/{location}/{study}"

GET, POST, PUT, DELETE = "GET", "POST", "PUT", "DELETE"
VERTEX, AIPLATFORM, OWN = Dialect

_LOST = {409: "The attempt was lost: the trial was handed on, or has ended"}
_OTHER_SPEC = {409: "The name belongs to a study with another spec"}
_OTHER_CONFIGURATION = {409: "The name belongs to a study with another configuration"}
_TAKEN = {409: "Another study has the name of the deleted one"}
_NAME_TAKEN = {409: "Another study has that display name"}
_NO_ROOM = {413: "The file is larger than this server allows", 507: "The server has no room left for it"}
_NO_PYARROW = {501: "The server has no pyarrow, which Parquet needs"}
_NO_DATABASE = {503: "The database does not answer"}

_EVENTS = (wire.ListEventsResponse, EVENT_STREAM)
_OPERATION = wire.Operation | wire.EarlyStoppingOperation

# fmt: off


def _operations(parent: str, for_google: bool = False) -> tuple[Call, ...]:
    """Return the calls about operations below `parent`. Ids are unique, so each parent has all operations."""
    path = (GOOGLE_ROOT + parent.removeprefix("/v1") if for_google else parent) + "/operations"
    operation, documented = path + "/{operation}", not for_google
    return (
        Call("list_operations", GET, path, VERTEX,
             None, wire.ListOperationsResponse, documented=documented),
        Call("get_operation", GET, operation, VERTEX,
             None, _OPERATION, documented=documented),
        Call("wait_operation", POST, operation + ":wait", VERTEX,
             wire.EmptyRequest, _OPERATION, documented=documented),
        Call("cancel_operation", POST, operation + ":cancel", VERTEX,
             wire.EmptyRequest, wire.Empty, documented=documented),
        Call("delete_operation", DELETE, operation, VERTEX,
             None, wire.Empty, documented=documented),
    )


def _aiplatform_operations(parent: str, documented: bool = True) -> tuple[Call, ...]:
    operation = parent + "/operations/{operation}"
    return (
        Call("get_operation", GET, operation, AIPLATFORM,
             None, ml.MlOperation, documented=documented),
        Call("cancel_operation", POST, operation + ":cancel", AIPLATFORM,
             wire.EmptyRequest, wire.Empty, documented=documented),
    )


def _page(name: str, path: str, content: str = HTML) -> Call:
    """Return the row of a page or of a file that pages use."""
    return Call(name, GET, path, OWN, None, content, documented=False)


# FastAPI tries the routes in this order, so the calls of the trial loop come first.
CALLS: tuple[Call, ...] = (
    # --- trials
    Call("suggest_trials", POST, TRIALS + ":suggest", VERTEX,
         wire.SuggestTrialsRequest, wire.Operation, hot=True),
    Call("add_trial_measurement", POST, TRIAL + ":addTrialMeasurement", VERTEX,
         wire.AddTrialMeasurementRequest, wire.Trial, _LOST, hot=True),
    Call("complete_trial", POST, TRIAL + ":complete", VERTEX,
         wire.CompleteTrialRequest, wire.Trial, _LOST, hot=True),
    Call("stop_trial", POST, TRIAL + ":stop", VERTEX,
         wire.EmptyRequest, wire.Trial),
    Call("heartbeat_trial", POST, TRIAL + ":heartbeat", OWN,
         wire.HeartbeatTrialRequest, wire.Trial, _LOST, hot=True),
    Call("release_trial", POST, TRIAL + ":release", OWN,
         wire.ReleaseTrialRequest, wire.Trial, _LOST),
    Call("report_trials", POST, TRIALS + ":report", OWN,
         wire.ReportTrialsRequest, wire.ReportTrialsResponse, _LOST),
    Call("update_trial_metadata", POST, TRIAL + ":updateMetadata", OWN,
         wire.UpdateMetadataRequest, wire.Trial),
    Call("list_optimal_trials", POST, TRIALS + ":listOptimalTrials", VERTEX,
         wire.EmptyRequest, wire.ListOptimalTrialsResponse),
    Call("create_trial", POST, TRIALS, VERTEX,
         wire.CreateTrialRequest, wire.Trial),
    Call("list_trials", GET, TRIALS, VERTEX,
         None, wire.ListTrialsResponse),
    Call("get_trial", GET, TRIAL, VERTEX,
         None, wire.Trial),
    Call("explain_trial", GET, TRIAL + ":explain", OWN,
         None, wire.ExplainTrialResponse),
    Call("delete_trial", DELETE, TRIAL, VERTEX,
         None, wire.Empty),

    # --- what a study has to say as a whole
    Call("export_study", GET, STUDY + ":export", OWN,
         None, (CSV, JSON_LINES, PARQUET), _NO_PYARROW),
    Call("get_outlook", GET, STUDY + ":outlook", OWN,
         None, wire.StudyOutlook),
    Call("replay_stopping", GET, STUDY + ":replayStopping", OWN,
         None, wire.ReplayStoppingResponse),
    Call("report_study", GET, STUDY + ":report", OWN,
         None, (HTML, MARKDOWN)),
    Call("list_events", GET, STUDY + "/events", OWN,
         None, _EVENTS),

    # --- artifacts
    Call("save_artifact", PUT, ARTIFACT, OWN,
         OCTETS, artifacts.Artifact, {**_LOST, **_NO_ROOM}),
    Call("get_artifact", GET, ARTIFACT, OWN,
         None, (artifacts.Artifact, OCTETS)),
    Call("list_artifacts", GET, TRIAL + "/artifacts", OWN,
         None, artifacts.ListArtifactsResponse),
    Call("list_artifacts_of_study", GET, STUDY + "/artifacts", OWN,
         None, artifacts.ListArtifactsResponse),
    Call("delete_artifact", DELETE, ARTIFACT, OWN,
         None, wire.Empty, _LOST),

    # --- studies
    Call("create_study", POST, STUDIES, VERTEX,
         wire.CreateStudyRequest, wire.Study, _OTHER_SPEC),
    Call("lookup_study", POST, STUDIES + ":lookup", VERTEX,
         wire.LookupStudyRequest, wire.Study),
    Call("list_studies", GET, STUDIES, VERTEX,
         None, wire.ListStudiesResponse),
    Call("rename_study", POST, STUDY + ":rename", OWN,
         wire.RenameStudyRequest, wire.Study, _NAME_TAKEN),
    Call("set_budget", POST, STUDY + ":setBudget", OWN,
         wire.SetBudgetRequest, wire.Study),
    Call("set_priors", POST, STUDY + ":setPriors", OWN,
         wire.SetPriorsRequest, wire.Study),
    Call("set_stopping_rule", POST, STUDY + ":setStoppingRule", OWN,
         wire.SetStoppingRuleRequest, wire.Study),
    Call("set_wanted_workers", POST, STUDY + ":setWantedWorkers", OWN,
         wire.SetWantedWorkersRequest, wire.Study),
    Call("archive_study", POST, STUDY + ":archive", OWN,
         wire.EmptyRequest, wire.Study),
    Call("unarchive_study", POST, STUDY + ":unarchive", OWN,
         wire.EmptyRequest, wire.Study),
    Call("add_parameters", POST, STUDY + ":addParameters", OWN,
         wire.AddParametersRequest, wire.Study),
    Call("update_study_metadata", POST, STUDY + ":updateMetadata", OWN,
         wire.UpdateMetadataRequest, wire.Study),
    Call("set_max_trials", POST, STUDY + ":setMaxTrials", OWN,
         wire.SetMaxTrialsRequest, wire.Study),
    Call("pause_study", POST, STUDY + ":pause", OWN,
         wire.PauseStudyRequest, wire.Study),
    Call("resume_study", POST, STUDY + ":resume", OWN,
         wire.EmptyRequest, wire.Study),
    Call("complete_study", POST, STUDY + ":complete", OWN,
         wire.EmptyRequest, wire.Study),
    Call("get_study", GET, STUDY, VERTEX,
         None, wire.Study),
    Call("delete_study", DELETE, STUDY, VERTEX,
         None, wire.Empty),

    Call("list_deleted_studies", GET, DELETED, OWN,
         None, wire.ListDeletedStudiesResponse),
    Call("undelete_study", POST, DELETED + "/{deleted_study}:undelete", OWN,
         wire.UndeleteStudyRequest, wire.Study, _TAKEN),
    Call("purge_study", DELETE, DELETED + "/{deleted_study}", OWN,
         None, wire.Empty),
    # --- workers
    Call("list_workers", GET, STUDY + "/workers", OWN,
         None, wire.ListWorkersResponse),
    Call("list_all_workers", GET, LOCATION + "/workers", OWN,
         None, wire.ListWorkersResponse),
    Call("stop_worker", POST, STUDY + "/workers:stop", OWN,
         wire.StopWorkerRequest, wire.Worker),
    Call("resume_worker", POST, STUDY + "/workers:resume", OWN,
         wire.ResumeWorkerRequest, wire.Worker),

    # --- who calls
    Call("get_caller", GET, LOCATION + "/caller", OWN,
         None, access.Caller),
    # The tools of assistants; its messages are those of the Model Context Protocol.
    Call("mcp", POST, "/mcp", OWN,
         None, JSON, {501: "The server has no mcp, which assistants need"}, documented=False),

    # --- operations
    Call("check_trial_early_stopping_state", POST, TRIAL + ":checkTrialEarlyStoppingState", VERTEX,
         wire.EmptyRequest, wire.EarlyStoppingOperation),
    *_operations(LOCATION),
    *_operations(LOCATION, for_google=True),
    *_operations(STUDY),
    *_operations(STUDY, for_google=True),
    *_operations(TRIAL),
    *_operations(TRIAL, for_google=True),

    # --- AI Platform
    Call("suggest_trials", POST, TRIALS + ":suggest", AIPLATFORM,
         ml.MlSuggestTrialsRequest, ml.MlOperation),
    Call("add_measurement", POST, TRIAL + ":addMeasurement", AIPLATFORM,
         ml.MlAddTrialMeasurementRequest, ml.MlTrial),
    Call("check_early_stopping_state", POST, TRIAL + ":checkEarlyStoppingState", AIPLATFORM,
         wire.EmptyRequest, ml.MlOperation),
    Call("stop_trial", POST, TRIAL + ":stop", AIPLATFORM,
         wire.EmptyRequest, ml.MlTrial),
    Call("complete_trial", POST, TRIAL + ":complete", AIPLATFORM,
         ml.MlCompleteTrialRequest, ml.MlTrial),
    Call("list_optimal_trials", POST, TRIALS + ":listOptimalTrials", AIPLATFORM,
         wire.EmptyRequest, ml.MlListOptimalTrialsResponse),
    Call("create_trial", POST, TRIALS, AIPLATFORM,
         ml.MlTrial, ml.MlTrial),
    Call("list_trials", GET, TRIALS, AIPLATFORM,
         None, ml.MlListTrialsResponse),
    Call("get_trial", GET, TRIAL, AIPLATFORM,
         None, ml.MlTrial),
    Call("delete_trial", DELETE, TRIAL, AIPLATFORM,
         None, wire.Empty),
    Call("create_study", POST, STUDIES, AIPLATFORM,
         ml.MlStudy, ml.MlStudy, _OTHER_CONFIGURATION),
    Call("list_studies", GET, STUDIES, AIPLATFORM,
         None, ml.MlListStudiesResponse),
    Call("get_study", GET, STUDY, AIPLATFORM,
         None, ml.MlStudy),
    Call("delete_study", DELETE, STUDY, AIPLATFORM,
         None, wire.Empty),
    *_aiplatform_operations(LOCATION),
    *_aiplatform_operations(STUDY, documented=False),
    *_aiplatform_operations(TRIAL, documented=False),
    Call("get_discovery_document", GET, "/discovery.json", AIPLATFORM,
         None, dict[str, Any]),

    # --- tokens
    Call("create_token", POST, TOKENS, OWN,
         access.CreateTokenRequest, access.Token),
    Call("list_tokens", GET, TOKENS, OWN,
         None, access.ListTokensResponse),
    Call("revoke_token", DELETE, TOKEN, OWN,
         None, wire.Empty),
    Call("rotate_token", POST, TOKEN + ":rotate", OWN,
         access.RotateTokenRequest, access.Token),

    # --- users
    Call("create_user", POST, USERS, OWN,
         access.CreateUserRequest, access.User, {409: "Somebody has the name"}),
    Call("list_users", GET, USERS, OWN,
         None, access.ListUsersResponse),
    Call("set_role", POST, USER + ":setRole", OWN,
         access.SetRoleRequest, access.User),
    Call("set_password", POST, USER + ":setPassword", OWN,
         access.SetPasswordRequest, wire.Empty),
    Call("delete_user", DELETE, USER, OWN,
         None, wire.Empty),

    # --- the server itself
    Call("healthz", GET, "/healthz", OWN,
         None, TEXT),
    Call("readyz", GET, "/readyz", OWN,
         None, TEXT, _NO_DATABASE),

    # --- the audit log
    Call("list_audit", GET, AUDIT, OWN,
         None, access.ListAuditResponse),
    Call("export_audit", GET, AUDIT + ":export", OWN,
         None, JSON_LINES),

    # --- signing in, in a browser
    Call("sign_in", POST, SIGN_IN, OWN,
         access.SignInRequest, wire.Empty, {401: "The name, the password or the token is wrong"}, documented=False),
    Call("sign_out", POST, "/sign-out", OWN,
         wire.EmptyRequest, wire.Empty, documented=False),
    # --- webhooks
    Call("create_webhook", POST, WEBHOOKS, OWN,
         webhooks.CreateWebhookRequest, webhooks.Webhook),
    Call("list_webhooks", GET, WEBHOOKS, OWN,
         None, webhooks.ListWebhooksResponse),
    Call("delete_webhook", DELETE, WEBHOOKS + "/{webhook}", OWN,
         None, wire.Empty),
    Call("update_webhook", POST, WEBHOOKS + "/{webhook}:update", OWN,
         webhooks.UpdateWebhookRequest, webhooks.Webhook),
    Call("try_webhook", POST, WEBHOOKS + "/{webhook}:test", OWN,
         wire.EmptyRequest, webhooks.Delivery),

    Call("metrics", GET, "/metrics", OWN,
         None, TEXT, _NO_DATABASE),

    # --- pages
    _page("sign_in_page", SIGN_IN),
    _page("oidc_begin", SIGN_IN + "/oidc"),
    _page("oidc_end", SIGN_IN + "/oidc/callback"),
    _page("access_page", "/access"),
    _page("audit_page", "/audit"),
    _page("all_studies", "/"),
    _page("new_study", "/new"),
    _page("deleted", "/deleted"),
    _page("webhooks", "/webhooks"),
    _page("one_study", STUDY_PAGE),
    _page("figure_of_study", STUDY_PAGE + "/figures/{figure}", JSON),
    _page("compare", "/compare"),
    _page("compare_data", "/compare/data", JSON),
    _page("changes_of_all", "/changes", EVENT_STREAM),
    _page("changes_of_study", STUDY_PAGE + "/changes", EVENT_STREAM),
    _page("one_trial", STUDY_PAGE + "/trials/{trial}"),
    _page("one_artifact", STUDY_PAGE + "/trials/{trial}/files/{artifact}"),
    _page("artifact_image", STUDY_PAGE + "/trials/{trial}/images/{artifact}", OCTETS),
    _page("all_workers", "/workers"),
    _page("server_state", "/server"),
    _page("static_file", STATIC + "{version}/{path}", OCTETS),
    _page("anything_else", "/studies{path:path}"),
    _page("docs", "/docs"),
    _page("openapi_document", "/openapi.json", JSON),
    _page("swagger_ui_bundle_js", "/swagger/swagger-ui-bundle.js", "application/javascript"),
    _page("swagger_ui_css", "/swagger/swagger-ui.css", "text/css"),
    _page("swagger_favicon_png", "/swagger/favicon-32x32.png", "image/png"),
)

# fmt: on


def row(name: str) -> Call:
    """Return the only row of that name."""
    (call,) = (call for call in CALLS if call.name == name)
    return call
