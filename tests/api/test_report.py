"""The report of a study, over HTTP."""

from __future__ import annotations

import pytest

from dodona_server.service.views import reports
from tests.api.conftest import HERE


@pytest.fixture
def reported(api, spec):
    """A study with a name that is markup, a trial of each fate, and a curve."""
    spec["parameters"] += [{"parameterId": "<i>kind", "categoricalValueSpec": {"values": ["<b>", "b"]}}]
    spec["studyStoppingConfig"] = {"maxNumTrials": 9}
    api.post("/studies", {"studyId": "s", "displayName": "<script>s", "studySpec": spec})
    for x in (0.5, 0.25):
        parameters = [{"parameterId": "x", "value": x}, {"parameterId": "<i>kind", "value": "<b>"}]
        api.post("/studies/s/trials", {"parameters": parameters})
    api.suggest(count=2)
    for step in (1, 2):
        measurement = {"stepCount": step, "metrics": [{"metricId": "loss", "value": 1 / step}]}
        api.post("/studies/s/trials/1:addTrialMeasurement", {"measurement": measurement})
    api.post("/studies/s/trials/1:complete")
    api.post("/studies/s/trials/2:complete", {"trialInfeasible": True, "infeasibleReason": "<u>out of memory"})


@pytest.mark.processes
def test_the_page_has_its_own_policy(api, reported):
    response = api.client.get(f"{HERE}/studies/s:report")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-disposition"] == 'inline; filename="s-report.html"'
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    page = response.text
    assert "<script" not in page
    assert "&lt;script&gt;s" in page
    assert "<b>" not in page
    assert "&lt;u&gt;out of memory" in page
    assert "2 trials: 1 succeeded, 1 infeasible" in page
    assert "The study ends after 9 trials." in page
    assert "<polyline" in page


@pytest.mark.processes
def test_markdown(api, reported):
    response = api.client.get(f"{HERE}/studies/s:report?format=md")
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.text.startswith("# \\<script\\>s\n")
    assert "| 1 | 2 | \\<u\\>out of memory |" in response.text


def test_what_has_no_report(api, reported):
    assert "format" in api.get("/studies/s:report?format=pdf", 400)["error"]["message"]
    assert "studies/none does not exist" in api.get("/studies/none:report", 404)["error"]["message"]


@pytest.mark.processes
def test_a_large_study_is_read_in_part(api, spec, monkeypatch):
    monkeypatch.setattr(reports, "MOST", 50)
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    for number in range(120):
        trial = {
            "state": "SUCCEEDED",
            "parameters": [{"parameterId": "x", "value": (number % 97) / 97}],
            "finalMeasurement": {"metrics": [{"metricId": "loss", "value": abs(number - 62.5)}]},
        }
        api.post("/studies/s/trials", trial)
    page = api.client.get(f"{HERE}/studies/s:report").text
    assert "120 trials: 120 succeeded" in page
    assert "of 120 trials are read, the best ones among them." in page
    assert "Trial 63 has the best loss: 0.5" in page
