"""`:explain` on a trial: why it was suggested, what was expected of it, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api

TRIALS = "/studies/s/trials"
PARAMETERS = [
    {"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}},
    {"parameterId": "kind", "categoricalValueSpec": {"values": ["a", "b"]}},
]


def chosen(trial: dict[str, Any]) -> dict[str, Any]:
    return {one["parameterId"]: one["value"] for one in trial["parameters"]}


def run(api: Api, value: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
    """Run a trial and return it."""
    (trial,) = api.suggest()
    measured = {"metrics": [{"metricId": "loss", "value": value(chosen(trial))}]}
    api.post(f"{TRIALS}/{trial['id']}:complete", {"finalMeasurement": measured})
    return trial


@pytest.mark.processes
def test_a_model_says_what_it_expected(api: Api, make_study: Callable[..., str]) -> None:
    make_study(algorithm="GP_BANDIT", parameters=PARAMETERS)
    for _ in range(9):
        trial = run(api, lambda values: (values["x"] - 0.4) ** 2 + (values["kind"] == "b"))
    told = api.get(f"{TRIALS}/{trial['id']}:explain")
    assert told["reason"] == "largest expected improvement"
    assert told["expected"]["metricId"] == "loss"
    assert told["expected"]["low"] < told["expected"]["mean"] < told["expected"]["high"]
    assert told["expected"]["probability"] == 0.9
    assert 0 <= told["exploring"] <= 1
    assert "priorStudies" not in told
    assert told["measured"] == api.get(f"{TRIALS}/9")["finalMeasurement"]["metrics"][0]["value"]
    best = api.get(f"/{told['bestTrial'].partition('/locations/l/')[2]}")
    assert {one["parameterId"] for one in told["differences"]} == {
        name for name, value in chosen(trial).items() if chosen(best)[name] != value
    }
    assert all(one["matters"] == (one["kept"] < 0.9) for one in told["differences"] if "matters" in one)
    assert told["summary"].startswith("Reason: largest expected improvement")
    assert f"It differs from trial {best['id']} (the best then) in " in told["summary"]
    # After the initial design of four.
    assert told["expectedTrialCount"] == 5
    assert told["metTrialCount"] == sum(" as expected." in summary(api, number) for number in range(5, 10))


def summary(api: Api, number: int) -> str:
    text: str = api.get(f"{TRIALS}/{number}:explain")["summary"]
    return text


def test_a_search_without_results_says_so(api: Api, study: str) -> None:
    first = run(api, lambda _: 1.0)
    second = run(api, lambda _: 2.0)
    assert summary(api, int(first["id"])) == "Reason: RANDOM_SEARCH uses no results."
    told = api.get(f"{TRIALS}/{second['id']}:explain")
    assert told["summary"].endswith("It differs from trial 1 (the best) in x.")
    assert [one["bestValue"] for one in told["differences"]] == [chosen(first)["x"]]
    assert "expected" not in told


def test_a_trial_of_a_user_is_one(api: Api, study: str) -> None:
    api.post(TRIALS, {"parameters": [{"parameterId": "x", "value": 0.5}]})
    told = api.get(f"{TRIALS}/1:explain")
    assert told["summary"] == "A user queued this trial."
    assert told.get("reason", "") == ""


def test_a_failed_trial_failed(api: Api, study: str) -> None:
    (trial,) = api.suggest()
    api.post(f"{TRIALS}/{trial['id']}:complete", {"trialInfeasible": True, "infeasibleReason": "no memory"})
    assert summary(api, 1).endswith("It failed.")


def test_metadata_of_a_client_is_no_explanation(api: Api, study: str) -> None:
    (trial,) = api.suggest()
    path = f"{TRIALS}/{trial['id']}"
    api.post(f"{path}:updateMetadata", {"metadata": {"suggestion/explanation": '{"expected": ["a", "b", "c"]}'}})
    assert summary(api, 1) == "Reason: RANDOM_SEARCH uses no results."


def test_a_trial_that_is_not_there_has_no_explanation(api: Api, study: str) -> None:
    assert "does not exist" in api.get(f"{TRIALS}/7:explain", 404)["error"]["message"]
