"""The AI Platform dialect over HTTP: the studies of the other dialect under other names."""

from __future__ import annotations

import json
import re

import pytest
from starlette.testclient import TestClient

from dodona_server.api.caip import routes
from dodona_server.api.caip.discovery import document
from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE, Api

LOCATION = HERE.removeprefix("/v1/")
TYPES = "type.googleapis.com/google.cloud.ml.v1."


MISTAKES = [
    ({"metrics": []}, "studyConfig.metrics: is empty"),
    ({"metrics": [{"goal": "MINIMIZE"}]}, "studyConfig.metrics[0].metric: is empty"),
    ({"metrics": [{"metric": "m", "goal": "BEST"}]}, "studyConfig.metrics[0].goal: 'BEST' is not one of"),
    ({"parameters": [{"doubleValueSpec": {}}]}, "studyConfig.parameters[0].parameter: is empty"),
    ({"parameters": [{"parameter": "p"}]}, "studyConfig.parameters[0]: 'p' needs exactly one of"),
    (
        {"parameters": [{"parameter": "p", "type": "INTEGER", "doubleValueSpec": {}}]},
        "studyConfig.parameters[0].type: INTEGER does not fit doubleValueSpec",
    ),
    (
        {"parameters": [{"parameter": "p", "doubleValueSpec": {}, "parentIntValues": {"values": [1]}}]},
        "studyConfig.parameters[0]: 'p' has a condition on a parent, but no parent",
    ),
    (
        {
            "parameters": [
                {
                    "parameter": "p",
                    "integerValueSpec": {},
                    "childParameterSpecs": [{"parameter": "metricId", "doubleValueSpec": {}}],
                }
            ]
        },
        "studyConfig.parameters[0].childParameterSpecs[0]: needs exactly one of parentDiscreteValues",
    ),
    (
        {
            "automatedStoppingConfig": {
                "decayCurveStoppingConfig": {},
                "medianAutomatedStoppingConfig": {},
            }
        },
        "studyConfig.automatedStoppingConfig: only one early stopping rule is possible",
    ),
    ({"algorithm": "GRID_OF_TREES"}, "studyConfig.algorithm: 'GRID_OF_TREES' is not one of ALGORITHM_UNSPECIFIED"),
]


class Ml(Api):
    """Calls by path below the dialect's location; each answer must close its connection, and none is a 429."""

    def call(self, method, path, body=None, code=200):
        response = self.client.request(method, "/ml" + HERE + path, json=body)
        assert response.status_code == code, response.text
        assert response.headers["connection"] == "close"
        return response.json()

    def suggest(self, study="s", client="w", count=1):
        body = {"client_id": client, "suggestion_count": count}
        return self.post(f"/studies/{study}/trials:suggest", body)["response"]["trials"]


@pytest.fixture
def ml(api):
    return Ml(api.client)


@pytest.fixture
def config():
    """What tensorflow-cloud makes of a small search: snake_case and camelCase side by side."""
    return {
        "algorithm": "RANDOM_SEARCH",
        "automatedStoppingConfig": {"decayCurveStoppingConfig": {"useElapsedTime": True}},
        "metrics": [{"metric": "val_loss", "goal": "MINIMIZE"}],
        "parameters": [
            {
                "parameter": "lr",
                "type": "DOUBLE",
                "double_value_spec": {"min_value": 1e-4, "max_value": 0.1},
                "scale_type": "UNIT_LOG_SCALE",
            },
            {"parameter": "layers", "type": "INTEGER", "integer_value_spec": {"min_value": 1, "max_value": 4}},
            {"parameter": "units", "type": "DISCRETE", "discrete_value_spec": {"values": [64, 16, 32]}},
            {"parameter": "keep", "type": "DISCRETE", "discrete_value_spec": {"values": [0.5, 1.0]}},
            {"parameter": "bias", "type": "CATEGORICAL", "categorical_value_spec": {"values": ["True", "False"]}},
        ],
    }


