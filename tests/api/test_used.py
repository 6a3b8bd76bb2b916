"""What a trial turned out to use becomes its parameters, when it ends."""

from __future__ import annotations

import pytest

FINAL = {"finalMeasurement": {"stepCount": 1, "metrics": [{"metricId": "loss", "value": 0.5}]}}
DEPTH = {"parameterId": "depth", "integerValueSpec": {"minValue": 1, "maxValue": 4, "defaultValue": 2}}
KIND = {
    "parameterId": "kind",
    "discreteValueSpec": {"values": [0.1, 0.3]},
    "conditionalParameterSpecs": [{"parentDiscreteValues": {"values": [0.1 + 0.2]}, "parameterSpec": DEPTH}],
}


@pytest.fixture(params=[True, False], ids=["front", "framework"])
def front(request):
    return request.param


def listed(**values):
    return [{"parameterId": name, "value": value} for name, value in values.items()]


def parameters(trial):
    return {one["parameterId"]: one["value"] for one in trial.get("parameters", [])}


@pytest.fixture
def trial(api, make_study):
    """The path of an ACTIVE trial of a study that had no parameters when it began."""
    study = make_study(parameters=[])
    (one,) = api.suggest()
    assert parameters(one) == {}
    api.post(f"{study}:addParameters", {"parameters": [KIND]})
    return f"{study}/trials/1"


@pytest.mark.parametrize("end", [FINAL, {"trialInfeasible": True, "infeasibleReason": "no"}])
def test_a_trial_that_ends_has_what_it_used(api, trial, end):
    ended = api.post(f"{trial}:complete", {**end, "parameters": listed(depth=4, kind=3 * 0.1)})
    assert parameters(ended) == {"kind": 0.3, "depth": 4}
    assert parameters(api.get(trial)) == {"kind": 0.3, "depth": 4}
    assert api.get("/studies/s/trials")["trials"][0]["parameters"] == ended["parameters"]
    # Once more, with the same, and with nothing, as another client does.
    for again in (listed(depth=4, kind=0.3), None):
        assert api.post(f"{trial}:complete", {**end, "parameters": again}) == ended
    # A finished trial never changes.
    body = {**end, "parameters": listed(depth=1, kind=0.3)}
    api.refused(f"{trial}:complete", body, "FAILED_PRECONDITION")
    assert api.get(trial) == {**ended, "measurements": []}


def test_a_trial_may_use_less_than_there_is(api, trial):
    assert parameters(api.post(f"{trial}:complete", {**FINAL, "parameters": listed(kind=0.3)})) == {"kind": 0.3}


def test_a_client_that_does_not_say_leaves_the_parameters(api, trial):
    assert parameters(api.post(f"{trial}:complete", FINAL)) == {}


@pytest.mark.parametrize(
    ("used", "message"),
    [
        (listed(kind=0.2), "parameters['kind']: 0.2 is not one of"),
        (listed(kind=0.1, depth=2), "'depth' is not an active parameter"),
        (listed(kind=0.3, depth=9), "parameters['depth']: 9 is not an integer"),
        (listed(other=1), "'other' is not an active parameter"),
        (listed(kind=0.1) + listed(kind=0.3), "kind"),
    ],
)
def test_wrong_values_are_named_and_change_nothing(api, trial, used, message):
    assert message in api.refused(f"{trial}:complete", {**FINAL, "parameters": used})
    assert api.get(trial)["state"] == "ACTIVE"


@pytest.mark.processes
def test_how_a_trial_of_hyperband_is_to_be_run_stays(api, make_study):
    study = make_study(algorithm="HYPERBAND", parameters=[], algorithmOptions={"max_epochs": 4, "factor": 2})
    (one,) = api.suggest()
    plan = parameters(one)
    assert plan == {"tuner/epochs": 1, "tuner/initial_epoch": 0, "tuner/bracket": 2, "tuner/round": 0}
    api.post(f"{study}:addParameters", {"parameters": [KIND]})
    ended = api.post(f"{study}/trials/1:complete", {**FINAL, "parameters": listed(kind=0.1)})
    assert parameters(ended) == {"kind": 0.1, **plan}


