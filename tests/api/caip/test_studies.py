"""Studies in the AI Platform dialect: those of the other dialect under other names."""

from __future__ import annotations

from tests.api.caip.conftest import LOCATION, listed

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