@pytest.fixture
def study(ml, config):
    """The path of a study of `config`."""
    ml.post("/studies?studyId=s&alt=json", {"study_config": config})
    return "/studies/s"


def measurement(value, step=0, **more):
    return {
        "stepCount": step,
        "elapsedTime": {"seconds": 2},
        "metrics": [{"metric": "val_loss", "value": value}],
        **more,
    }


def report(ml, trial, value, step=0):
    return ml.post(f"{trial}:addMeasurement", {"measurement": measurement(value, step)})


def finish(ml, trial, infeasible=False):
    return ml.post(f"{trial}:complete", {"trial_infeasible": infeasible, "infeasible_reason": None})


def listed(ml):
    return ml.get("/studies/s/trials")["trials"]


@pytest.fixture
def trial(ml, study):
    """The path of an ACTIVE trial."""
    return f"{study}/trials/{ml.suggest()[0]['id']}"


class TestStudies:
    def test_a_configuration_comes_back_in_camel_case_with_all_that_was_sent(self, ml, study):
        there = ml.get(study)
        assert (there["name"], there["state"]) == (f"{LOCATION}/studies/s", "ACTIVE")
        config = there["studyConfig"]
        assert config["metrics"] == [{"metric": "val_loss", "goal": "MINIMIZE"}]
        assert config["automatedStoppingConfig"] == {"decayCurveStoppingConfig": {"useElapsedTime": True}}
        specs = {one["parameter"]: one for one in config["parameters"]}
        assert [one["type"] for one in specs.values()] == ["DOUBLE", "INTEGER", "DISCRETE", "DISCRETE", "CATEGORICAL"]
        assert specs["lr"]["doubleValueSpec"] == {"minValue": 1e-4, "maxValue": 0.1}
        assert specs["lr"]["scaleType"] == "UNIT_LOG_SCALE"
        assert specs["layers"]["integerValueSpec"] == {"minValue": "1", "maxValue": "4"}
        assert specs["units"]["discreteValueSpec"] == {"values": [64, 16, 32]}
        assert specs["bias"]["categoricalValueSpec"] == {"values": ["True", "False"]}
        assert ml.post("/studies?studyId=again", {"studyConfig": config})["studyConfig"] == config

    def test_a_repeat_gives_the_study_that_is_there_and_another_configuration_a_conflict(self, ml, study, config):
        there = ml.get(study)
        assert ml.post("/studies?studyId=s", {"studyConfig": config}) == there
        config["parameters"][1]["integer_value_spec"]["max_value"] = 5
        message = ml.refused("/studies?studyId=s", {"study_config": config}, "ALREADY_EXISTS")
        assert "parameters['layers'].maxValue is 4, not 5" in message

    def test_without_an_id_the_server_draws_a_number(self, ml, config):
        assert ml.post("/studies", {"studyConfig": config})["name"].rpartition("/")[2].isdigit()

    def test_conditions_stand_on_the_child(self, api, ml, config):
        child = {
            "parameter": "momentum",
            "type": "DOUBLE",
            "doubleValueSpec": {"minValue": 0.0, "maxValue": 1.0},
            "parentCategoricalValues": {"values": ["sgd"]},
        }
        inner = {
            "parameter": "depth",
            "type": "INTEGER",
            "integerValueSpec": {"minValue": 1, "maxValue": 3},
            "parent_discrete_values": {"values": [2]},
            "childParameterSpecs": [
                {
                    "parameter": "width",
                    "discreteValueSpec": {"values": [8]},
                    "parentIntValues": {"values": ["2", 3]},
                }
            ],
        }
        config["parameters"] = [
            {"parameter": "opt", "categoricalValueSpec": {"values": ["sgd", "adam"]}, "childParameterSpecs": [child]},
            {"parameter": "kind", "discrete_value_spec": {"values": [1, 2]}, "child_parameter_specs": [inner]},
        ]
        there = ml.post("/studies?studyId=s", {"studyConfig": config})["studyConfig"]["parameters"]
        (momentum,) = there[0]["childParameterSpecs"]
        assert momentum == {**child, "scaleType": "UNIT_LINEAR_SCALE", "childParameterSpecs": []}
        (depth,) = there[1]["childParameterSpecs"]
        assert depth["parentDiscreteValues"] == {"values": [2]}
        assert depth["childParameterSpecs"][0]["parentIntValues"] == {"values": ["2", "3"]}
        (wrapped,) = api.get("/studies/s")["studySpec"]["parameters"][0]["conditionalParameterSpecs"]
        assert wrapped["parentCategoricalValues"] == {"values": ["sgd"]}
        assert wrapped["parameterSpec"]["parameterId"] == "momentum"

    def test_errors_name_the_dialects_fields(self, ml, config):
        for change, message in MISTAKES:
            assert message in ml.refused("/studies?studyId=s", {"studyConfig": {**config, **change}})

    def test_the_median_rule_and_an_unspecified_one_are_kept(self, api, ml, config):
        config["automatedStoppingConfig"] = {"medianAutomatedStoppingConfig": {"useElapsedTime": True}}
        there = ml.post("/studies?studyId=s", {"studyConfig": config})["studyConfig"]
        assert there["automatedStoppingConfig"] == config["automatedStoppingConfig"]
        assert api.get("/studies/s")["studySpec"]["medianAutomatedStoppingSpec"] == {"useElapsedDuration": True}
        del config["automatedStoppingConfig"]
        there = ml.post("/studies?studyId=t", {"studyConfig": config})["studyConfig"]
        assert "automatedStoppingConfig" not in there

    def test_what_the_dialect_has_no_word_for_is_left_out(self, api, ml, spec):
        spec |= {"convexAutomatedStoppingSpec": {"maxStepCount": 9}, "observationNoise": "LOW"}
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        config = ml.get("/studies/s")["studyConfig"]
        assert config.keys() == {"metrics", "parameters", "algorithm"}

    def test_the_budget_can_be_set(self, ml, config):
        config["studyStoppingConfig"] = {"maxNumTrials": 2}
        there = ml.post("/studies?studyId=s", {"studyConfig": config})["studyConfig"]
        assert there["studyStoppingConfig"]["maxNumTrials"] == 2
        assert len(ml.suggest(count=3)) == 2
        assert ml.suggest(client="other") == []

    def test_delete(self, ml, study, trial):
        assert ml.delete(trial) == {}
        assert listed(ml) == []
        assert ml.delete(study) == {}
        for path in (study, trial, f"{study}/trials"):
            assert ml.get(path, 404)["error"]["status"] == "NOT_FOUND"
        assert ml.get("/studies") == {"studies": []}


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


