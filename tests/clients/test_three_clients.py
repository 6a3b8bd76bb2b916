"""One study and three clients of different make at once."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

import dodona
from tests.clients.google_clients import HERE, discovery_client, vizier_client

SPEC = types.StudySpec(
    metrics=[{"metric_id": "loss", "goal": "MINIMIZE"}],
    parameters=[
        {"parameter_id": "rate", "double_value_spec": {"min_value": 0.0, "max_value": 1.0}},
        {"parameter_id": "layers", "integer_value_spec": {"min_value": 1, "max_value": 4}},
        {
            "parameter_id": "optimizer",
            "categorical_value_spec": {"values": ["adam", "sgd"]},
            "conditional_parameter_specs": [
                {
                    "parameter_spec": {
                        "parameter_id": "momentum",
                        "discrete_value_spec": {"values": [0.0, 0.5, 0.75]},
                    },
                    "parent_categorical_values": {"values": ["sgd"]},
                }
            ],
        },
    ],
    study_stopping_config={"max_num_trials": 3},
)


def test_one_study(server_url: str) -> None:
    """Google's SDK creates it, Dodona's client runs its trials, the discovery client ends and reads them."""
    sdk = vizier_client(server_url)
    trials = discovery_client(server_url).studies().trials()
    with dodona.Client(server_url) as ours:
        created = sdk.create_study(parent=HERE, study={"display_name": "shared", "study_spec": SPEC})
        study = ours.get_study("shared")
        assert (study.name, study.metrics) == (created.name, {"loss": "minimize"})
        assert study.space == {
            "rate": dodona.Float(0, 1),
            "layers": dodona.Int(1, 4),
            "optimizer": dodona.Categorical(
                ["adam", "sgd"], children={"sgd": {"momentum": dodona.Discrete([0.0, 0.5, 0.75])}}
            ),
        }

        asked = [study.ask() for _ in range(3)]
        for trial in asked:
            trial.report({"loss": trial.number / 2}, step=1)
        listed = trials.list(parent=study.name).execute()["trials"]
        for trial, theirs, googles in zip(asked, listed, sdk.list_trials(parent=study.name), strict=True):
            assert trial.parameters == {one["parameterId"]: one["value"] for one in theirs["parameters"]}
            assert trial.parameters == {one.parameter_id: one.value for one in googles.parameters}
            assert theirs["measurements"][0]["metrics"] == [{"metricId": "loss", "value": trial.number / 2}]
            assert theirs["clientId"] == googles.client_id != ""

        first, second, third = (trial["name"] for trial in listed)
        trials.stop(name=first, body={}).execute()
        asked[0].report({"loss": 0.25}, step=2)
        assert asked[0].should_stop
        trials.complete(name=first, body={}).execute()
        body = {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 0}]}}
        trials.complete(name=second, body=body).execute()
        asked[2].fail("it diverged")

        assert study.best_trial is not None
        assert (study.best_trial.number, study.best_trial.metrics) == (2, {"loss": 0.0})
        states = [trial.state.name for trial in sdk.list_trials(parent=study.name)]
        assert states == ["SUCCEEDED", "SUCCEEDED", "INFEASIBLE"]
        assert trials.get(name=third).execute()["infeasibleReason"] == "it diverged"
        with pytest.raises(dodona.StudyCompleted):
            study.ask()
        with pytest.raises(exceptions.BadRequest):
            sdk.complete_trial({"name": third})


def test_what_dodona_adds_disturbs_nobody(server_url: str) -> None:
    """Metadata, seeds and types of our client's studies, and a pause."""
    sdk, studies = vizier_client(server_url), discovery_client(server_url).studies()
    with dodona.Client(server_url) as ours:
        space = {"units": dodona.Int(1, 8, children={8: {"augment": dodona.Boolean()}})}
        study = ours.create_study("ours", space, goal="maximize", seed=1)
        trial = study.ask()
        parameters = sdk.get_study(name=study.name).study_spec.parameters
        assert [parameter.parameter_id for parameter in parameters] == ["units"]
        assert studies.get(name=study.name).execute()["studySpec"]["seed"] == "1"
        (googles,) = sdk.list_trials(parent=study.name)
        assert googles.parameters[0].value == trial.parameters["units"]
        (operation,) = sdk.list_operations({"name": study.name}).operations
        assert sdk.get_operation({"name": operation.name}) == operation


@pytest.mark.parametrize("algorithm", ["gp_bandit", "tpe", "hyperband"])
def test_an_algorithm_that_vertex_does_not_know_disturbs_nobody(server_url: str, algorithm: str) -> None:
    sdk = vizier_client(server_url)
    with dodona.Client(server_url) as ours:
        study = ours.create_study("named", {"x": dodona.Float(0, 1)}, goal="minimize", algorithm=algorithm)
        with study.ask() as trial:
            trial.complete(trial.parameters["x"])
        assert sdk.get_study(name=study.name).study_spec.metrics[0].metric_id == "objective"
        assert [one.id for one in sdk.list_trials(parent=study.name)] == ["1"]
        answer = sdk.suggest_trials({"parent": study.name, "suggestion_count": 1, "client_id": "google"})
        assert [one.id for one in answer.result().trials] == ["2"]
        assert study.name in [one.name for one in sdk.list_studies(parent=HERE)]
