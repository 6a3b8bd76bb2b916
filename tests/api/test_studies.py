"""Creating, finding, growing and deleting studies."""

from __future__ import annotations

import copy

import pytest

EVERYTHING = {
    "metrics": [
        {"metricId": "acc", "goal": "MAXIMIZE"},
        {"metricId": "ms", "goal": 2, "safetyConfig": {"safetyThreshold": 5, "desiredMinSafeTrialsFraction": 0.5}},
    ],
    "parameters": [
        {
            "parameterId": "optimizer",
            "categoricalValueSpec": {"values": ["sgd", "adam"], "defaultValue": "adam"},
            "conditionalParameterSpecs": [
                {
                    "parentCategoricalValues": {"values": ["sgd"]},
                    "parameterSpec": {
                        "parameterId": "layers",
                        "integerValueSpec": {"minValue": "1", "maxValue": 4.0, "defaultValue": 0 + 2},
                        "scaleType": "UNIT_LOG_SCALE",
                        "conditionalParameterSpecs": [
                            {
                                "parentIntValues": {"values": ["3", 4]},
                                "parameterSpec": {
                                    "parameterId": "width",
                                    "discreteValueSpec": {"values": [64, 32, 0.5]},
                                    "conditionalParameterSpecs": [
                                        {
                                            "parentDiscreteValues": {"values": [64]},
                                            "parameterSpec": {
                                                "parameterId": "rate",
                                                "doubleValueSpec": {"minValue": 1e-3, "maxValue": 1},
                                                "scaleType": 3,
                                            },
                                        }
                                    ],
                                },
                            }
                        ],
                    },
                }
            ],
        }
    ],
    "observationNoise": "HIGH",
    "measurementSelectionType": 2,
    "medianAutomatedStoppingSpec": {"useElapsedDuration": True},
    "studyStoppingConfig": {
        "maxNumTrials": 7,
        "minNumTrials": 1,
        "shouldStopAsap": False,
        "maximumRuntimeConstraint": {"maxDuration": "3600s"},
        "maxDurationNoProgress": {"seconds": 60},
    },
    "seed": "42",
}


def test_a_spec_with_everything_comes_back_in_the_wires_one_form(api):
    created = api.post("/studies", {"displayName": "all", "studySpec": EVERYTHING})
    spec = created["studySpec"]
    assert created["name"].startswith("projects/p/locations/l/studies/")
    assert created["name"].rpartition("/")[2].isdigit()
    assert (created["state"], created["displayName"], created["createTime"][-1]) == ("ACTIVE", "all", "Z")
    assert [metric["goal"] for metric in spec["metrics"]] == ["MAXIMIZE", "MINIMIZE"]
    assert spec["metrics"][1]["safetyConfig"] == {"safetyThreshold": 5.0, "desiredMinSafeTrialsFraction": 0.5}
    layers = spec["parameters"][0]["conditionalParameterSpecs"][0]["parameterSpec"]
    assert layers["integerValueSpec"] == {"minValue": "1", "maxValue": "4", "defaultValue": "2"}
    assert layers["scaleType"] == "UNIT_LOG_SCALE"
    width = layers["conditionalParameterSpecs"][0]
    assert width["parentIntValues"] == {"values": ["3", "4"]}
    assert width["parameterSpec"]["discreteValueSpec"]["values"] == [64, 32, 0.5]
    rate = width["parameterSpec"]["conditionalParameterSpecs"][0]["parameterSpec"]
    assert rate["scaleType"] == "UNIT_REVERSE_LOG_SCALE"
    assert (spec["observationNoise"], spec["measurementSelectionType"]) == ("HIGH", "BEST_MEASUREMENT")
    assert spec["medianAutomatedStoppingSpec"] == {"useElapsedDuration": True}
    assert spec["studyStoppingConfig"]["maximumRuntimeConstraint"] == {"maxDuration": "3600.000s"}
    assert spec["studyStoppingConfig"]["maxDurationNoProgress"] == "60.000s"
    assert spec["seed"] == "42"
    # What the server says is a request that it understands, and the same study.
    assert api.post("/studies", {"displayName": "all", "studySpec": spec}) == created
    assert api.get(f"/studies/{created['name'].rpartition('/')[2]}") == created


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        (
            {"ashaStoppingSpec": {}},
            {"minResource": 1.0, "reductionFactor": 3.0, "useElapsedDuration": False},
        ),
        (
            {"asha_stopping_spec": {"min_resource": 2, "max_resource": 50.5, "reduction_factor": "4"}},
            {"minResource": 2.0, "maxResource": 50.5, "reductionFactor": 4.0, "useElapsedDuration": False},
        ),
        (
            {"noProgressStoppingSpec": {"patience": 5, "leastImprovement": 1e-3, "useElapsedDuration": True}},
            {"patience": 5.0, "leastImprovement": 1e-3, "useElapsedDuration": True},
        ),
    ],
)
def test_dodonas_own_stopping_rules_come_back(api, spec, rule, read):
    created = api.post("/studies", {"displayName": "stops", "studySpec": {**spec, **rule}})
    kept = [value for name, value in created["studySpec"].items() if name.endswith("StoppingSpec")]
    assert kept == [read]
    assert api.post("/studies", {"displayName": "stops", "studySpec": created["studySpec"]}) == created


