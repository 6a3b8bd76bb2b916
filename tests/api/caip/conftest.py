"""Fixtures for tests of the AI Platform dialect, and calls in it."""

from __future__ import annotations

import pytest

from tests.api.conftest import HERE, Api

LOCATION = HERE.removeprefix("/v1/")
TYPES = "type.googleapis.com/google.cloud.ml.v1."


class Ml(Api):
    """Calls by path below the dialect's location; each answer must close its connection, and none is a 429."""

    def call(self, method, path, body=None, code=200):
        response = self.client.request(method, "/ml" + HERE + path, json=body)
        assert response.status_code == code, response.text
        assert response.headers["connection"] == "close"
        return response.json()

    def suggest(self, study="s", client="w", count=1):
        body = {"client_id": client, "suggestion_count": count}
        return self.post(f"/studies/{study}/trials:suggest", body)["response"]["trials"]


@pytest.fixture
def ml(api):
    return Ml(api.client)


@pytest.fixture
def config():
    """What tensorflow-cloud makes of a small search: snake_case and camelCase side by side."""
    return {
        "algorithm": "RANDOM_SEARCH",
        "automatedStoppingConfig": {"decayCurveStoppingConfig": {"useElapsedTime": True}},
        "metrics": [{"metric": "val_loss", "goal": "MINIMIZE"}],
        "parameters": [
            {
                "parameter": "lr",
                "type": "DOUBLE",
                "double_value_spec": {"min_value": 1e-4, "max_value": 0.1},
                "scale_type": "UNIT_LOG_SCALE",
            },
            {"parameter": "layers", "type": "INTEGER", "integer_value_spec": {"min_value": 1, "max_value": 4}},
            {"parameter": "units", "type": "DISCRETE", "discrete_value_spec": {"values": [64, 16, 32]}},
            {"parameter": "keep", "type": "DISCRETE", "discrete_value_spec": {"values": [0.5, 1.0]}},
            {"parameter": "bias", "type": "CATEGORICAL", "categorical_value_spec": {"values": ["True", "False"]}},
        ],
    }


@pytest.fixture
def study(ml, config):
    """The path of a study of `config`."""
    ml.post("/studies?studyId=s&alt=json", {"study_config": config})
    return "/studies/s"


@pytest.fixture
def trial(ml, study):
    """The path of an ACTIVE trial."""
    return f"{study}/trials/{ml.suggest()[0]['id']}"


def measurement(value, step=0, **more):
    return {
        "stepCount": step,
        "elapsedTime": {"seconds": 2},
        "metrics": [{"metric": "val_loss", "value": value}],
        **more,
    }


def report(ml, trial, value, step=0):
    return ml.post(f"{trial}:addMeasurement", {"measurement": measurement(value, step)})


def finish(ml, trial, infeasible=False):
    return ml.post(f"{trial}:complete", {"trial_infeasible": infeasible, "infeasible_reason": None})


def listed(ml):
    return ml.get("/studies/s/trials")["trials"]
