"""google-api-python-client with the Vertex document that it ships; every answer is checked against that document."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from googleapiclient.errors import HttpError

from tests.clients.conftest import Caller
from tests.clients.discovery import VERTEX, json_schema
from tests.clients.google_clients import HERE, discovery_client

X = {"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
SPEC = {"metrics": [{"metricId": "loss", "goal": "MINIMIZE"}], "parameters": [X]}


@pytest.fixture
def locations(caller: Caller) -> Any:
    return discovery_client(caller.url, caller.token)


@pytest.fixture
def studies(locations: Any) -> Any:
    return locations.studies()


@pytest.fixture
def trials(studies: Any) -> Any:
    return studies.trials()


@pytest.fixture
def study(studies: Any) -> str:
    """The name of a small study."""
    name: str = create(studies, SPEC)["name"]
    return name


def create(studies: Any, spec: dict[str, Any], name: str = "a study") -> dict[str, Any]:
    created: dict[str, Any] = studies.create(parent=HERE, body={"displayName": name, "studySpec": spec}).execute()
    return created


def suggest(trials: Any, study: str, count: int = 1, client: str = "w") -> dict[str, Any]:
    body = {"suggestionCount": count, "clientId": client}
    operation: dict[str, Any] = trials.suggest(parent=study, body=body).execute()
    return operation


def measurement(loss: float | str, step: int = 0) -> dict[str, Any]:
    return {"stepCount": str(step), "elapsedDuration": f"{step}.5s", "metrics": [{"metricId": "loss", "value": loss}]}


def test_every_field_of_a_spec(studies: Any) -> None:
    condition = {
        "doubleValueSpec": {"minValue": -1, "maxValue": 0, "defaultValue": 0},
        "scaleType": "UNIT_LINEAR_SCALE",
    }
    parents = [
        {
            "parameterId": "names",
            "categoricalValueSpec": {"values": ["a", "b"], "defaultValue": "b"},
            "conditionalParameterSpecs": [
                {"parentCategoricalValues": {"values": ["a"]}, "parameterSpec": {"parameterId": "of a", **condition}}
            ],
        },
        {
            "parameterId": "numbers",
            "discreteValueSpec": {"values": [0.5, 2], "defaultValue": 2},
            "scaleType": "UNIT_LOG_SCALE",
            "conditionalParameterSpecs": [
                {"parentDiscreteValues": {"values": [2]}, "parameterSpec": {"parameterId": "of 2", **condition}}
            ],
        },
        {
            "parameterId": "integers",
            "integerValueSpec": {"minValue": "1", "maxValue": str(2**53), "defaultValue": "1"},
            "scaleType": "UNIT_REVERSE_LOG_SCALE",
            "conditionalParameterSpecs": [
                {"parentIntValues": {"values": ["1"]}, "parameterSpec": {"parameterId": "of 1", **condition}}
            ],
        },
    ]
    spec = {
        "metrics": [
            {"metricId": "loss", "goal": "MINIMIZE"},
            {"metricId": "risk", "goal": "MAXIMIZE", "safetyConfig": {"safetyThreshold": 0}},
        ],
        "parameters": parents,
        "algorithm": "RANDOM_SEARCH",
        "observationNoise": "LOW",
        "measurementSelectionType": "BEST_MEASUREMENT",
        "studyStoppingConfig": {
            "shouldStopAsap": False,
            "minimumRuntimeConstraint": {"maxDuration": "1.500s"},
            "maximumRuntimeConstraint": {"endTime": "2999-01-02T03:04:05Z"},
            "minNumTrials": 1,
            "maxNumTrials": 20,
            "maxNumTrialsNoProgress": 10,
            "maxDurationNoProgress": "3600.000s",
        },
        "convexAutomatedStoppingSpec": {
            "maxStepCount": "100",
            "minStepCount": "0",
            "minMeasurementCount": "3",
            "learningRateParameterName": "integers",
            "useElapsedDuration": True,
            "updateAllStoppedTrials": False,
        },
    }
    assert_has(create(studies, spec)["studySpec"], spec)
    rules = ("decayCurveStoppingSpec", "medianAutomatedStoppingSpec")
    for rule in rules:
        other = {**SPEC, rule: {"useElapsedDuration": False}}
        assert_has(create(studies, other, rule)["studySpec"], other)


def assert_has(found: Any, expected: Any) -> None:
    """All that is expected was found; the server may say more."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in found
            assert_has(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_has(one, other)
    else:
        assert found == expected


@pytest.mark.needs("admin")
def test_studies(studies: Any) -> None:
    created = [create(studies, SPEC, f"study {index}") for index in range(3)]
    assert create(studies, SPEC, "study 0") == created[0]
    assert studies.get(name=created[0]["name"]).execute() == created[0]
    assert studies.lookup(parent=HERE, body={"displayName": "study 1"}).execute() == created[1]
    assert studies.list(parent=HERE).execute()["studies"] == created
    request = studies.list(parent=HERE, pageSize=2)
    pages = []
    while request is not None:
        answer = request.execute()
        pages.append(answer["studies"])
        request = studies.list_next(request, answer)
    assert pages == [created[:2], created[2:]]
    for study in created:
        assert studies.delete(name=study["name"]).execute() == {}
    assert studies.list(parent=HERE).execute()["studies"] == []


def test_a_trial_that_succeeds(trials: Any, study: str) -> None:
    (trial,) = suggest(trials, study)["response"]["trials"]
    name = trial["name"]
    for step in (0, 1):
        body = {"measurement": measurement(0 if step == 0 else "-Infinity", step)}
        assert trials.addTrialMeasurement(trialName=name, body=body).execute()["state"] == "ACTIVE"
    body = {"measurement": measurement("NaN", 2)}
    trials.addTrialMeasurement(trialName=name, body=body).execute()
    measured = trials.get(name=name).execute()["measurements"]
    assert [one["metrics"][0]["value"] for one in measured] == [0, "-Infinity", "NaN"]
    assert [one["stepCount"] for one in measured] == ["0", "1", "2"]
    assert trials.checkTrialEarlyStoppingState(trialName=name, body={}).execute()["response"]["shouldStop"] is False
    assert trials.stop(name=name, body={}).execute()["state"] == "STOPPING"
    assert trials.checkTrialEarlyStoppingState(trialName=name).execute()["response"]["shouldStop"] is True
    ended = trials.complete(name=name, body={"finalMeasurement": measurement(0, 3)}).execute()
    assert (ended["state"], ended["finalMeasurement"]["metrics"][0]["value"]) == ("SUCCEEDED", 0)
    assert trials.listOptimalTrials(parent=study, body={}).execute()["optimalTrials"][0]["id"] == trial["id"]


def test_a_trial_that_fails(trials: Any, study: str) -> None:
    (trial,) = suggest(trials, study)["response"]["trials"]
    body = {"trialInfeasible": True, "infeasibleReason": "out of memory"}
    ended = trials.complete(name=trial["name"], body=body).execute()
    assert (ended["state"], ended["infeasibleReason"]) == ("INFEASIBLE", "out of memory")
    assert trials.listOptimalTrials(parent=study).execute()["optimalTrials"] == []


@pytest.mark.needs("editor")
def test_trials_of_the_users_choice(trials: Any, study: str) -> None:
    parameters = [{"parameterId": "x", "value": 0}]
    assert trials.create(parent=study, body={"parameters": parameters}).execute()["state"] == "REQUESTED"
    done = {"parameters": parameters, "state": "SUCCEEDED", "finalMeasurement": measurement(1)}
    assert trials.create(parent=study, body=done).execute()["state"] == "SUCCEEDED"
    body = {
        "suggestionCount": 2,
        "clientId": "w",
        "contexts": [{"description": "x is 1", "parameters": [{"parameterId": "x", "value": 1}]}],
    }
    handed = trials.suggest(parent=study, body=body).execute()["response"]["trials"]
    assert [one["parameters"] for one in handed] == [[{"parameterId": "x", "value": 1}]] * 2


@pytest.mark.needs("editor")
def test_pages_of_trials_and_deletion(trials: Any, study: str) -> None:
    suggest(trials, study, 5)
    everything = trials.list(parent=study).execute()["trials"]
    first = trials.list(parent=study, pageSize=3).execute()
    second = trials.list(parent=study, pageSize=3, pageToken=first["nextPageToken"]).execute()
    assert first["trials"] + second["trials"] == everything
    assert len(everything) == 5
    assert trials.delete(name=everything[0]["name"]).execute() == {}
    assert trials.list(parent=study).execute()["trials"] == everything[1:]


def test_a_completed_study(studies: Any, trials: Any) -> None:
    study = create(studies, {**SPEC, "studyStoppingConfig": {"maxNumTrials": 1}})["name"]
    (trial,) = suggest(trials, study)["response"]["trials"]
    trials.complete(name=trial["name"], body={"finalMeasurement": measurement(1)}).execute()
    response = suggest(trials, study)["response"]
    assert (response["trials"], response["studyState"]) == ([], "COMPLETED")
    assert studies.get(name=study).execute()["state"] == "COMPLETED"


@pytest.mark.needs("editor")
@pytest.mark.parametrize("parent", ["location", "study", "trial"])
def test_operations(locations: Any, trials: Any, study: str, parent: str) -> None:
    """They are found below any of their parents."""
    made = suggest(trials, study)
    # Looked up later, an operation does not read what its trials remember.
    for trial in made["response"]["trials"]:
        trial["metadata"] = {}
    check = trials.checkTrialEarlyStoppingState(trialName=f"{study}/trials/1").execute()
    operations, prefix = {
        "location": (locations.operations(), HERE),
        "study": (locations.studies().operations(), study),
        "trial": (trials.operations(), f"{study}/trials/1"),
    }[parent]
    for operation in (made, check):
        name = f"{prefix}/operations/{operation['name'].rpartition('/')[2]}"
        assert operations.get(name=name).execute() == operation
        assert operations.wait(name=name, timeout="1s").execute() == operation
        assert operations.cancel(name=name).execute() == {}
    assert operations.list(name=prefix, pageSize=1).execute()["operations"] == [made]
    name = f"{prefix}/operations/{made['name'].rpartition('/')[2]}"
    assert operations.delete(name=name).execute() == {}
    assert operations.list(name=prefix).execute()["operations"] == []
    with pytest.raises(HttpError, match="does not exist"):
        operations.get(name=name).execute()


@pytest.mark.needs("admin")
def test_no_method_of_the_document_is_missing(locations: Any, studies: Any, trials: Any, study: str) -> None:
    (trial,) = suggest(trials, study)["response"]["trials"]
    name = trial["name"]
    requests = [
        studies.create(parent=HERE, body={"displayName": "another", "studySpec": SPEC}),
        studies.get(name=study),
        studies.lookup(parent=HERE, body={"displayName": "another"}),
        trials.suggest(parent=study, body={"suggestionCount": 1, "clientId": "w"}),
        trials.get(name=name),
        trials.list(parent=study),
        trials.addTrialMeasurement(trialName=name, body={"measurement": measurement(1)}),
        trials.checkTrialEarlyStoppingState(trialName=name),
        trials.stop(name=name),
        trials.complete(name=name),
        trials.listOptimalTrials(parent=study),
    ]
    further = [
        studies.list(parent=HERE),
        trials.create(parent=study, body={"parameters": trial["parameters"]}),
    ]
    for parent, operations in ((HERE, locations), (study, studies), (name, trials)):
        made = suggest(trials, study, client=parent)["name"].rpartition("/")[2]
        made = f"{parent}/operations/{made}"
        requests += [getattr(operations.operations(), verb)(name=made) for verb in ("get", "wait", "cancel")]
        further += [operations.operations().delete(name=made), operations.operations().list(name=parent)]
    # From what all of the roles may do to what an administrator may.
    requests += [*further, trials.delete(name=name), studies.delete(name=study)]
    for request in requests:
        request.execute()
    start = "aiplatform.projects.locations."
    known = {method for method in VERTEX.answers if method.startswith((start + "studies.", start + "operations."))}
    assert {request.methodId for request in requests} == known


def test_errors(studies: Any, trials: Any, study: str) -> None:
    suggest(trials, study)
    changed = {"displayName": "a study", "studySpec": {**SPEC, "metrics": [{"metricId": "other"}]}}
    for request, code, status in (
        (studies.get(name=f"{HERE}/studies/none"), 404, "NOT_FOUND"),
        (studies.create(parent=HERE, body={"studySpec": {}}), 400, "INVALID_ARGUMENT"),
        (studies.create(parent=HERE, body=changed), 409, "ALREADY_EXISTS"),
        (trials.complete(name=f"{study}/trials/1"), 400, "FAILED_PRECONDITION"),
        (trials.get(name=f"{study}/trials/9"), 404, "NOT_FOUND"),
        (trials.list(parent=study, pageToken="?"), 400, "INVALID_ARGUMENT"),
    ):
        with pytest.raises(HttpError) as refused:
            request.execute()
        error = json.loads(refused.value.content)["error"]
        assert (refused.value.status_code, error["code"], error.pop("status")) == (code, code, status)
        assert refused.value.reason == error["message"]
        VERTEX.check(error, "GoogleRpcStatus")


@pytest.mark.parametrize("caller", ["worker"], indirect=True)
class TestTheChecking:
    """What would show a mistake in an answer shows a made-up one."""

    @pytest.fixture
    def trial(self, trials: Any, study: str) -> dict[str, Any]:
        found: dict[str, Any] = suggest(trials, study)["response"]["trials"][0]
        return found

    @pytest.mark.parametrize(
        "change",
        [
            {"surprise": 1},
            {"id": 1},
            {"state": "DONE"},
            {"state": 2},
            {"startTime": "2026-01-01T00:00:00"},
            {"measurements": [{"stepCount": 1}]},
            {"measurements": [{"stepCount": "1.0"}]},
            {"measurements": [{"elapsedDuration": "1"}]},
            {"measurements": [{"metrics": [{"metricId": "loss", "value": "0"}]}]},
        ],
        ids=json.dumps,
    )
    def test_a_wrong_trial_is_found(self, trial: dict[str, Any], change: dict[str, Any]) -> None:
        VERTEX.check(trial, "GoogleCloudAiplatformV1Trial")
        with pytest.raises(jsonschema.ValidationError):
            VERTEX.check({**trial, **change}, "GoogleCloudAiplatformV1Trial")

    def test_it_looks_into_operations(self, trials: Any, study: str) -> None:
        operation = suggest(trials, study)
        operation["response"]["trials"][0]["surprise"] = 1
        for message, name in ((operation, "Operation"), ({"operations": [operation]}, "ListOperationsResponse")):
            with pytest.raises(jsonschema.ValidationError, match="surprise"):
                VERTEX.check(message, f"GoogleLongrunning{name}")


def test_unknown_formats_are_not_passed_over() -> None:
    with pytest.raises(KeyError):
        json_schema({"type": "string", "format": "new"})