def test_snake_case_nulls_and_absent_zeros_are_understood(api):
    study = api.post(
        "/studies",
        {
            "display_name": "snake",
            "unknown_field": 1,
            "study_spec": {
                "metrics": [{"metric_id": "m", "goal": None}],
                "parameters": [{"parameter_id": "x", "double_value_spec": {"max_value": "2.5"}, "scale_type": None}],
            },
        },
    )
    assert study["studySpec"]["metrics"][0]["goal"] == "MAXIMIZE"
    assert study["studySpec"]["parameters"][0]["doubleValueSpec"] == {"minValue": 0.0, "maxValue": 2.5}


def test_create_or_load(api, spec):
    created = api.post("/studies", {"studyId": "mnist", "studySpec": spec})
    assert created["name"] == "projects/p/locations/l/studies/mnist"
    assert created["displayName"] == "mnist"
    assert api.post("/studies", {"studyId": "mnist", "studySpec": spec}) == created
    assert api.post("/studies", {"studyId": "mnist", "displayName": "mnist", "studySpec": spec}) == created
    other = copy.deepcopy(spec)
    other["parameters"][0]["doubleValueSpec"]["maxValue"] = 2
    message = api.refused("/studies", {"studyId": "mnist", "studySpec": other}, "ALREADY_EXISTS")
    assert "parameters['x'].maxValue is 1.0, not 2.0" in message
    renamed = {"studyId": "mnist", "displayName": "other", "studySpec": spec}
    assert "displayName is 'mnist', not 'other'" in api.refused("/studies", renamed, "ALREADY_EXISTS")
    seeded = {**spec, "seed": 1}
    assert "seed is" in api.refused("/studies", {"studyId": "mnist", "studySpec": seeded}, "ALREADY_EXISTS")


def test_a_study_is_found_by_its_display_name_or_id(api, spec):
    created = api.post("/studies", {"studyId": "id-1", "displayName": "My study", "studySpec": spec})
    assert api.post("/studies:lookup", {"displayName": "My study"}) == created
    assert api.post("/studies:lookup", {"displayName": "id-1"}) == created
    assert "'Your study'" in api.refused("/studies:lookup", {"displayName": "Your study"}, "NOT_FOUND")


def test_locations_are_apart(api, study):
    assert api.client.get("/v1/projects/p/locations/other/studies/s").status_code == 404
    assert api.client.get("/v1/projects/p/locations/other/studies").json()["studies"] == []


def test_studies_are_listed_in_pages(api, spec):
    for name in ("c", "a", "b"):
        api.post("/studies", {"studyId": name, "studySpec": spec})
    assert [study["displayName"] for study in api.get("/studies")["studies"]] == ["c", "a", "b"]
    first = api.get("/studies?pageSize=2")
    second = api.get(f"/studies?pageSize=2&pageToken={first['nextPageToken']}")
    names = [study["displayName"] for page in (first, second) for study in page["studies"]]
    assert (names, second["nextPageToken"]) == (["c", "a", "b"], "")
    assert "not a token of this list" in api.get("/studies?pageToken=xyz", 400)["error"]["message"]
    assert "pageSize: -1 is below 0" in api.get("/studies?pageSize=-1", 400)["error"]["message"]


def test_deleting_a_study_frees_its_name(api, study, spec):
    api.suggest()
    assert api.delete(study) == {}
    assert "studies/s does not exist" in api.delete(study, 404)["error"]["message"]
    assert api.post("/studies", {"studyId": "s", "studySpec": spec})["state"] == "ACTIVE"
    assert api.get(f"{study}/trials")["trials"] == []


