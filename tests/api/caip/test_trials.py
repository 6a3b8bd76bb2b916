"""Trials in the AI Platform dialect, without the answers that the client of tensorflow-cloud fails on."""

from __future__ import annotations

from dodona_server.api.caip import routes
from tests.api.caip.conftest import LOCATION, TYPES, finish, listed, measurement, report
from tests.api.conftest import HERE


class TestTrials:
    def test_one_from_its_beginning_to_its_end(self, ml, study):
        operation = ml.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1})
        assert (operation["done"], "error" in operation) == (True, False)
        assert operation["metadata"]["@type"] == TYPES + "SuggestTrialsMetadata"
        assert (operation["metadata"]["study"], operation["metadata"]["clientId"]) == (f"{LOCATION}{study}", "w")
        assert operation["response"]["@type"] == TYPES + "SuggestTrialsResponse"
        assert operation["response"]["studyState"] == "ACTIVE"
        (handed,) = operation["response"]["trials"]
        assert (handed["name"], handed["state"]) == (f"{LOCATION}/studies/s/trials/1", "ACTIVE")
        assert (handed["clientId"], handed["trialInfeasible"]) == ("w", False)
        # Its clients can only ask for operations below the location.
        assert operation["name"].startswith(f"{LOCATION}/operations/")
        assert ml.get(operation["name"].removeprefix(LOCATION)) == operation
        assert ml.get(f"{study}{operation['name'].removeprefix(LOCATION)}") == operation
        assert ml.post(f"{operation['name'].removeprefix(LOCATION)}:cancel") == {}
        assert ml.get("/operations/none", 404)["error"]["status"] == "NOT_FOUND"
        trial = f"{study}/trials/1"
        for step in (0, 1):
            assert report(ml, trial, 0.5 - step / 2, step)["state"] == "ACTIVE"
        ended = finish(ml, trial)
        assert (ended["state"], ended["trialInfeasible"]) == ("COMPLETED", False)
        assert ended["finalMeasurement"] == {
            "elapsedTime": "2.000s",
            "stepCount": "1",
            "metrics": [{"metric": "val_loss", "value": 0.0}],
        }
        whole = ml.get(trial)
        assert [one["stepCount"] for one in whole["measurements"]] == ["0", "1"]
        assert whole.items() >= {name: ended[name] for name in ("state", "finalMeasurement", "endTime")}.items()

    def test_values_are_rendered_by_their_type_and_discrete_integers_stay_integers(self, ml, study):
        for handed in ml.suggest(count=20):
            values = {one.pop("parameter"): one for one in handed["parameters"]}
            assert [list(one) for one in values.values()] == [
                ["floatValue"],
                ["intValue"],
                ["intValue"],
                ["floatValue"],
                ["stringValue"],
            ]
            assert 1 <= int(values["layers"]["intValue"]) <= 4
            assert values["units"]["intValue"] in {"16", "32", "64"}
            assert values["keep"]["floatValue"] in {0.5, 1.0}
            assert values["bias"]["stringValue"] in {"True", "False"}

    def test_the_users_own_trials_are_queued_or_done(self, ml, study):
        parameters = [
            {"parameter": "lr", "floatValue": 0.01},
            {"parameter": "layers", "intValue": "2"},
            {"parameter": "units", "float_value": 16.0},
            {"parameter": "keep", "intValue": 1},
            {"parameter": "bias", "stringValue": "False"},
        ]
        queued = ml.post(f"{study}/trials", {"parameters": parameters})
        assert queued["state"] == "REQUESTED"
        assert queued["parameters"][2] == {"parameter": "units", "intValue": "16"}
        assert queued["parameters"][3] == {"parameter": "keep", "floatValue": 1.0}
        done = ml.post(
            f"{study}/trials",
            {"parameters": parameters, "state": "COMPLETED", "finalMeasurement": measurement(0.5, 1)},
        )
        assert (done["state"], done["finalMeasurement"]["metrics"][0]["value"]) == ("COMPLETED", 0.5)
        assert ml.suggest()[0]["id"] == queued["id"]
        (best,) = ml.post(f"{study}/trials:listOptimalTrials")["trials"]
        assert (best["id"], best["finalMeasurement"]) == (done["id"], done["finalMeasurement"])

    def test_answers_carry_the_measurements(self, ml, study, trial):
        def steps(answer):
            return [int(one["stepCount"]) for one in answer.get("measurements", ())]

        assert steps(report(ml, trial, 1.0, 1)) == [1]
        assert steps(report(ml, trial, 0.5, 2)) == [1, 2]
        (again,) = ml.suggest()
        assert steps(again) == [1, 2]
        for verb in ("stop", "complete"):
            assert steps(ml.post(f"{trial}:{verb}", {})) == [1, 2]
        assert [steps(one) for one in ml.post(f"{study}/trials:listOptimalTrials", {})["trials"]] == [[1, 2]]
        body = {"parameters": again["parameters"], "measurements": [measurement(1.0, 4)]}
        queued = ml.post(f"{study}/trials", body)
        assert (queued["state"], steps(queued)) == ("REQUESTED", [4])
        (handed,) = ml.suggest()
        assert (handed["name"], steps(handed)) == (queued["name"], [4])

    def test_a_parameter_has_one_value(self, ml, study):
        for value, message in (
            ({}, "parameters: 'lr' needs exactly one of floatValue, intValue, stringValue"),
            ({"floatValue": 1, "intValue": 1}, "parameters: 'lr' needs exactly one of"),
            ({"stringValue": "high"}, "parameters['lr']: 'high' is not a number"),
        ):
            assert message in ml.refused(f"{study}/trials", {"parameters": [{"parameter": "lr", **value}]})

    def test_errors_name_the_dialects_fields(self, ml, trial):
        body = {"measurement": {"metrics": [{"value": 1}]}}
        assert ml.refused(f"{trial}:addMeasurement", body).startswith("measurement.metrics.metric: is empty")
        body = {"measurement": measurement(0.5, elapsedTime="-1s")}
        assert ml.refused(f"{trial}:addMeasurement", body).startswith("measurement.elapsedTime: -1.0 is below 0")


