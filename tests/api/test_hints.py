"""Hints on the wire: priors of parameters, at creation and later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api

RATE = {"parameterId": "rate", "doubleValueSpec": {"minValue": 0.1, "maxValue": 1}}
KIND = {
    "parameterId": "kind",
    "categoricalValueSpec": {"values": ["a", "b"]},
    "conditionalParameterSpecs": [
        {
            "parentCategoricalValues": {"values": ["b"]},
            "parameterSpec": {"parameterId": "units", "integerValueSpec": {"minValue": "1", "maxValue": "9"}},
        }
    ],
}
PARAMETERS = [RATE, KIND]


def priors(api: Api) -> dict[str, Any]:
    """The priors of the study's parameters, those of children too."""
    pending, found = api.get("/studies/s")["studySpec"]["parameters"], {}
    while pending:
        one = pending.pop()
        pending += [child["parameterSpec"] for child in one.get("conditionalParameterSpecs", [])]
        if "prior" in one:
            found[one["parameterId"]] = one["prior"]
    return found


def hinted(parameter: dict[str, Any], *values: Any, **more: Any) -> dict[str, Any]:
    return {**parameter, "prior": {"values": list(values), **more}}


def test_a_prior_comes_back(api: Api, make_study: Callable[..., str]) -> None:
    make_study(parameters=[hinted(RATE, 0.5), hinted(KIND, "b", sure="VERY")])
    assert priors(api) == {
        "rate": {"values": [0.5], "sure": "FAIRLY"},
        "kind": {"values": ["b"], "sure": "VERY"},
    }


def test_priors_are_set_changed_and_removed_while_the_study_runs(api: Api, make_study: Callable[..., str]) -> None:
    study = make_study(parameters=[hinted(RATE, 0.5), KIND])
    changes = [{"parameterId": "units", "values": [3, 4], "sure": "VAGUELY"}, {"parameterId": "rate", "values": []}]
    answer = api.post(f"{study}:setPriors", {"priors": changes, "requestId": "one"})
    assert priors(api) == {"units": {"values": [3, 4], "sure": "VAGUELY"}}
    # Once more with the same id, and with nothing new.
    assert api.post(f"{study}:setPriors", {"priors": changes, "requestId": "one"}) == answer
    api.post(f"{study}:setPriors", {"priors": changes})
    events = [one for one in api.get(f"{study}/events")["events"] if one["kind"] == "HINTS_CHANGED"]
    assert [one["detail"] for one in events] == ["units near 3 or 4 (vaguely); none about rate"]


def test_a_script_finds_its_study_after_its_hints_were_changed(api: Api, make_study: Callable[..., str]) -> None:
    study = make_study(parameters=[hinted(RATE, 0.5), KIND])
    api.post(f"{study}:setPriors", {"priors": [{"parameterId": "rate", "values": [0.9]}]})
    make_study(parameters=[hinted(RATE, 0.5), KIND])
    assert priors(api)["rate"]["values"] == [0.9]
    body = {"studyId": "s", "studySpec": {**api.get(study)["studySpec"], "parameters": [hinted(RATE, 0.7), KIND]}}
    assert "hints" in api.refused("/studies", body, "ALREADY_EXISTS")


def test_added_parameters_bring_their_priors_and_known_ones_keep_theirs(
    api: Api, make_study: Callable[..., str]
) -> None:
    study = make_study(parameters=[RATE])
    api.post(f"{study}:setPriors", {"priors": [{"parameterId": "rate", "values": [0.9]}]})
    api.post(f"{study}:addParameters", {"parameters": [hinted(RATE, 0.2), hinted(KIND, "a")]})
    assert priors(api) == {
        "rate": {"values": [0.9], "sure": "FAIRLY"},
        "kind": {"values": ["a"], "sure": "FAIRLY"},
    }


@pytest.mark.processes
def test_the_first_trial_is_the_hinted_one(api: Api, make_study: Callable[..., str]) -> None:
    make_study(algorithm="GP_BANDIT", parameters=[hinted(RATE, 0.3), hinted(KIND, "b")])
    (trial,) = api.suggest()
    values = {one["parameterId"]: one["value"] for one in trial["parameters"]}
    assert (round(values["rate"], 9), values["kind"], values["units"]) == (0.3, "b", 5)


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ({"values": [7]}, ["studySpec.parameters['rate'].prior.values", "7", "0.1 to 1.0"]),
        ({"values": ["x"]}, ["prior.values", "'x'"]),
        ({"values": []}, ["prior.values", "at least one value"]),
        ({"values": [0.5] * 21}, ["prior.values", "21 values; 20 are allowed"]),
        ({"values": [0.5], "sure": "QUITE"}, ["sure", "QUITE", "VAGUELY"]),
    ],
)
def test_a_prior_that_cannot_be_is_refused(
    api: Api, spec: dict[str, Any], prior: dict[str, Any], words: list[str]
) -> None:
    message = api.refused("/studies", {"studySpec": {**spec, "parameters": [{**RATE, "prior": prior}]}})
    assert all(word in message for word in words), message


def test_a_prior_of_an_unknown_parameter_is_refused(api: Api, make_study: Callable[..., str]) -> None:
    study = make_study(parameters=PARAMETERS)
    message = api.refused(f"{study}:setPriors", {"priors": [{"parameterId": "depth", "values": [1]}]})
    assert "'depth' is not a parameter of the study" in message
    message = api.refused(f"{study}:setPriors", {"priors": [{"parameterId": "units", "values": [10]}]})
    assert "units" in message
    assert "1 to 9" in message
