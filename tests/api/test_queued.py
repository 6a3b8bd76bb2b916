"""Trials that users queue, some with values for a part of the parameters only."""

from __future__ import annotations

import pytest

from dodona_server.algorithms.registry import ALGORITHMS as ALGORITHM_NAMES

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
ENDING = ["RANDOM_SEARCH", "GRID_SEARCH", "SHUFFLED_GRID_SEARCH", "HYPERBAND"]
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


@pytest.mark.parametrize("algorithm", sorted(ALGORITHM_NAMES))
@pytest.mark.processes
def test_a_queued_trial_is_handed_out_when_the_algorithm_has_nothing_left(api, make_study, algorithm):
    values = {"discreteValueSpec": {"values": [0.25, 0.5]}}
    options = {"algorithmConfig": {"max_epochs": 2, "factor": 2}} if algorithm == "HYPERBAND" else {}
    make_study(algorithm=algorithm, parameters=[{"parameterId": name, **values} for name in ("x", "y")], **options)
    for number in range(30 if algorithm in ENDING else 3):
        for trial in api.suggest(client=f"w{number}", count=2):
            result = {"metrics": [{"metricId": "loss", "value": number}]}
            api.post(f"/studies/s/trials/{trial['id']}:complete", {"finalMeasurement": result})
        if api.get("/studies/s")["state"] == "COMPLETED":
            api.post("/studies/s:resume")
            break
    queue(api, x=0.5)
    (trial,) = api.suggest()
    assert values_of(trial)["x"] == 0.5
    assert values_of(trial)["y"] in (0.25, 0.5)


def test_a_queued_trial_of_a_waiting_or_failing_bracket_holds_nobody_up(api, make_study):
    """HYPERBAND has no stand-in, and waits when no trial may be promoted."""
    hyperband = {"max_epochs": 4, "factor": 2}
    make_study(algorithm="HYPERBAND", parameters=NUMBERS, algorithmConfig=hyperband)
    running = 0
    while handed := api.suggest(client=f"w{running}", count=10):
        running += len(handed)
    queue(api, x=0.2)
    queue(api, x=0.2, y=0.3)
    first, second = api.suggest(client="free", count=2)
    assert [values_of(trial)["x"] for trial in (first, second)] == [0.2, 0.2]
    assert 0 <= values_of(first)["y"] <= 1


@pytest.mark.parametrize("algorithm", ["RANDOM_SEARCH", "GP_BANDIT", "TPE"])
def test_a_call_gets_as_many_as_it_asks_for_though_some_are_filled_in(api, make_study, algorithm):
    make_study(algorithm=algorithm, parameters=NUMBERS)
    for x in (0.2, 0.4):
        queue(api, x=x)
    handed = api.suggest(count=4, requestId="r")
    assert [trial["id"] for trial in handed] == ["1", "2", "3", "4"]
    assert [values_of(trial)["x"] for trial in handed[:2]] == [0.2, 0.4]
    assert api.suggest(count=4, requestId="r") == handed


def test_what_cannot_be_is_refused(api, make_study):
    make_study(parameters=[*NUMBERS[:1], KIND])
    child = {"parameters": [{"parameterId": "rate", "value": 0.5}]}
    assert "'rate' is not an active parameter" in api.refused("/studies/s/trials", child)
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
