"""Trials that users queue, some with values for a part of the parameters only."""

from __future__ import annotations

import pytest

NUMBERS = [
    {"parameterId": name, "doubleValueSpec": {"minValue": 0, "maxValue": 1}, **more}
    for name, more in (("x", {}), ("y", {}), ("z", {}))
]
NUMBERS[2]["doubleValueSpec"]["defaultValue"] = 0.5
KIND = {
    "parameterId": "kind",
    "categoricalValueSpec": {"values": ["a", "b"]},
    "conditionalParameterSpecs": [
        {
            "parentCategoricalValues": {"values": ["b"]},
            "parameterSpec": {"parameterId": "rate", "doubleValueSpec": {"minValue": 0, "maxValue": 1}},
        }
    ],
}
ALGORITHMS = ["RANDOM_SEARCH", "QUASI_RANDOM_SEARCH", "GRID_SEARCH", "GP_BANDIT", "TPE"]


def queue(api, **values):
    given = [{"parameterId": name, "value": value} for name, value in values.items()]
    return api.post("/studies/s/trials", {"parameters": given})


def values_of(trial):
    return {one["parameterId"]: one["value"] for one in trial["parameters"]}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_algorithm_chooses_what_is_left_open(api, make_study, algorithm):
    parameters = [
        {"parameterId": one["parameterId"], "discreteValueSpec": {"values": [0.1, 0.2, 0.3, 0.5]}} for one in NUMBERS
    ]
    make_study(algorithm=algorithm, parameters=parameters if algorithm == "GRID_SEARCH" else NUMBERS)
    if algorithm == "GRID_SEARCH":
        queue(api, x=0.2, z=0.5)
    else:
        assert values_of(queue(api, x=0.2)) == {"x": 0.2, "z": 0.5}
    (trial,) = api.suggest()
    values = values_of(trial)
    assert trial["id"] == "1"
    assert (values["x"], values["z"]) == (0.2, 0.5)
    assert 0 <= values["y"] <= 1
    assert values_of(api.get("/studies/s/trials/1")) == values
    # As it was run, so it is run again.
    api.post("/studies/s/trials/1:release")
    (again,) = api.suggest(client="other")
    assert (again["id"], values_of(again)) == ("1", values)


@pytest.mark.parametrize("algorithm", ["RANDOM_SEARCH", "GP_BANDIT"])
def test_several_of_them_get_values_of_their_own_and_new_trials_go_on(api, make_study, algorithm):
    make_study(algorithm=algorithm, parameters=NUMBERS)
    for x in (0.2, 0.2, 0.4):
        queue(api, x=x)
    handed = []
    while len(handed) < 5:
        handed += api.suggest(client=f"w{len(handed)}", count=2)
    values = [values_of(trial) for trial in handed]
    assert [one["x"] for one in values[:3]] == [0.2, 0.2, 0.4]
    assert len({tuple(sorted(one.items())) for one in values}) == len(values)
    assert [trial["id"] for trial in handed] == [str(number) for number in range(1, len(handed) + 1)]


@pytest.mark.parametrize("algorithm", ["RANDOM_SEARCH", "GP_BANDIT"])
def test_children_are_chosen_with_their_parents(api, make_study, algorithm):
    make_study(algorithm=algorithm, parameters=[*NUMBERS[:1], KIND])
    queue(api, kind="b")
    queue(api, x=0.25)
    first = values_of(api.suggest(client="a")[0])
    assert set(first) == {"x", "kind", "rate"}
    second = values_of(api.suggest(client="b")[0])
    assert second["x"] == 0.25
    assert ("rate" in second) == (second["kind"] == "b")


def test_what_cannot_be_is_refused(api, make_study):
    make_study(parameters=[*NUMBERS[:1], KIND])
    child = {"parameters": [{"parameterId": "rate", "value": 0.5}]}
    assert "'rate' is no active parameter" in api.refused("/studies/s/trials", child)
    beyond = {"parameters": [{"parameterId": "x", "value": 2}]}
    assert "x" in api.refused("/studies/s/trials", beyond)
    result = {"state": "SUCCEEDED", "finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}}
    part = {"parameters": [{"parameterId": "x", "value": 0.5}], **result}
    assert "'kind' has no value" in api.refused("/studies/s/trials", part)


def test_queued_trials_are_of_the_budget(api, make_study):
    make_study(algorithm="GP_BANDIT", parameters=NUMBERS, studyStoppingConfig={"maxNumTrials": 2})
    queue(api, x=0.2)
    queue(api)
    assert [len(api.suggest(client=f"w{index}")) for index in range(3)] == [1, 1, 0]
