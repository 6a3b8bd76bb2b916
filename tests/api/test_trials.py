"""The life of a trial over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.conftest import HERE


def measurement(value, step=0, **more):
    return {"stepCount": step, "metrics": [{"metricId": "loss", "value": value}], **more}


def complete(api, number, value):
    return api.post(f"/studies/s/trials/{number}:complete", {"finalMeasurement": measurement(value, 1)})


@pytest.fixture(params=[True, False], ids=["front", "framework"])
def front(request):
    return request.param


@pytest.fixture
def trial(api, study):
    """The path of an ACTIVE trial."""
    return f"{study}/trials/{api.suggest()[0]['id']}"


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


class TestMeasure:
    def test_measurements_are_kept_in_order_and_the_answer_carries_the_trial(self, api, trial):
        for step, value in ((1, 0.5), (2, "NaN"), (3, 0.0)):
            body = {"measurement": measurement(value, step, elapsedDuration=f"{step}.5s")}
            assert api.post(f"{trial}:addTrialMeasurement", body)["state"] == "ACTIVE"
        kept = api.get(trial)["measurements"]
        assert [one["stepCount"] for one in kept] == ["1", "2", "3"]
        assert [one["metrics"][0]["value"] for one in kept] == [0.5, "NaN", 0.0]
        assert [one["elapsedDuration"] for one in kept] == ["1.500s", "2.500s", "3.500s"]

    def test_an_absent_value_is_zero_and_a_repeat_changes_nothing(self, api, trial):
        body = {"measurement": {"metrics": [{"metricId": "loss"}]}}
        for _ in range(2):
            api.post(f"{trial}:addTrialMeasurement", body)
        assert [one["metrics"] for one in api.get(trial)["measurements"]] == [[{"metricId": "loss", "value": 0.0}]]

    def test_the_answer_tells_a_stopped_worker(self, api, trial):
        assert api.post(f"{trial}:stop")["state"] == "STOPPING"
        answer = api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(0.5, 1)})
        assert answer["state"] == "STOPPING"
        assert complete(api, 1, 0.5)["state"] == "SUCCEEDED"

    def test_only_a_repeat_is_taken_after_the_end(self, api, trial):
        body = {"measurement": measurement(0.5, 1)}
        api.post(f"{trial}:addTrialMeasurement", body)
        complete(api, 1, 0.5)
        assert api.post(f"{trial}:addTrialMeasurement", body)["state"] == "SUCCEEDED"
        late = {"measurement": measurement(0.4, 2)}
        message = api.refused(f"{trial}:addTrialMeasurement", late, "FAILED_PRECONDITION")
        assert "cannot addTrialMeasurement projects/p/locations/l/studies/s/trials/1, which is SUCCEEDED" in message

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({}, "measurement.metrics: is empty"),
            ({"measurement": {"metrics": [{"value": 1}]}}, "measurement.metrics.metricId: is empty"),
            ({"measurement": {"metrics": [{"metricId": "a"}, {"metricId": "a"}]}}, "'a' appears twice"),
            ({"measurement": measurement(1, -1)}, "measurement.stepCount: -1 is below 0"),
            ({"measurement": measurement(1, elapsedDuration="-1s")}, "measurement.elapsedDuration: -1.0 is below 0"),
            ({"measurement": measurement(1, elapsedDuration="soon")}, "'soon' is not a duration"),
            ({"measurement": measurement("high")}, "measurement.metrics[0].value: "),
        ],
    )
    def test_bad_measurements_name_the_field(self, api, trial, body, message):
        assert message in api.refused(f"{trial}:addTrialMeasurement", body)


class TestReport:
    def test_several_measurements_of_several_trials_in_one_call(self, api, study):
        api.suggest(count=2)
        api.post(f"{study}/trials/2:stop")
        reports = [
            {"trial": trial, "measurement": measurement(0.5, step)} for trial, step in (("1", 1), ("2", 1), ("1", 2))
        ]
        trials = api.post(f"{study}/trials:report", {"reports": reports})["trials"]
        assert [(trial["id"], trial["state"]) for trial in trials] == [
            ("1", "ACTIVE"),
            ("2", "STOPPING"),
            ("1", "ACTIVE"),
        ]
        assert [one["stepCount"] for one in api.get(f"{study}/trials/1")["measurements"]] == ["1", "2"]

    def test_one_that_is_refused_takes_the_others_with_it(self, api, trial):
        reports = [
            {"trial": "1", "measurement": measurement(0.5, 1)},
            {"trial": "9", "measurement": measurement(0.5, 1)},
        ]
        assert "trials/9 does not exist" in api.refused("/studies/s/trials:report", {"reports": reports}, "NOT_FOUND")
        assert api.get(trial)["measurements"] == []
        assert "0 reports; 1 to 1000 are allowed" in api.refused("/studies/s/trials:report", {})
        reports[1] = {"trial": "1", "measurement": {}}
        message = api.refused("/studies/s/trials:report", {"reports": reports})
        assert "reports[1].measurement.metrics: is empty" in message


class TestMetadata:
    def test_entries_are_set_and_removed_in_any_state(self, api, study):
        body = {"parameters": [{"parameterId": "x", "value": 0}], "metadata": {"a": "1", "b": "2"}}
        assert api.post(f"{study}/trials", body)["metadata"] == {"a": "1", "b": "2"}
        api.suggest()
        complete(api, 1, 0.5)
        changed = api.post(f"{study}/trials/1:updateMetadata", {"metadata": {"a": "", "c": "3"}})
        assert changed["metadata"] == {"b": "2", "c": "3"}
        assert api.get(f"{study}/trials/1")["metadata"] == changed["metadata"]
        long = {"metadata": {"k" * 257: "v"}}
        assert "is not 1 to 256 characters" in api.refused(f"{study}/trials/1:updateMetadata", long)


class TestComplete:
    def test_with_a_final_measurement(self, api, trial):
        ended = complete(api, 1, 0.25)
        assert (ended["state"], ended["finalMeasurement"]["metrics"][0]["value"]) == ("SUCCEEDED", 0.25)
        assert ended["endTime"] >= ended["startTime"]
        assert complete(api, 1, 0.25) == ended
        other = {"finalMeasurement": measurement(0.5, 1)}
        assert "a finished trial never changes" in api.refused(f"{trial}:complete", other, "FAILED_PRECONDITION")
        assert api.get(trial)["finalMeasurement"] == ended["finalMeasurement"]

    def test_without_one_the_last_measurement_counts(self, api, trial):
        message = api.refused(f"{trial}:complete", None, "FAILED_PRECONDITION")
        assert "no measurement" in message
        for step, value in ((1, 0.1), (2, 0.3)):
            api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(value, step)})
        ended = api.post(f"{trial}:complete")
        assert ended["finalMeasurement"]["metrics"][0]["value"] == 0.3
        assert api.post(f"{trial}:complete") == ended

    def test_without_one_the_best_measurement_counts_if_the_study_says_so(self, api, spec):
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, "measurementSelectionType": "BEST_MEASUREMENT"}})
        api.suggest()
        for step, value in ((1, 0.1), (2, 0.3)):
            api.post("/studies/s/trials/1:addTrialMeasurement", {"measurement": measurement(value, step)})
        assert api.post("/studies/s/trials/1:complete")["finalMeasurement"]["metrics"][0]["value"] == 0.1

    def test_infeasible(self, api, trial):
        body = {"trialInfeasible": True, "infeasibleReason": "out of memory"}
        ended = api.post(f"{trial}:complete", body)
        assert (ended["state"], ended["infeasibleReason"]) == ("INFEASIBLE", "out of memory")
        assert api.post(f"{trial}:complete", body) == ended
        message = api.refused(f"{trial}:complete", {"finalMeasurement": measurement(1)}, "FAILED_PRECONDITION")
        assert "which is INFEASIBLE" in message

    @pytest.mark.parametrize(
        ("metrics", "reason"),
        [
            ([{"metricId": "loss", "value": "NaN"}], "'loss' is nan"),
            ([{"metricId": "other", "value": 1}], "lacks the metric 'loss'"),
        ],
    )
    def test_a_result_that_cannot_stand_makes_the_trial_infeasible(self, api, trial, metrics, reason):
        body = {"finalMeasurement": {"metrics": metrics}}
        ended = api.post(f"{trial}:complete", body)
        assert ended["state"] == "INFEASIBLE"
        assert reason in ended["infeasibleReason"]
        assert api.post(f"{trial}:complete", body) == ended

    def test_a_queued_trial_is_not_running(self, api, study):
        api.post(f"{study}/trials", {"parameters": [{"parameterId": "x", "value": 0.5}]})
        for verb in ("complete", "stop", "addTrialMeasurement"):
            body = {"measurement": measurement(1)}
            message = api.refused(f"{study}/trials/1:{verb}", body, "FAILED_PRECONDITION")
            assert "nobody is running it" in message


class TestCreate:
    def test_a_queued_and_a_finished_trial(self, api, study):
        parameters = [{"parameterId": "x", "value": 1}]
        queued = api.post(f"{study}/trials", {"parameters": parameters, "requestId": "r"})
        assert (queued["state"], queued["parameters"][0]["value"]) == ("REQUESTED", 1.0)
        assert api.post(f"{study}/trials", {"parameters": parameters, "requestId": "r"}) == queued
        done = {"parameters": parameters, "state": "SUCCEEDED", "finalMeasurement": measurement(0.5)}
        finished = api.post(f"{study}/trials", done)
        assert (finished["id"], finished["state"]) == ("2", "SUCCEEDED")
        assert api.post(f"{study}/trials:listOptimalTrials")["optimalTrials"][0]["id"] == "2"

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"parameters": [{"parameterId": "x", "value": 2}]}, "parameters['x']: 2 is not a number from 0.0 to 1.0"),
            (
                {"parameters": [{"parameterId": "x", "value": 0}, {"parameterId": "y", "value": 0}]},
                "'y' is not an active",
            ),
            ({"parameters": [{"parameterId": "x", "value": 0}] * 2}, "'x' appears twice"),
            (
                {"parameters": [{"parameterId": "x", "value": 0}], "state": 4},
                "finalMeasurement: the final measurement lacks the metric 'loss'",
            ),
        ],
    )
    def test_bad_trials_name_the_field(self, api, study, body, message):
        assert message in api.refused(f"{study}/trials", body)


class TestList:
    @pytest.fixture
    def five(self, api, study):
        values = {1: 0.5, 2: 0.1, 3: 0.5, 4: 0.9}
        api.suggest(count=5)
        for number, value in values.items():
            complete(api, number, value)

    def numbers(self, api, query):
        numbers, token = [], ""
        while True:
            page = api.get(f"/studies/s/trials?{query}&pageToken={token}")
            numbers += [int(trial["id"]) for trial in page["trials"]]
            token = page["nextPageToken"]
            if not token:
                return numbers

    def test_all_at_once_or_in_pages(self, api, five):
        assert [trial["id"] for trial in api.get("/studies/s/trials")["trials"]] == list("12345")
        assert self.numbers(api, "pageSize=2") == [1, 2, 3, 4, 5]
        assert self.numbers(api, "pageSize=1&orderBy=objective") == [2, 1, 3, 4]
        assert self.numbers(api, "orderBy=objective") == [2, 1, 3, 4]

    def test_a_ranking_goes_on_where_it_was_although_that_trial_is_deleted(self, api, five):
        page = api.get("/studies/s/trials?pageSize=2&orderBy=objective")
        api.delete("/studies/s/trials/1")
        rest = api.get(f"/studies/s/trials?orderBy=objective&pageToken={page['nextPageToken']}")
        assert [trial["id"] for trial in rest["trials"]] == ["3", "4"]

    def test_a_token_belongs_to_its_list(self, api, five):
        token = api.get("/studies/s/trials?pageSize=1")["nextPageToken"]
        error = api.get(f"/studies/s/trials?pageSize=1&orderBy=objective&pageToken={token}", 400)["error"]
        assert "not a token of this list" in error["message"]
        assert "orderBy: there is no column 'y'" in api.get("/studies/s/trials?orderBy=y", 400)["error"]["message"]

    def test_an_empty_study_and_one_that_is_not_there(self, api, study):
        assert api.get(f"{study}/trials") == {"trials": [], "nextPageToken": ""}
        assert "studies/none does not exist" in api.get("/studies/none/trials", 404)["error"]["message"]

    def test_the_optimal_trials_of_one_metric_are_all_with_its_best_value(self, api, study):
        api.suggest(count=3)
        assert api.post(f"{study}/trials:listOptimalTrials") == {"optimalTrials": []}
        for number, value in ((1, 0.5), (2, 0.1), (3, 0.1)):
            complete(api, number, value)
        optimal = api.post(f"{study}/trials:listOptimalTrials")["optimalTrials"]
        assert [trial["id"] for trial in optimal] == ["2", "3"]

    def test_the_optimal_trials_of_two_metrics_are_the_pareto_front(self, api, spec):
        spec["metrics"].append({"metricId": "acc", "goal": "MAXIMIZE"})
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        assert api.post("/studies/s/trials:listOptimalTrials") == {"optimalTrials": []}
        api.suggest(count=3)
        for number, loss, acc in ((1, 1, 5), (2, 2, 6), (3, 2, 5)):
            metrics = [{"metricId": "acc", "value": acc}, {"metricId": "loss", "value": loss}]
            ended = api.post(f"/studies/s/trials/{number}:complete", {"finalMeasurement": {"metrics": metrics}})
            assert [metric["metricId"] for metric in ended["finalMeasurement"]["metrics"]] == ["loss", "acc"]
        optimal = api.post("/studies/s/trials:listOptimalTrials")
        assert [trial["id"] for trial in optimal["optimalTrials"]] == ["1", "2"]
        # From the worst loss and accuracy, which trial 3 has, to the front.
        assert optimal["hypervolume"] == 0
        worst = [{"metricId": "loss", "value": 2.0}, {"metricId": "acc", "value": 5.0}]
        assert optimal["referencePoint"] == worst

    def test_deleting_gives_the_budget_back_but_never_the_number(self, api, spec):
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, "studyStoppingConfig": {"maxNumTrials": 2}}})
        api.suggest(count=2)
        assert api.delete("/studies/s/trials/1") == {}
        assert "trials/1 does not exist" in api.delete("/studies/s/trials/1", 404)["error"]["message"]
        assert [trial["id"] for trial in api.suggest(client="other", count=2)] == ["3"]


@pytest.mark.parametrize("number", ["0", "x", "-1", "99", "9" * 30])
def test_a_trial_that_is_not_there_is_not_found(api, study, number):
    assert "does not exist" in api.get(f"{study}/trials/{number}", 404)["error"]["message"]
    for verb in ("complete", "stop", "addTrialMeasurement"):
        api.refused(f"{study}/trials/{number}:{verb}", {"measurement": measurement(1)}, "NOT_FOUND")


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


class TestMeasurementsInAnswers:
    """Answers that are a Trial carry its measurements, as Vertex's do."""

    STEPS = [1, 2]  # noqa: RUF012

    @pytest.fixture
    def measured(self, api, trial):
        for step in self.STEPS:
            api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(step / 2, step)})
        return trial

    @staticmethod
    def steps(trial):
        return [int(one["stepCount"]) for one in trial.get("measurements", ())]

    def test_the_calls_of_a_trials_life(self, api, study, trial):
        for step in self.STEPS:
            answer = api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(step / 2, step)})
            assert self.steps(answer) == list(range(1, step + 1))
        (again,) = api.suggest()
        assert (again["id"], self.steps(again)) == ("1", self.STEPS)
        for verb in ("heartbeat", "release"):
            assert self.steps(api.post(f"{trial}:{verb}")) == self.STEPS
        (again,) = api.suggest()
        assert self.steps(again) == self.STEPS
        assert self.steps(api.post(f"{trial}:updateMetadata", {"metadata": {"a": "b"}})) == self.STEPS
        for verb in ("stop", "complete"):
            assert self.steps(api.post(f"{trial}:{verb}")) == self.STEPS

    def test_the_calls_that_find_trials(self, api, study, measured):
        api.post(f"{measured}:complete", {})
        listed = api.get(f"{study}/trials")["trials"]
        ranked = api.get(f"{study}/trials?orderBy=objective")["trials"]
        optimal = api.post(f"{study}/trials:listOptimalTrials")["optimalTrials"]
        assert [self.steps(one) for one in (api.get(measured), *listed, *ranked, *optimal)] == [self.STEPS] * 4

    def test_an_operation_that_is_read_again(self, api, study):
        operation = api.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1})
        trial = operation["response"]["trials"][0]
        assert trial["measurements"] == []
        api.post(f"{study}/trials/{trial['id']}:addTrialMeasurement", {"measurement": measurement(1.0, 1)})
        found = api.get("/operations/" + operation["name"].rpartition("/")[2])
        assert self.steps(found["response"]["trials"][0]) == [1]

    def test_the_basic_view_has_none(self, api, study, measured):
        basic = "?view=BASIC"
        asked = api.post(f"{study}/trials:suggest{basic}", {"clientId": "w", "suggestionCount": 1})
        answers = asked["response"]["trials"]
        report = {"trial": "1", "measurement": measurement(0.5, 3)}
        answers += api.post(f"{study}/trials:report{basic}", {"reports": [report]})["trials"]
        answers.append(api.post(f"{measured}:addTrialMeasurement{basic}", {"measurement": measurement(0.5, 4)}))
        answers += [api.post(f"{measured}:{verb}{basic}") for verb in ("heartbeat", "stop", "complete")]
        answers += api.get(f"{study}/trials{basic}&orderBy=objective")["trials"]
        assert len(answers) == 7
        assert all("measurements" not in one for one in answers)

    def test_the_basic_view_of_what_is_read_has_none(self, api, study, measured):
        (operation,) = api.get("/operations")["operations"]
        path = "/operations/" + operation["name"].rpartition("/")[2]
        ml = f"/ml{HERE}"

        def trials_of(path, method="GET"):
            answer = api.client.request(method, path + "?view=BASIC").json()
            found = answer.get("response", answer)
            return found.get("trials") or found.get("optimalTrials") or [found]

        api.post(f"{measured}:complete", {})
        found = [trials_of(HERE + one)[0] for one in (measured, f"{study}/trials", path)]
        found.append(trials_of(f"{HERE}{path}:wait", "POST")[0])
        found += [trials_of(ml + one)[0] for one in (measured, f"{study}/trials", path)]
        found += [trials_of(f"{ml}{study}/trials:listOptimalTrials", "POST")[0]]
        assert len(found) == 8
        assert all("measurements" not in one and ("id" in one or "name" in one) for one in found)
        (listed,) = api.get("/operations?view=BASIC")["operations"]
        assert "measurements" not in listed["response"]["trials"][0]

    def test_the_basic_view_of_the_older_dialect_has_none(self, api, study, measured):
        ml = f"/ml{HERE}"
        calls = [
            (f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1}),
            (
                f"{measured}:addMeasurement",
                {"measurement": {"stepCount": 9, "metrics": [{"metric": "loss", "value": 1}]}},
            ),
            (f"{measured}:stop", {}),
            (f"{measured}:complete", {}),
        ]
        for path, body in calls:
            for view, has in (("FULL", True), ("BASIC", False)):
                answer = api.client.post(f"{ml}{path}?view={view}", json=body)
                assert answer.status_code == 200, answer.text
                assert ('"measurements"' in answer.text) == has, path

    def test_an_operation_has_no_more_than_a_page_of_them(self, api, study):
        handed = api.suggest(client="many", count=3)
        metrics = [{"metricId": f"{number} {'m' * 250}", "value": 1} for number in range(1000)]
        for trial in handed:
            for first in (1, 7):
                reports = [
                    {"trial": trial["id"], "measurement": {"stepCount": first + step, "metrics": metrics}}
                    for step in range(6)
                ]
                api.post(f"{study}/trials:report?view=BASIC", {"reports": reports})
        (operation,) = api.get("/operations")["operations"]
        again = api.suggest(client="many", count=3)
        for trials in (operation["response"]["trials"], again):
            assert [len(trial.get("measurements", ())) for trial in trials] == [12, 0, 0]
        assert len(api.get(f"{study}/trials/3")["measurements"]) == 12

    def test_a_view_that_there_is_not_is_refused_by_all_calls(self, api, study, measured):
        for path in (f"{study}/trials:suggest", f"{measured}:complete", f"{measured}:stop"):
            assert "view: 'SOME' is not one of FULL, BASIC" in api.refused(f"{path}?view=SOME", {})

    def test_a_queued_trial_keeps_what_was_measured_of_it(self, api, study):
        body = {"parameters": api.suggest(client="v")[0]["parameters"]}
        body["measurements"] = [measurement(step / 2, step) for step in self.STEPS]
        queued = api.post(f"{study}/trials", body)
        assert (queued["state"], self.steps(queued)) == ("REQUESTED", self.STEPS)
        (handed,) = api.suggest()
        assert (handed["id"], self.steps(handed)) == (queued["id"], self.STEPS)
        path = f"{study}/trials/{queued['id']}"
        added = api.post(f"{path}:addTrialMeasurement", {"measurement": measurement(0.25, 3)})
        assert self.steps(added) == [1, 2, 3]
        assert api.post(f"{path}:complete", {})["finalMeasurement"]["stepCount"] == "3"

    def test_a_queued_trial_with_a_wrong_measurement_is_refused(self, api, study):
        body = {"parameters": api.suggest(client="v")[0]["parameters"], "measurements": [measurement(1.0, -1)]}
        assert "measurements[0].measurement.stepCount: -1 is below 0" in api.refused(f"{study}/trials", body)