class TestFaultsOfTheClientAreNotMet:
    """One test for each answer that tensorflow-cloud's client fails on."""

    def test_an_answer_to_suggest_always_has_trials(self, ml, config):
        config["studyStoppingConfig"] = {"maxNumTrials": 1}
        ml.post("/studies?studyId=s", {"studyConfig": config})
        assert len(ml.suggest(client="a")) == 1
        operation = ml.post("/studies/s/trials:suggest", {"client_id": "b", "suggestion_count": 1})
        assert (operation["response"]["trials"], operation["response"]["studyState"]) == ([], "COMPLETED")
        assert ml.get(operation["name"].removeprefix(LOCATION))["response"]["trials"] == []

    def test_a_suggestion_fails_as_a_status_and_not_as_an_operation(self, ml, study):
        body = {"client_id": "w", "suggestion_count": 1}
        assert "does not exist" in ml.refused("/studies/none/trials:suggest", body, "NOT_FOUND")
        assert "clientId: ''" in ml.refused(f"{study}/trials:suggest", {"suggestion_count": 1})

    def test_a_metric_of_zero_has_its_value(self, ml, trial):
        report(ml, trial, 0.0)
        zero = [{"metric": "val_loss", "value": 0.0}]
        assert finish(ml, trial)["finalMeasurement"]["metrics"] == zero
        (one,) = listed(ml)
        assert one["finalMeasurement"]["metrics"] == one["measurements"][0]["metrics"] == zero
        assert one["finalMeasurement"]["stepCount"] == "0"

    def test_an_infeasible_trial_is_not_shown_as_completed(self, ml, trial):
        body = {"trial_infeasible": True, "infeasible_reason": "INVALID"}
        ended = ml.post(f"{trial}:complete", body)
        assert (ended["state"], ended["trialInfeasible"]) == ("INFEASIBLE", True)
        assert ended["infeasibleReason"] == "INVALID"
        assert listed(ml)[0]["state"] == ml.get(trial)["state"] == "INFEASIBLE"

    def test_an_objective_that_is_no_number_makes_a_trial_infeasible(self, ml, study):
        for value in ("NaN", "Infinity", "-Infinity"):
            trial = f"{study}/trials/{ml.suggest()[0]['id']}"
            report(ml, trial, value)
            ended = finish(ml, trial)
            assert (ended["state"], ended["trialInfeasible"]) == ("INFEASIBLE", True)
            assert ended["infeasibleReason"].startswith("the final value of the metric 'val_loss' is")
            assert ended["finalMeasurement"]["metrics"][0]["value"] == value

    def test_the_objective_stands_first_in_the_final_measurement(self, ml, trial):
        metrics = [{"metric": "accuracy", "value": 0.9}, {"metric": "val_loss", "value": 0.1}]
        ml.post(f"{trial}:addMeasurement", {"measurement": {"stepCount": 1, "metrics": metrics}})
        assert [one["metric"] for one in finish(ml, trial)["finalMeasurement"]["metrics"]] == ["val_loss", "accuracy"]

    def test_lists_show_a_trial_that_is_to_stop_as_active(self, ml, trial):
        assert ml.post(f"{trial}:stop")["state"] == "STOPPING"
        assert [one["state"] for one in listed(ml)] == ["ACTIVE"]
        assert ml.get(trial)["state"] == "STOPPING"
        check = ml.post(f"{trial}:checkEarlyStoppingState")
        assert (check["done"], check["response"]["shouldStop"]) == (True, True)
        assert check["metadata"]["@type"] == TYPES + "CheckTrialEarlyStoppingStateMetatdata"
        assert check["metadata"]["trial"] == f"{LOCATION}{trial}"
        assert ml.get(check["name"].removeprefix(LOCATION)) == check
        report(ml, trial, 0.5, 3)
        assert finish(ml, trial)["state"] == "COMPLETED"

    def test_the_answer_to_a_check_always_says_whether_to_stop(self, ml, trial):
        assert ml.post(f"{trial}:checkEarlyStoppingState")["response"]["shouldStop"] is False

    def test_an_exhausted_study_is_never_answered_with_429(self, ml, config):
        config["studyStoppingConfig"] = {"maxNumTrials": 1}
        ml.post("/studies?studyId=s", {"studyConfig": config})
        (only,) = ml.suggest()
        report(ml, f"/studies/s/trials/{only['id']}", 0.5)
        finish(ml, f"/studies/s/trials/{only['id']}")
        for worker in range(3):
            assert ml.suggest(client=f"w{worker}") == []

    def test_lists_have_no_pages(self, ml, config, monkeypatch):
        monkeypatch.setattr(routes, "MAX_PAGE_SIZE", 2)
        for count in range(6):
            assert [one["name"].rpartition("/")[2] for one in ml.get("/studies?pageSize=1")["studies"]] == [
                f"s{number}" for number in range(count)
            ]
            ml.post(f"/studies?studyId=s{count}", {"study_config": config})
            if count:
                ml.suggest(f"s{count}", count=count)
            answer = ml.get(f"/studies/s{count}/trials?pageSize=1")
            assert [trial["id"] for trial in answer["trials"]] == [str(number + 1) for number in range(count)]
            assert answer.keys() == {"trials"}

    def test_the_first_report_may_be_of_no_step_and_no_time(self, ml, trial):
        report(ml, trial, 0.5)
        body = {"measurement": {"stepCount": 0, "elapsedTime": {"seconds": 0}, "metrics": []}}
        body["measurement"]["metrics"] = [{"metric": "val_loss", "value": 0.25}]
        assert ml.post(f"{trial}:addMeasurement", body)["state"] == "ACTIVE"

    def test_every_error_closes_its_connection_too(self, ml, study):
        assert ml.get("/studies/none", 404)["error"]["code"] == 404
        assert ml.call("PUT", "/studies", code=405)["error"]["status"] == "UNIMPLEMENTED"
        refused = ml.client.post(
            f"/ml{HERE}{study}/trials:suggest", content=b"x", headers={"content-type": "text/plain"}
        )
        assert (refused.status_code, refused.headers["connection"]) == (415, "close")
