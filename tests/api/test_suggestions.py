"""Suggestions over HTTP: which trials a worker is handed, and the operations that say so."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.conftest import HERE
from tests.api.trial_calls import complete


@pytest.fixture(params=[True, False], ids=["front", "framework"])
def front(request):
    return request.param


class TestSuggest:
    def test_an_operation_comes_back_done_and_can_be_read_again(self, api, study):
        operation = api.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 2})
        types = "type.googleapis.com/google.cloud.aiplatform.v1."
        assert operation["done"] is True
        assert operation["metadata"]["@type"] == types + "SuggestTrialsMetadata"
        assert operation["metadata"]["clientId"] == "w"
        response = operation["response"]
        assert (response["@type"], response["studyState"]) == (types + "SuggestTrialsResponse", "ACTIVE")
        assert [(trial["id"], trial["state"], trial["clientId"]) for trial in response["trials"]] == [
            ("1", "ACTIVE", "w"),
            ("2", "ACTIVE", "w"),
        ]
        operation_id = operation["name"].rpartition("/")[2]
        assert operation["name"] == f"projects/p/locations/l/studies/s/operations/{operation_id}"
        assert api.get(f"{study}/operations/{operation_id}") == operation
        assert api.get(f"/operations/{operation_id}") == operation
        assert "does not exist" in api.get("/operations/none", 404)["error"]["message"]

    def test_own_active_trials_come_first_then_queued_ones_in_order_then_new_ones(self, api, study):
        assert [trial["id"] for trial in api.suggest(client="a")] == ["1"]
        for value in (0.25, 0.5):
            api.post(f"{study}/trials", {"parameters": [{"parameterId": "x", "value": value}]})
        assert [trial["id"] for trial in api.suggest(client="a")] == ["1"]
        handed = api.suggest(client="a", count=4)
        assert [trial["id"] for trial in handed] == ["1", "2", "3", "4"]
        assert [trial["parameters"][0]["value"] for trial in handed[1:3]] == [0.25, 0.5]
        assert {trial["state"] for trial in handed} == {"ACTIVE"}
        assert [trial["id"] for trial in api.suggest(client="b")] == ["5"]

    def test_a_stopping_trial_is_not_handed_back(self, api, study, trial):
        api.post(f"{trial}:stop")
        assert [one["id"] for one in api.suggest()] == ["2"]

    def test_the_same_request_gets_the_same_answer(self, api, study):
        first = api.suggest(client="a", requestId="r")
        complete(api, 1, 0.5)
        again = api.suggest(client="a", requestId="r")
        assert [trial["id"] for trial in again] == [trial["id"] for trial in first] == ["1"]
        assert api.suggest(client="a", requestId="q")[0]["id"] == "2"

    def test_the_budget_ends_the_study(self, api, spec):
        spec["studyStoppingConfig"] = {"maxNumTrials": 3}
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        assert len(api.suggest(client="a", count=2)) == 2
        assert len(api.suggest(client="b", count=2)) == 1
        assert api.suggest(client="c") == []
        again = api.post("/studies/s/trials:suggest", {"clientId": "b", "suggestionCount": 2})["response"]
        assert ([trial["id"] for trial in again["trials"]], again["studyState"]) == (["3"], "COMPLETED")
        body = {"clientId": "c", "suggestionCount": 1}
        assert api.post("/studies/s/trials:suggest", body)["response"]["studyState"] == "COMPLETED"
        assert api.get("/studies/s")["state"] == "ACTIVE"  # trials still run
        for number in (1, 2, 3):
            complete(api, number, 0.5)
        assert api.get("/studies/s")["state"] == "COMPLETED"
        message = api.refused(
            "/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0}]}, "FAILED_PRECONDITION"
        )
        assert "all that its studyStoppingConfig.maxNumTrials allows" in message

    def test_the_budget_holds_whatever_number_of_workers_ask_at_once(self, api, spec):
        spec["studyStoppingConfig"] = {"maxNumTrials": 10}
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda worker: api.suggest(client=f"w{worker}"), range(24)))
        handed = [trial["id"] for answer in answers for trial in answer]
        assert sorted(map(int, handed)) == list(range(1, 11))

    def test_the_same_seed_gives_the_same_trials_on_any_server(self, api, spec):
        for name in ("one", "two"):
            api.post("/studies", {"studyId": name, "studySpec": {**spec, "seed": 5}})
        one, two = (
            [trial["parameters"] for trial in api.suggest(name, count=3)] + [api.suggest(name, "v")[0]["parameters"]]
            for name in ("one", "two")
        )
        assert one == two
        assert one[0] != one[1]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"suggestionCount": 1}, "clientId: '' is not 1 to 256 characters long"),
            ({"clientId": "w"}, "suggestionCount: 0 is not from 1 to 1000"),
            ({"clientId": "w", "suggestionCount": 1001}, "suggestionCount: 1001 is not from 1 to 1000"),
            ({"clientId": "w", "suggestionCount": "few"}, "suggestionCount: 'few' is not an integer"),
            ({"clientId": "w", "suggestionCount": 1, "requestId": "x" * 129}, "requestId: "),
        ],
    )
    def test_bad_requests_name_the_field(self, api, study, body, message):
        assert message in api.refused(f"{study}/trials:suggest", body)

    @pytest.mark.parametrize("content_type", ["application/json", ""])
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ([1], "the body: [1] is not an object"),
            ("few", "the body: 'few' is not an object"),
            ({"suggestionCount": 1.5}, "suggestionCount: 1.5 is not an integer"),
            ({"suggestionCount": 2**40}, f"suggestionCount: {2**40} is above {2**31 - 1}"),
            ({"suggestionCount": "9" * 5000}, "is too large"),
            ({"suggestionCount": True}, "suggestionCount: True is not a number"),
            ({"clientId": 3}, "clientId: 3 is not text"),
            ({"contexts": {}}, "contexts: {} is not a list"),
            ({"contexts": ["a"]}, "contexts[0]: 'a' is not an object"),
            ({"requestId": "x" * 129}, "requestId: has more than 128 characters, the maximum"),
        ],
    )
    def test_every_way_to_the_call_says_the_same_in_words_of_the_protocol(
        self, api, study, body, message, content_type
    ):
        # What is not said to be JSON takes the framework's way.
        said = api.client.post(
            f"{HERE}{study}/trials:suggest", content=json.dumps(body), headers={"Content-Type": content_type}
        )
        assert said.status_code == 400
        assert message in said.json()["error"]["message"]
        assert "Input should" not in said.text

    def test_an_unmet_count_means_the_study_is_done_only_when_the_budget_is(self, api, study):
        answer = api.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 3})["response"]
        assert (len(answer["trials"]), answer["studyState"]) == (3, "ACTIVE")


class TestContexts:
    CONTEXTS = [  # noqa: RUF012
        {"description": "low", "parameters": [{"parameterId": "x", "value": 0.25}]},
        {"parameters": [{"parameterId": "x", "value": 0.75}]},
    ]

    def test_trials_have_the_values_of_a_context_each_in_turn(self, api, study):
        handed = api.suggest(count=5, contexts=self.CONTEXTS)
        assert sorted(trial["parameters"][0]["value"] for trial in handed) == [0.25, 0.25, 0.25, 0.75, 0.75]

    def test_queued_trials_that_fit_go_first(self, api, study):
        for value in (0.5, 0.75):
            api.post(f"{study}/trials", {"parameters": [{"parameterId": "x", "value": value}]})
        assert [trial["id"] for trial in api.suggest(count=2, contexts=self.CONTEXTS)] == ["2", "3"]
        assert [trial["id"] for trial in api.suggest(client="other", contexts=[{}])] == ["1"]

    def test_a_context_must_be_of_the_space(self, api, study):
        for value, message in ((7, "contexts.parameters['x']: 7 is not a number"), (None, "None is not a number")):
            contexts = [{"parameters": [{"parameterId": "x", "value": value}]}]
            body = {"clientId": "w", "suggestionCount": 1, "contexts": contexts}
            assert message in api.refused(f"{study}/trials:suggest", body)


class TestWait:
    def test_a_call_waits_for_a_paused_study(self, api, study):
        api.post(f"{study}:pause")
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(api.suggest, wait="20s")
            while not api.suggest(client="v", wait="0.1s") and not waiting.done():
                api.post(f"{study}:resume")
            assert len(waiting.result()) == 1

    def test_the_wait_ends(self, api, study):
        api.post(f"{study}:pause")
        body = {"clientId": "w", "suggestionCount": 1, "wait": "0.2s"}
        response = api.post(f"{study}/trials:suggest", body)["response"]
        assert (response["trials"], response["studyState"]) == ([], "INACTIVE")
        assert "wait: 31.0 is not from 0 to 30" in api.refused(f"{study}/trials:suggest", {**body, "wait": "31s"})


class TestOperations:
    @pytest.mark.parametrize("root", ["/v1", "/ui"])
    @pytest.mark.parametrize("parent", ["", "/studies/s", "/studies/s/trials/1"])
    def test_they_are_found_wherever_clients_look(self, api, study, root, parent):
        first = api.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1})
        check = api.post(f"{study}/trials/1:checkTrialEarlyStoppingState")
        base = f"{root}/projects/p/locations/l{parent}/operations"
        if root == "/ui":  # where Google's SDK reads them, and refuses fields that it does not know
            assert all(first["response"]["trials"][0].pop(field, None) is not None for field in ("attempt", "metadata"))
        for operation in (first, check):
            url = f"{base}/{operation['name'].rpartition('/')[2]}"
            assert api.client.get(url).json() == operation
            assert api.client.post(f"{url}:wait?timeout=5s").json() == operation
            assert api.client.post(f"{url}:cancel").json() == {}
        assert api.client.get(base).json() == {"operations": [first], "nextPageToken": ""}
        assert api.client.delete(f"{base}/{first['name'].rpartition('/')[2]}").json() == {}
        assert api.client.get(base).json()["operations"] == []
        assert api.client.get(f"{base}/stopcheck.s.x.1.2").status_code == 404

    def test_pages(self, api, study):
        names = {
            api.post(f"{study}/trials:suggest", {"clientId": f"w{worker}", "suggestionCount": 1})["name"]
            for worker in range(5)
        }
        seen, token = set(), ""
        while page := api.get(f"{study}/operations?pageSize=2&pageToken={token}"):
            seen |= {operation["name"] for operation in page["operations"]}
            token = page["nextPageToken"]
            if not token:
                break
        assert seen == names

    def test_the_check_tells_a_stopped_trial(self, api, trial):
        types = "type.googleapis.com/google.cloud.aiplatform.v1."
        check = api.post(f"{trial}:checkTrialEarlyStoppingState")
        assert (check["done"], check["response"]["shouldStop"]) == (True, False)
        assert check["metadata"]["@type"] == types + "CheckTrialEarlyStoppingStateMetatdata"
        assert check["metadata"]["trial"] == "projects/p/locations/l/studies/s/trials/1"
        api.post(f"{trial}:stop")
        assert api.post(f"{trial}:checkTrialEarlyStoppingState")["response"]["shouldStop"] is True
        assert api.get(f"/operations/{check['name'].rpartition('/')[2]}") == check
        assert "does not exist" in api.refused("/studies/s/trials/9:checkTrialEarlyStoppingState", None, "NOT_FOUND")
