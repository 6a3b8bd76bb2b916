"""Budgets of compute and money, what is left of them, and the chance that the rest brings something better."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api

TRIALS = "/studies/s/trials"


def done(api: Api, value: float = 1.0, client: str = "w", **more: Any) -> None:
    (trial,) = api.suggest(client=client, **more)
    measured = {"metrics": [{"metricId": "loss", "value": value}]}
    api.post(f"{TRIALS}/{trial['id']}:complete", {"finalMeasurement": measured})


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_compute_is_time_times_gpus(api: Api, make_study: Callable[..., str]) -> None:
    study = make_study(studyStoppingConfig={"pricePerHour": 36.0, "maxCost": 1000.0, "maxComputeDuration": "9000s"})
    assert seconds(api.get(f"{study}:outlook")["computeDuration"]) == 0
    api.suggest(client="cpu")
    api.suggest(client="four", gpus=4)
    api.suggest(client="quarter", gpus=0.25)
    time.sleep(1.0)
    began = time.monotonic()
    first = api.get(f"{study}:outlook")
    time.sleep(0.5)
    second = api.get(f"{study}:outlook")
    grown = seconds(second["computeDuration"]) - seconds(first["computeDuration"])
    elapsed = time.monotonic() - began
    # One worker without a GPU, one with four, and one with a quarter: 5.25 for each second.
    assert 0.5 * 5.25 <= grown <= elapsed * 5.25 + 0.01
    assert seconds(second["computeDuration"]) >= 1.5 * 5.25
    assert second["cost"] == pytest.approx(seconds(second["computeDuration"]) / 100, abs=1e-4)
    assert second["leftCost"] == pytest.approx(1000 - second["cost"])
    assert seconds(second["leftComputeDuration"]) == pytest.approx(9000 - seconds(second["computeDuration"]), abs=0.01)
    assert "leftDuration" not in second


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        ({"maxComputeDuration": "0.001s"}, "hours of compute are used (maxComputeDuration)"),
        ({"maxCost": 0.000001, "pricePerHour": 100.0}, "are spent (maxCost)"),
    ],
)
def test_a_study_ends_when_its_compute_is_used_up(
    api: Api, make_study: Callable[..., str], budget: dict[str, Any], reason: str
) -> None:
    study = make_study(studyStoppingConfig=budget)
    (trial,) = api.suggest()
    time.sleep(0.05)
    api.post(f"{TRIALS}/{trial['id']}:complete", {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 1}]}})
    ended = api.get(study)
    assert ended["state"] == "COMPLETED"
    assert reason in ended["completionReason"]
    # With more of it the study goes on.
    api.post(f"{study}:setBudget", {"studyStoppingConfig": {"maxComputeDuration": "3600s"}})
    assert api.get(study)["state"] == "ACTIVE"


def test_the_trials_left_follow_from_the_pace(api: Api, make_study: Callable[..., str]) -> None:
    study = make_study(studyStoppingConfig={"maxNumTrials": 9, "maximumRuntimeConstraint": {"maxDuration": "1000000s"}})
    done(api)
    done(api)
    left = api.get(f"{study}:outlook")
    assert (left["finishedTrialCount"], left["leftTrialCount"]) == (2, 7)
    assert seconds(left["leftDuration"]) <= 1_000_000
    api.post(f"{study}:setBudget", {"studyStoppingConfig": {"maxComputeDuration": "0.5s"}})
    assert api.get(f"{study}:outlook")["leftTrialCount"] >= 0


def test_a_study_without_a_limit_has_nothing_left_to_count(api: Api, study: str) -> None:
    done(api)
    left = api.get(f"{study}:outlook")
    assert set(left) == {"finishedTrialCount", "computeDuration"}


@pytest.mark.processes
def test_a_search_that_has_found_its_best_is_told_so_and_ends(api: Api, make_study: Callable[..., str]) -> None:
    study = make_study(algorithm="GP_BANDIT", studyStoppingConfig={"maxNumTrials": 60})
    for number in range(25):
        (trial,) = api.suggest()
        x = trial["parameters"][0]["value"]
        measured = {"metrics": [{"metricId": "loss", "value": (x - 0.4) ** 2}]}
        api.post(f"{TRIALS}/{trial['id']}:complete", {"finalMeasurement": measured})
        told = api.get(f"{study}:outlook")
        assert ("improvementChance" in told) == (number >= 9)
    assert 0 < told["improvementChance"] < 0.5
    limit = {"improvementUnlikely": 0.99}
    api.post(f"{study}:setBudget", {"studyStoppingConfig": limit})
    ended = api.get(study)
    assert ended["state"] == "COMPLETED"
    assert "(improvementUnlikely)" in ended["completionReason"]
    assert ended["studySpec"]["studyStoppingConfig"] == limit


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"maxCost": 5}, ["studyStoppingConfig.maxCost", "needs pricePerHour"]),
        ({"maxComputeDuration": "0s"}, ["maxComputeDuration", "is not above 0"]),
        ({"pricePerHour": -1, "maxCost": 1}, ["pricePerHour", "-1.0 is not above 0"]),
        ({"improvementUnlikely": 1}, ["improvementUnlikely", "above 0 and below 1"]),
    ],
)
def test_a_budget_that_cannot_be_is_refused(
    api: Api, spec: dict[str, Any], budget: dict[str, Any], words: list[str]
) -> None:
    message = api.refused("/studies", {"studySpec": {**spec, "studyStoppingConfig": budget}})
    assert all(word in message for word in words), message


@pytest.mark.parametrize("gpus", [-1, 1e9])
def test_a_number_of_gpus_that_cannot_be_is_refused(api: Api, study: str, gpus: float) -> None:
    message = api.refused(f"{TRIALS}:suggest", {"clientId": "w", "suggestionCount": 1, "gpus": gpus})
    assert "gpus" in message
