"""What early stopping would have saved in a study without a stopping rule."""

from __future__ import annotations

import math

import pytest

from tests.api.conftest import HERE

STEPS = 20


def _run(api, number: int) -> None:
    """Runs a trial whose curve rises to an end that is plain early; every fifth one ends well."""
    end = 1.0 if number % 5 == 0 else 0.3 + 0.002 * number
    api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.5}]})
    api.suggest(count=1)
    for step in range(1, STEPS + 1):
        metric = {"metricId": "loss", "value": 1 - end * (1 - math.exp(-step / 4))}
        measurement = {"stepCount": step, "metrics": [metric]}
        api.post(f"/studies/s/trials/{number}:addTrialMeasurement", {"measurement": measurement})
    api.post(f"/studies/s/trials/{number}:complete")


@pytest.mark.processes
def test_the_rule_is_replayed_on_the_curves(api, spec):
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    assert "is not known" in api.get("/studies/s:replayStopping")["summary"]
    for number in range(1, 21):
        _run(api, number)
    found = api.get("/studies/s:replayStopping")
    assert found["trialCount"] == 20
    assert found["stoppedTrialCount"] >= 1
    assert 0.01 < found["savedShare"] < 0.9
    assert "lostTrial" not in found or not found["lostTrial"]
    assert found["summary"].startswith(
        f"The rule auto would have stopped {found['stoppedTrialCount']} of 20 trials and saved"
    )
    assert api.get("/studies/s:replayStopping") == found
    assert found["summary"] in api.client.get(f"{HERE}/studies/s:report").text


@pytest.mark.processes
def test_too_few_trials_say_why(api, spec):
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    _run(api, 1)
    found = api.get("/studies/s:replayStopping")
    assert not found.get("trialCount")
    assert "needs more than 8 whole trials" in found["summary"]


def test_a_study_with_a_rule_has_no_hindsight(api, spec):
    spec["medianAutomatedStoppingSpec"] = {}
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    assert api.get("/studies/s:replayStopping")["summary"] == "The study has a rule of early stopping."
    assert "rule auto" not in api.client.get(f"{HERE}/studies/s:report").text