@pytest.mark.processes
def test_a_grid_goes_on_when_its_space_grows(api, make_study):
    study = make_study(algorithm="GRID_SEARCH", parameters=[KIND])
    trained = []
    while handed := api.suggest():
        if len(trained) == 1:
            flag = {"parameterId": "flag", "categoricalValueSpec": {"values": ["no", "yes"]}}
            api.post(f"{study}:addParameters", {"parameters": [flag]})
        used = {"flag": "no", **parameters(handed[0])} if trained else parameters(handed[0])
        trained.append(tuple(sorted(used.items())))
        api.post(f"{study}/trials/{handed[0]['id']}:complete", {**FINAL, "parameters": listed(**used)})
    # 0.1 ran before there was a flag, which it did not use; 0.3 has four depths, with two flags each.
    assert len(trained) == len(set(trained)) == 1 + 4 * 2
    done = api.get(study)
    assert (done["state"], done["completionReason"]) == ("COMPLETED", "nothing is left to try")
    assert "inactiveReason" not in done


@pytest.mark.processes
def test_random_search_ends_with_a_finite_space(api, make_study):
    study = make_study(parameters=[KIND])
    api.post(f"{study}/trials", {"parameters": listed(kind=0.3, depth=2)})
    trained = set()
    while handed := api.suggest():
        trained.add(tuple(sorted(parameters(handed[0]).items())))
        api.post(f"{study}/trials/{handed[0]['id']}:complete", FINAL)
    assert len(trained) == len(api.get(f"{study}/trials")["trials"]) == 5
    assert api.get(study)["completionReason"] == "nothing is left to try"


def test_a_study_that_goes_on_has_no_reason(api, make_study):
    study = make_study(studyStoppingConfig={"maxNumTrials": 1})
    api.suggest()
    api.post(f"{study}/trials/1:complete", FINAL)
    assert api.get(study)["completionReason"] == "the budget is used up"
    assert "completionReason" not in api.post(f"{study}:setMaxTrials", {"maxNumTrials": 2})


ALL = ["ALGORITHM_UNSPECIFIED", "GRID_SEARCH", "HYPERBAND", "QUASI_RANDOM_SEARCH", "RANDOM_SEARCH", "TPE"]


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.processes
def test_before_there_are_parameters_one_trial_runs_alone(api, make_study, algorithm):
    study = make_study(algorithm=algorithm, parameters=[])
    (first,) = api.suggest(client="a", count=3)
    for other in ("b", "c"):
        assert api.suggest(client=other) == []
    assert api.get(study)["state"] == "ACTIVE"
    # One that failed has told nothing: the next worker begins again, alone too.
    api.post(f"{study}/trials/1:complete", {"trialInfeasible": True, "infeasibleReason": "no data here"})
    (second,) = api.suggest(client="b", count=3)
    assert (first["id"], second["id"]) == ("1", "2")
    assert api.suggest(client="c") == []
    # What it found is searched by all at once.
    flag = {"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1, "defaultValue": 0.5}}
    api.post(f"{study}:addParameters", {"parameters": [flag]})
    api.post(f"{study}/trials/2:complete", {**FINAL, "parameters": listed(x=0.5)})
    found = [parameters(trial)["x"] for worker in ("a", "b", "c") for trial in api.suggest(client=worker)]
    assert len(found) == 3


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.processes
def test_a_first_trial_that_is_handed_back_goes_to_who_asks_next(api, make_study, algorithm):
    study = make_study(algorithm=algorithm, parameters=[])
    api.suggest(client="a")
    assert api.suggest(client="b") == []
    api.post(f"{study}/trials/1:release", {})
    (again,) = api.suggest(client="b")
    assert (again["id"], again["clientId"]) == ("1", "b")
    assert api.suggest(client="c") == []


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.processes
def test_a_space_that_stays_empty(api, make_study, algorithm):
    study = make_study(algorithm=algorithm, parameters=[])
    api.suggest(client="a")
    api.post(f"{study}/trials/1:complete", FINAL)
    handed = [trial for worker in ("a", "b") for trial in api.suggest(client=worker)]
    if algorithm in ("GRID_SEARCH", "RANDOM_SEARCH"):
        assert handed == []
        assert api.get(study)["completionReason"] == "nothing is left to try"
    else:
        # They may measure the same again, and nobody waits any more.
        assert len(handed) == 2