def test_a_study_is_paused_and_resumed(api, study):
    trial = api.suggest()[0]["id"]
    paused = api.post(f"{study}:pause", {"reason": "the cluster is down"})
    assert (paused["state"], paused["inactiveReason"]) == ("INACTIVE", "the cluster is down")
    assert api.post(f"{study}:pause") == paused
    answer = api.post(f"{study}/trials:suggest", {"clientId": "other", "suggestionCount": 1})["response"]
    assert (answer["trials"], answer["studyState"]) == ([], "INACTIVE")
    assert [one["id"] for one in api.suggest()] == [trial]  # a worker that comes back goes on
    final = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
    assert api.post(f"{study}/trials/{trial}:complete", final)["state"] == "SUCCEEDED"
    resumed = api.post(f"{study}:resume")
    assert (resumed["state"], resumed.get("inactiveReason")) == ("ACTIVE", None)
    assert api.post(f"{study}:resume") == resumed
    assert len(api.suggest()) == 1


def test_a_study_is_completed_by_hand(api, study):
    api.post(f"{study}/trials", {"parameters": [{"parameterId": "x", "value": 0}]})
    assert api.post(f"{study}:complete")["state"] == "COMPLETED"
    assert api.post(f"{study}:complete")["state"] == "COMPLETED"
    answer = api.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1})["response"]
    assert (answer["trials"], answer["studyState"]) == ([], "COMPLETED")
    assert "cannot pause" in api.refused(f"{study}:pause", None, "FAILED_PRECONDITION")
    queued = {"parameters": [{"parameterId": "x", "value": 0}]}
    assert "is COMPLETED; resume it" in api.refused(f"{study}/trials", queued, "FAILED_PRECONDITION")
    assert api.post(f"{study}:resume")["state"] == "ACTIVE"
    assert [one["id"] for one in api.suggest()] == ["1"]


def test_a_study_whose_budget_is_used_up_is_not_resumed(api, spec):
    api.post("/studies", {"studyId": "s", "studySpec": {**spec, "studyStoppingConfig": {"maxNumTrials": 1}}})
    api.suggest()
    api.post("/studies/s:complete")
    assert "its budget is used up" in api.refused("/studies/s:resume", None, "FAILED_PRECONDITION")


def test_metadata_of_a_study(api, spec):
    created = api.post("/studies", {"studyId": "s", "studySpec": spec, "metadata": {"team": "vision"}})
    assert created["metadata"] == {"team": "vision"}
    changed = api.post("/studies/s:updateMetadata", {"metadata": {"team": "", "owner": "ada"}})
    assert changed["metadata"] == api.get("/studies/s")["metadata"] == {"owner": "ada"}
    many = {"metadata": {f"k{index}": "v" for index in range(257)}}
    assert "entries; 256 are allowed" in api.refused("/studies/s:updateMetadata", many)
    long = {"metadata": {"k": "v" * 65_537}}
    assert "'k' has 65537 characters; 65536 are allowed" in api.refused("/studies/s:updateMetadata", long)


