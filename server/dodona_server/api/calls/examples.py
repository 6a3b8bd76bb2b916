"""An example body for each message that a call reads. All of them are about one study, `digits`."""

from __future__ import annotations

from typing import Any

from dodona_schemas import access, webhooks
from dodona_schemas import caip as ml
from dodona_schemas import vertex as wire
from dodona_schemas.base import WireModel

_METRICS = [{"metricId": "loss", "value": 0.25}]
_MEASUREMENT = {"stepCount": "10", "elapsedDuration": "3.500s", "metrics": _METRICS}
_PARAMETERS = [
    {
        "parameterId": "learning_rate",
        "doubleValueSpec": {"minValue": 0.0001, "maxValue": 0.1},
        "scaleType": "UNIT_LOG_SCALE",
    },
    {
        "parameterId": "optimizer",
        "categoricalValueSpec": {"values": ["adam", "sgd"]},
        "conditionalParameterSpecs": [
            {
                "parentCategoricalValues": {"values": ["sgd"]},
                "parameterSpec": {"parameterId": "momentum", "doubleValueSpec": {"minValue": 0, "maxValue": 0.99}},
            }
        ],
    },
]
_CHOSEN = [
    {"parameterId": "learning_rate", "value": 0.01},
    {"parameterId": "optimizer", "value": "sgd"},
    {"parameterId": "momentum", "value": 0.9},
]
_ML_MEASUREMENT = {"stepCount": "10", "elapsedTime": "3.500s", "metrics": [{"metric": "loss", "value": 0.25}]}

EXAMPLES: dict[type[WireModel], dict[str, Any]] = {
    access.CreateTokenRequest: {
        "displayName": "gpu-box",
        "project": "default",
        "role": "worker",
        "lifetime": "2592000s",
    },
    access.CreateUserRequest: {
        "user": "ada",
        "password": "correct horse battery staple",
        "memberships": [{"project": "default", "role": "editor"}],
    },
    access.SetRoleRequest: {"project": "default", "role": "admin"},
    access.SetPasswordRequest: {"password": "correct horse battery staple"},
    access.SignInRequest: {"user": "ada", "password": "correct horse battery staple"},
    access.RotateTokenRequest: {"overlap": "3600s"},
    wire.AddParametersRequest: {
        "parameters": [
            {"parameterId": "dropout", "doubleValueSpec": {"minValue": 0, "maxValue": 0.5, "defaultValue": 0}}
        ]
    },
    wire.AddTrialMeasurementRequest: {"measurement": _MEASUREMENT},
    wire.CompleteTrialRequest: {"finalMeasurement": _MEASUREMENT},
    wire.CreateTrialRequest: {"parameters": _CHOSEN, "requestId": "my-first-guess"},
    wire.EmptyRequest: {},
    wire.HeartbeatTrialRequest: {"attempt": 1},
    wire.LookupStudyRequest: {"displayName": "Digits"},
    wire.SetMaxTrialsRequest: {"maxNumTrials": 200},
    wire.RenameStudyRequest: {"displayName": "Digits, second try"},
    wire.SetBudgetRequest: {"studyStoppingConfig": {"maxNumTrials": 200, "maxFailedTrials": 20}},
    wire.SetPriorsRequest: {"priors": [{"parameterId": "learning_rate", "values": [0.003], "sure": "VERY"}]},
    wire.SetStoppingRuleRequest: {"medianAutomatedStoppingSpec": {}},
    wire.SetWantedWorkersRequest: {"wantedWorkers": 8},
    wire.StopWorkerRequest: {"clientId": "worker-1", "now": True},
    wire.ResumeWorkerRequest: {"clientId": "worker-1"},
    wire.PauseStudyRequest: {"reason": "the machine is needed for something else"},
    webhooks.CreateWebhookRequest: {"url": "https://example.org/dodona", "kinds": ["STUDY_COMPLETED"]},
    webhooks.UpdateWebhookRequest: {"url": "https://example.org/dodona", "form": "SLACK"},
    wire.UndeleteStudyRequest: {"studyId": "digits-old"},
    wire.ReleaseTrialRequest: {"attempt": 1},
    wire.ReportTrialsRequest: {"reports": [{"trial": "1", "measurement": _MEASUREMENT}]},
    wire.CreateStudyRequest: {
        "studyId": "digits",
        "displayName": "Digits",
        "studySpec": {
            "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
            "parameters": _PARAMETERS,
            "studyStoppingConfig": {"maxNumTrials": 100},
        },
    },
    wire.SuggestTrialsRequest: {"clientId": "worker-1", "suggestionCount": 1, "leaseDuration": "60s"},
    wire.UpdateMetadataRequest: {"metadata": {"owner": "ada", "no longer needed": ""}},
    ml.MlAddTrialMeasurementRequest: {"measurement": _ML_MEASUREMENT},
    ml.MlCompleteTrialRequest: {"finalMeasurement": _ML_MEASUREMENT},
    ml.MlStudy: {
        "studyConfig": {
            "metrics": [{"metric": "loss", "goal": "MINIMIZE"}],
            "parameters": [
                {
                    "parameter": "learning_rate",
                    "type": "DOUBLE",
                    "doubleValueSpec": {"minValue": 0.0001, "maxValue": 0.1},
                    "scaleType": "UNIT_LOG_SCALE",
                }
            ],
        }
    },
    ml.MlSuggestTrialsRequest: {"clientId": "worker-1", "suggestionCount": 1},
    ml.MlTrial: {
        "parameters": [
            {"parameter": "learning_rate", "floatValue": 0.01},
            {"parameter": "optimizer", "stringValue": "sgd"},
            {"parameter": "momentum", "floatValue": 0.9},
        ]
    },
}
