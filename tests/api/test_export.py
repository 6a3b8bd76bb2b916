"""A study as a file."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest

from dodona_server.app import create_app
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE, Api
from tests.support.app_client import AppClient
from tests.support.breaking import broken_at


@pytest.fixture
def exported(api, spec):
    """Exports a study with a trial of each fate, by format."""
    spec["parameters"] += [
        {"parameterId": "units", "integerValueSpec": {"minValue": 1, "maxValue": 9}},
        {"parameterId": "kind", "categoricalValueSpec": {"values": ["=1+1", "b"]}},
    ]
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    values = {"x": 0.5, "units": 3, "kind": "=1+1"}
    parameters = [{"parameterId": name, "value": value} for name, value in values.items()]
    for _ in range(3):
        api.post("/studies/s/trials", {"parameters": parameters})
    api.suggest(count=2)
    measurement = {"stepCount": 1, "metrics": [{"metricId": "loss", "value": 0.25}]}
    api.post("/studies/s/trials/1:addTrialMeasurement", {"measurement": measurement})
    api.post("/studies/s/trials/1:complete")
    api.post("/studies/s/trials/2:complete", {"trialInfeasible": True, "infeasibleReason": "out of, memory"})

    def export(kind: str) -> bytes:
        response = api.client.get(f"{HERE}/studies/s:export?format={kind}")
        assert response.status_code == 200, response.text
        assert response.headers["content-disposition"] == f'attachment; filename="s.{kind}"'
        return response.content

    return export


def test_csv(exported):
    rows = list(csv.DictReader(io.StringIO(exported("csv").decode())))
    assert [row["state"] for row in rows] == ["SUCCEEDED", "INFEASIBLE", "REQUESTED"]
    assert [row["metrics.loss"] for row in rows] == ["0.25", "", ""]
    assert (rows[0]["parameters.x"], rows[0]["parameters.units"]) == ("0.5", "3")
    assert rows[0]["parameters.kind"] == "'=1+1", "a spreadsheet must not run it"
    assert rows[1]["infeasible_reason"] == "out of, memory"


def test_json_lines(exported):
    trials = [json.loads(line) for line in exported("jsonl").splitlines()]
    assert [trial["id"] for trial in trials] == ["1", "2", "3"]
    assert trials[0]["measurements"][0]["metrics"] == [{"metricId": "loss", "value": 0.25}]


def test_parquet(exported):
    frame = pd.read_parquet(io.BytesIO(exported("parquet")))
    assert list(frame["number"]) == [1, 2, 3]
    assert (frame["parameters.kind"][0], frame["parameters.units"][0], frame["metrics.loss"][0]) == ("=1+1", 3, 0.25)
    assert str(frame["create_time"].dtype).endswith("UTC]")


def test_an_empty_study_has_its_columns(api, study):
    header = api.client.get(f"{HERE}{study}:export").text.strip().split(",")
    assert header[:2] == ["number", "state"]
    assert header[-2:] == ["parameters.x", "metrics.loss"]
    assert len(pd.read_parquet(io.BytesIO(api.client.get(f"{HERE}{study}:export?format=parquet").content))) == 0
    assert api.client.get(f"{HERE}{study}:export?format=jsonl").content == b""


def test_what_cannot_be_exported(api, study):
    assert (
        "format: Input should be 'csv', 'jsonl' or 'parquet'"
        in api.get(f"{study}:export?format=xls", 400)["error"]["message"]
    )
    assert "studies/none does not exist" in api.get("/studies/none:export", 404)["error"]["message"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_database_that_does_not_answer_is_an_error_not_half_a_file(postgres_url, spec, kind):
    with AppClient(create_app(open_store(postgres_url)), base_url="http://localhost") as client:
        Api(client).post("/studies", {"studyId": "s", "studySpec": spec})
        export = f"{HERE}/studies/s:export?format={kind}"
        assert broken_at(postgres_url, "trials", lambda: client.get(export)).status_code == 503
        assert client.get(export).status_code == 200