def test_a_search_space_grows_but_never_changes(api, study):
    y = {"parameterId": "y", "integerValueSpec": {"minValue": 1, "maxValue": 2}, "metadata": {"k": "v"}}
    grown = api.post(f"{study}:addParameters", {"parameters": [y]})
    assert [parameter["parameterId"] for parameter in grown["studySpec"]["parameters"]] == ["x", "y"]
    assert grown["studySpec"]["parameters"][1]["metadata"] == {"k": "v"}
    assert api.post(f"{study}:addParameters", {"parameters": [y]}) == grown
    assert {parameter["parameterId"] for parameter in api.suggest()[0]["parameters"]} == {"x", "y"}
    wider = {"parameterId": "y", "integerValueSpec": {"minValue": 1, "maxValue": 3}}
    assert "'y' is in the study already" in api.refused(f"{study}:addParameters", {"parameters": [wider]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": []}, "studySpec.metrics: is empty"),
        ({"metrics": [{"goal": "MINIMIZE"}]}, "studySpec.metrics[0].metricId: is empty"),
        ({"metrics": [{"metricId": "m", "goal": "UP"}]}, "studySpec.metrics[0].goal: 'UP' is not one of"),
        ({"parameters": [{"parameterId": "x"}]}, "studySpec.parameters[0]: 'x' needs exactly one of doubleValueSpec"),
        (
            {"parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 2, "maxValue": 1}}]},
            "studySpec.parameters[0].doubleValueSpec.minValue: 2.0 exceeds maxValue 1.0",
        ),
        (
            {"parameters": [{"parameterId": "x", "doubleValueSpec": {"maxValue": "Infinity"}}]},
            "studySpec.parameters[0].doubleValueSpec.maxValue: inf is not a finite number",
        ),
        (
            {"parameters": [{"parameterId": "x", "categoricalValueSpec": {"values": ["a"]}, "scaleType": 2}]},
            "studySpec.parameters[0].categoricalValueSpec.scaleType: UNIT_LOG_SCALE is not possible for categories",
        ),
        (
            {
                "parameters": [
                    {
                        "parameterId": "x",
                        "integerValueSpec": {"maxValue": 3},
                        "conditionalParameterSpecs": [
                            {
                                "parentCategoricalValues": {"values": ["a"]},
                                "parameterSpec": {"parameterId": "y", "integerValueSpec": {}},
                            }
                        ],
                    }
                ]
            },
            "conditionalParameterSpecs[0].parentCategoricalValues: does not fit the parent, which is INTEGER",
        ),
        (
            {"algorithm": "RANDOM_SEARCH", "algorithmOptions": {"beta": 1}},
            "studySpec.algorithmOptions: 'beta' is not an option of RANDOM_SEARCH; it has none",
        ),
        ({"maxAttempts": 0}, "studySpec.maxAttempts: 0 is not from 1 to 1000"),
        (
            {"studyStoppingConfig": {"maxFailedTrials": -1}},
            "studySpec.studyStoppingConfig.maxFailedTrials: -1 is not from",
        ),
        ({"algorithm": 99}, "studySpec.algorithm: 99 is not one of"),
        ({"studyStoppingConfig": {"maxNumTrials": -3}}, "studySpec.studyStoppingConfig.maxNumTrials: -3 is not from"),
        (
            {"studyStoppingConfig": {"maximumRuntimeConstraint": {}}},
            "studyStoppingConfig.maximumRuntimeConstraint: needs exactly one of maxDuration and endTime",
        ),
        (
            {"decayCurveStoppingSpec": {}, "medianAutomatedStoppingSpec": {}},
            "studySpec: only one early stopping rule is possible, "
            "not decayCurveStoppingSpec and medianAutomatedStoppingSpec",
        ),
        (
            {"ashaStoppingSpec": {}, "medianAutomatedStoppingSpec": None, "noProgressStoppingSpec": {"patience": 3}},
            "only one early stopping rule is possible, not ashaStoppingSpec and noProgressStoppingSpec",
        ),
        *(
            ({"medianAutomatedStoppingSpec": None, "ashaStoppingSpec": rule}, f"studySpec.ashaStoppingSpec.{message}")
            for rule, message in (
                ({"reductionFactor": 1.9}, "reductionFactor: 1.9 is not a finite number from 2 on"),
                ({"reductionFactor": "NaN"}, "reductionFactor: nan is not a finite number from 2 on"),
                ({"minResource": 9, "maxResource": 3}, "minResource: 9.0 is above the maximum, 3.0"),
                ({"minResource": 0}, "minResource: 0.0 is not a finite number above 0"),
            )
        ),
        *(
            (
                {"medianAutomatedStoppingSpec": None, "noProgressStoppingSpec": rule},
                f"studySpec.noProgressStoppingSpec.{message}",
            )
            for rule, message in (
                ({}, "patience: 0.0 is not a finite number from 1 on"),
                ({"patience": 0.5}, "patience: 0.5 is not a finite number from 1 on"),
                ({"patience": 2, "leastImprovement": -0.1}, "leastImprovement: -0.1 is not a finite number from 0 on"),
            )
        ),
        (
            {"medianAutomatedStoppingSpec": {}, "metrics": [{"metricId": "a"}, {"metricId": "b"}]},
            "studySpec.medianAutomatedStoppingSpec: stops trials by one objective; the study has 2",
        ),
        ({"seed": "many"}, "studySpec.seed: "),
    ],
)
def test_a_bad_spec_is_refused_by_the_name_of_the_field(api, spec, change, message):
    assert message in api.refused("/studies", {"displayName": "bad", "studySpec": {**spec, **change}})


def test_bad_names_are_refused(api, spec):
    assert "study: 'a b' is not a valid id" in api.refused("/studies", {"studyId": "a b", "studySpec": spec})
    assert "study: '..' is not a valid id" in api.refused("/studies", {"studyId": "..", "studySpec": spec})
    message = api.refused("/studies", {"displayName": "x" * 257, "studySpec": spec})
    assert "displayName: 257 characters; 256 are allowed" in message
