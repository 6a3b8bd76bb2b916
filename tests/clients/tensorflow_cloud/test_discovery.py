"""The discovery client of tensorflow-cloud's dialect; every answer is checked against Google's document."""

from __future__ import annotations

import pytest
import requests
from googleapiclient.discovery import build, build_from_document
from googleapiclient.http import HttpRequest

from tests.clients.discovery import Document
from tests.clients.google_clients import credentials
from tests.clients.tensorflow_cloud.configuration import HERE, configuration
from tests.support.patience import patience


def checked(answer, schema):
    """Fails unless an answer is what the discovery document that Google ships says, our own additions set aside."""
    for trial in (answer, *answer.get("trials", ())):
        if trial.get("trialInfeasible"):
            assert trial["state"] == "INFEASIBLE"
            trial["state"] = "COMPLETED"
    ML.check(answer, schema)
    if schema == "GoogleLongrunning__Operation":
        for part in ("metadata", "response"):
            inner = dict(answer[part])
            kind = inner.pop("@type").removeprefix("type.googleapis.com/google.cloud.ml.v1.")
            checked(inner, f"GoogleCloudMlV1__{kind}")
    return answer


ML = Document(
    "ml.v1.json",
    ("", ""),
    {"GoogleCloudMlV1__Trial": {"id"}, "GoogleCloudMlV1__StudyConfig": {"studyStoppingConfig"}},
)


class CheckedRequest(HttpRequest):
    def execute(self, http=None, num_retries=0):
        return checked(super().execute(http, num_retries), ML.answers[self.methodId])


@pytest.fixture(params=["Google's document", "our document"])
def locations(request, caller):
    """The discovery client of the dialect, each of whose answers is checked."""
    known = credentials(caller.token)
    if request.param == "our document":
        address = f"{caller.url}/ml/discovery.json"
        found = requests.get(address, headers=caller.headers, timeout=patience(10)).json()
        service = build_from_document(found, credentials=known, requestBuilder=CheckedRequest)
    else:
        options = {"api_endpoint": f"{caller.url}/ml/"}
        service = build("ml", "v1", credentials=known, client_options=options, requestBuilder=CheckedRequest)
    return service.projects().locations()


@pytest.mark.needs("admin")
def test_every_call_of_the_discovery_client(locations):
    studies, trials = locations.studies(), locations.studies().trials()
    name = f"{HERE}/studies/s"
    body = {"studyConfig": configuration(studyStoppingConfig={"maxNumTrials": 5})}
    created = studies.create(parent=HERE, studyId="s", body=body).execute()
    assert studies.get(name=name).execute() == created
    suggested = trials.suggest(parent=name, body={"clientId": "w", "suggestionCount": 3}).execute()
    assert locations.operations().get(name=suggested["name"]).execute() == suggested
    assert locations.operations().cancel(name=suggested["name"]).execute() == {}
    one, two, three = (trial["name"] for trial in suggested["response"]["trials"])
    measurement = {"stepCount": "1", "elapsedTime": "1.5s", "metrics": [{"metric": "val_loss", "value": 0.5}]}
    trials.addMeasurement(name=one, body={"measurement": measurement}).execute()
    trials.stop(name=one, body={}).execute()
    check = trials.checkEarlyStoppingState(name=one, body={}).execute()
    assert check["response"]["shouldStop"] is True
    trials.complete(name=one, body={}).execute()
    trials.complete(name=two, body={"finalMeasurement": measurement}).execute()
    assert trials.complete(name=three, body={"trialInfeasible": True}).execute()["trialInfeasible"] is True
    parameters = trials.get(name=one).execute()["parameters"]
    assert len(trials.list(parent=name).execute()["trials"]) == 3
    # The first trial was stopped early, so its value is not a final one.
    assert [trial["name"] for trial in trials.listOptimalTrials(parent=name, body={}).execute()["trials"]] == [two]
    # What a worker may not do, and then what an editor may not.
    assert studies.list(parent=HERE).execute() == {"studies": [created]}
    trials.create(parent=name, body={"parameters": parameters}).execute()
    assert len(trials.list(parent=name).execute()["trials"]) == 4
    assert trials.delete(name=three).execute() == {}
    assert studies.delete(name=name).execute() == {}