class TestDispatch:
    """Which dialect a request below `/v1` is in."""

    def test_the_client_tells_by_its_name(self, api, ml, study, trial):
        headers = {"user-agent": "tf-cloud/0.1.16 (client_environment:DL_CONTAINER;)"}
        answer = api.client.get(f"{HERE}{study}", headers=headers)
        assert answer.json() == ml.get(study)
        assert answer.headers["connection"] == "close"
        listed = api.client.get(f"{HERE}{study}/trials", headers=headers).json()["trials"]
        assert listed[0].keys() >= {"trialInfeasible"}
        operation = api.client.post(f"{HERE}{trial}:checkEarlyStoppingState", headers=headers).json()
        assert api.client.get(f"/v1/{operation['name']}", headers=headers).json() == operation

    def test_the_host_tells(self, tmp_path, config):
        token = "a long random secret"
        with TestClient(create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=token))) as client:
            for host, ours in (
                ("us-central1-ml.example.internal:8443", True),
                ("ml.example.internal", True),
                ("html.example.internal", False),
                ("us-central1-aiplatform.example.internal", False),
            ):
                headers = {"host": host, "authorization": f"Bearer {token}"}
                answer = client.get(f"{HERE}/studies", headers=headers)
                assert (answer.status_code, answer.headers.get("connection") == "close") == (200, ours)
                assert ("nextPageToken" in answer.json()) is not ours

    def test_the_dialects_own_verbs_tell(self, api, trial):
        for call, body in ((":addMeasurement", {"measurement": measurement(1)}), (":checkEarlyStoppingState", None)):
            answer = api.client.post(f"{HERE}{trial}{call}", json=body)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            escaped = api.client.post(f"{HERE}{trial}{call.replace(':', '%3A')}", json=body)
            assert escaped.status_code == 200

    def test_a_new_study_tells_by_its_id_or_its_configuration(self, api, config, spec):
        for query, body in (
            ("", {"studyConfig": config}),
            ("", {"study_config": config}),
            ("?studyId=s", {"study_config": config}),
            ("?alt=json&studyId=s", {"studyConfig": config}),
        ):
            assert "studyConfig" in api.post(f"/studies{query}", body)
        assert "studySpec" in api.post("/studies?alt=json", {"studySpec": spec})
        assert "studyConfig" in api.refused("/studies?studyId=t", {"studySpec": spec})

    def test_a_study_of_the_other_dialect_may_speak_of_this_one(self, api, spec):
        study = api.post("/studies", {"displayName": "my studyConfig", "studyId": "s", "studySpec": spec})
        assert study["displayName"] == "my studyConfig"

    def test_a_broken_body_is_told_from_a_bug(self, api):
        for body in (b'{"studyConfig": ', b'["studyConfig"]', b"[" * 100_000 + b'"studyConfig"'):
            answer = api.client.post(f"{HERE}/studies", content=body, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")

    def test_the_other_dialects_requests_are_left_alone(self, api, ml, config):
        ml.post("/studies?studyId=s", {"studyConfig": config})
        study = api.client.get(f"{HERE}/studies/s?alt=json", headers={"x-goog-api-client": "gdcl/2.202.0"})
        assert "studySpec" in study.json()
        assert "connection" not in study.headers
        body = {"clientId": "w", "suggestionCount": 1}
        assert "parameterId" in api.post("/studies/s/trials:suggest", body)["response"]["trials"][0]["parameters"][0]


class TestDiscovery:
    def test_the_address_is_the_requests(self, api):
        assert api.client.get("/ml/discovery.json").json()["rootUrl"] == "http://localhost/ml/"
        found = api.client.get("/ml/discovery.json", headers={"host": "127.0.0.1:8080"}).json()
        assert found["rootUrl"] == found["baseUrl"] == "http://127.0.0.1:8080/ml/"
        assert "auth" not in found

    def test_every_schema_that_is_named_is_there(self):
        found = document("http://localhost/ml/")
        names = set(found["schemas"])
        assert set(references(found)) <= names
        assert {schema["id"] for schema in found["schemas"].values()} == names
        assert "anyOf" not in json.dumps(found)

    def test_every_method_has_its_route(self, api):
        paths = api.client.get("/openapi.json").json()["paths"]
        served = {
            (verb.upper(), re.sub(r"{\w+}", "*", path.removeprefix("/ml/v1/")))
            for path, verbs in paths.items()
            if path.startswith("/ml/v1/")
            for verb in verbs
        }
        described = set()
        for method in methods(document("http://localhost/ml/")):
            (variable,) = method["parameterOrder"]
            resource = method["parameters"][variable]["pattern"].strip("^$").replace("[^/]+", "*")
            described.add(
                (method["httpMethod"], method["path"].removeprefix("v1/").replace(f"{{+{variable}}}", resource))
            )
        assert described == served


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def methods(resource):
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from methods(inner)
