"""The life of a trial over HTTP: how it is created, completed, found and deleted."""

from __future__ import annotations

import pytest

from tests.api.trial_calls import complete, measurement


@pytest.fixture(params=[True, False], ids=["front", "framework"])
def front(request):
    return request.param


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
