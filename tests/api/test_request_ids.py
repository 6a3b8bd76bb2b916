"""Every call that changes something may be sent again under its id."""

from __future__ import annotations

import pytest

LOSS = {"metrics": [{"metricId": "loss", "value": 0.5}], "stepCount": "1"}
CALLS = [
    ("POST", "/studies/s:addParameters", {"parameters": [{"parameterId": "y", "doubleValueSpec": {"maxValue": 1}}]}),
    ("POST", "/studies/s:updateMetadata", {"metadata": {"a": "b"}}),
    ("POST", "/studies/s:pause", {"reason": "lunch"}),
    ("POST", "/studies/s:setMaxTrials", {"maxNumTrials": 7}),
    ("POST", "/studies/s:setBudget", {"studyStoppingConfig": {"maxFailedTrials": 7}}),
    ("POST", "/studies/s:setStoppingRule", {"medianAutomatedStoppingSpec": {}}),
    ("POST", "/studies/s:rename", {"displayName": "another name"}),
    ("POST", "/studies/s:setWantedWorkers", {"wantedWorkers": 3}),
    ("POST", "/studies/s:archive", {}),
    ("POST", "/studies/s:complete", {}),
    ("POST", "/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.5}]}),
    ("POST", "/studies/s/trials:suggest", {"clientId": "w2", "suggestionCount": 2}),
    ("POST", "/studies/s/trials:report", {"reports": [{"trial": "1", "measurement": LOSS}]}),
    ("POST", "/studies/s/trials/1:addTrialMeasurement", {"measurement": LOSS}),
    ("POST", "/studies/s/trials/1:heartbeat", {}),
    ("POST", "/studies/s/trials/1:updateMetadata", {"metadata": {"a": "b"}}),
    ("POST", "/studies/s/trials/1:stop", {}),
    ("POST", "/studies/s/trials/1:release", {}),
    ("POST", "/studies/s/trials/1:complete", {"finalMeasurement": LOSS}),
    ("DELETE", "/studies/s/trials/1", None),
    ("DELETE", "/studies/s", None),
]


@pytest.fixture(params=[True, False], ids=["front", "framework"])
def front(request):
    return request.param


def send(api, method, path, body, request_id, code=200):
    if method == "DELETE":
        return api.delete(f"{path}?requestId={request_id}", code)
    return api.post(path, {**body, "requestId": request_id}, code)


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=[f"{call[0]} {call[1]}" for call in CALLS])
def test_the_second_call_is_a_no_op_with_the_same_answer(api, make_study, method, path, body):
    make_study()
    api.suggest()
    first = send(api, method, path, body, "once")
    happened = [] if path == "/studies/s" else api.get("/studies/s/events")
    assert send(api, method, path, body, "once") == first
    assert ([] if path == "/studies/s" else api.get("/studies/s/events")) == happened


def test_a_late_copy_undoes_nothing(api, make_study):
    make_study()
    api.post("/studies/s:pause", {"requestId": "p"})
    api.post("/studies/s:resume", {"requestId": "r"})
    api.post("/studies/s:updateMetadata", {"metadata": {"a": "old"}, "requestId": "m"})
    api.post("/studies/s:updateMetadata", {"metadata": {"a": "new"}})
    assert api.post("/studies/s:pause", {"requestId": "p"})["state"] == "ACTIVE"
    assert api.post("/studies/s:updateMetadata", {"metadata": {"a": "old"}, "requestId": "m"})["metadata"] == {
        "a": "new"
    }


def test_a_study_is_created_once_also_without_a_name_and_after_it_has_grown(api, spec):
    body = {"displayName": "", "studySpec": spec, "requestId": "c"}
    first = api.post("/studies", body)
    study = first["name"].rpartition("/")[2]
    grown = {"parameters": [{"parameterId": "y", "doubleValueSpec": {"maxValue": 1}}]}
    api.post(f"/studies/{study}:addParameters", grown)
    assert api.post("/studies", body)["name"] == first["name"]
    assert len(api.get("/studies")["studies"]) == 1
    other = api.post("/studies", {**body, "requestId": "d"})
    assert other["name"] != first["name"]


def test_an_id_belongs_to_its_study(api, make_study, spec):
    make_study()
    api.post("/studies", {"studyId": "t", "studySpec": spec})
    paused = [api.post(f"/studies/{study}:pause", {"requestId": "x"}) for study in "st"]
    assert [study["state"] for study in paused] == ["INACTIVE", "INACTIVE"]
    api.delete("/studies/s?requestId=x")
    make_study()
    # This is another study of the same name.
    assert api.post("/studies/s:pause", {"requestId": "x"})["state"] == "INACTIVE"
    api.delete("/studies/s?requestId=x")
    assert api.get("/studies/s")["state"] == "INACTIVE"


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_suggestions_and_trials_have_ids_like_all_calls(api, make_study, first, second):
    make_study()
    calls = [
        ("/studies/s/trials:suggest", {"clientId": "w", "suggestionCount": 1, "requestId": "x"}),
        ("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.5}], "requestId": "x"}),
        ("/studies/s:pause", {"requestId": "x"}),
    ]
    api.post(*calls[first])
    assert api.refused(*calls[second]).startswith("requestId: 'x' is the id of another request: ")
    assert len(api.get("/studies/s/trials").get("trials", [])) == (1 if first < 2 else 0)


def test_what_a_call_made_may_be_made_again_after_it_was_deleted(api, make_study):
    make_study()
    create = {"parameters": [{"parameterId": "x", "value": 0.5}], "requestId": "c"}
    for number in (1, 2):
        for _ in range(2):
            assert api.post("/studies/s/trials", create)["id"] == str(number)
        api.delete(f"/studies/s/trials/{number}")
    suggest = {"clientId": "w", "suggestionCount": 1, "requestId": "q"}
    for _ in range(2):
        first = api.post("/studies/s/trials:suggest", suggest)
        assert api.post("/studies/s/trials:suggest", suggest) == first
        api.delete("/operations/" + first["name"].rpartition("/")[2])
    # A worker keeps its trial.
    assert first["response"]["trials"][0]["id"] == "3"


def test_an_id_stands_for_one_call(api, make_study):
    make_study()
    api.post("/studies/s:pause", {"requestId": "x"})
    message = api.refused("/studies/s:resume", {"requestId": "x"})
    assert message == "requestId: 'x' is the id of another request: pause projects/p/locations/l/studies/s"
    assert "128" in api.refused("/studies/s:resume", {"requestId": "x" * 129})


def test_what_failed_may_be_tried_again_under_its_id(api, make_study):
    make_study()
    complete = {"requestId": "e", "finalMeasurement": LOSS}
    api.post("/studies/s/trials/1:complete", complete, 404)
    api.suggest()
    assert api.post("/studies/s/trials/1:complete", complete)["state"] == "SUCCEEDED"
