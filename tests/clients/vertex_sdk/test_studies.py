"""The low-level client of google-cloud-aiplatform, unmodified, over REST and plain HTTP: studies and operations."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.api_core import exceptions, operation
from google.cloud.aiplatform_v1 import VizierServiceClient, types
from google.longrunning import operations_pb2

from tests.clients.google_clients import HERE
from tests.clients.vertex_sdk.messages import KINDS, Goal, Scale, StudyState, create, small
from tests.support.patience import patience


class TestStudies:
    @pytest.mark.needs("admin")
    def test_from_creation_to_deletion(self, client: VizierServiceClient) -> None:
        created = create(client)
        assert created.name.startswith(f"{HERE}/studies/")
        assert (created.display_name, created.state) == ("a study", StudyState.ACTIVE)
        assert abs(datetime.now(UTC) - created.create_time) < timedelta(minutes=1)
        assert client.get_study(name=created.name) == created
        assert client.lookup_study({"parent": HERE, "display_name": "a study"}) == created
        assert list(client.list_studies(parent=HERE)) == [created]
        assert client.delete_study(name=created.name) is None
        assert list(client.list_studies(parent=HERE)) == []

    @pytest.mark.parametrize(
        "rule",
        [
            {},
            {"decay_curve_stopping_spec": {"use_elapsed_duration": True}},
            {"median_automated_stopping_spec": {"use_elapsed_duration": False}},
            {
                "convex_automated_stopping_spec": {
                    "max_step_count": 100,
                    "min_step_count": 0,
                    "min_measurement_count": 3,
                    "learning_rate_parameter_name": "log",
                    "use_elapsed_duration": True,
                    "update_all_stopped_trials": False,
                }
            },
        ],
        ids=lambda rule: next(iter(rule), "none"),
    )
    def test_every_field_of_the_spec_comes_back(self, client: VizierServiceClient, rule: dict[str, Any]) -> None:
        spec = types.StudySpec(
            metrics=[
                {"metric_id": "loss", "goal": Goal.MINIMIZE},
                {
                    "metric_id": "safety",
                    "goal": Goal.MAXIMIZE,
                    "safety_config": {"safety_threshold": 0.0, "desired_min_safe_trials_fraction": 0.0},
                },
            ],
            parameters=KINDS,
            algorithm=types.StudySpec.Algorithm.RANDOM_SEARCH,
            observation_noise=types.StudySpec.ObservationNoise.HIGH,
            measurement_selection_type=types.StudySpec.MeasurementSelectionType.BEST_MEASUREMENT,
            study_stopping_config={
                "should_stop_asap": False,
                "minimum_runtime_constraint": {"max_duration": timedelta(seconds=1.5)},
                "maximum_runtime_constraint": {"end_time": datetime(2999, 1, 2, 3, 4, 5, tzinfo=UTC)},
                "min_num_trials": 2,
                "max_num_trials": 20,
                "max_num_trials_no_progress": 10,
                "max_duration_no_progress": timedelta(hours=1),
            },
            **rule,
        )
        created = create(client, spec)
        assert created.study_spec == spec
        assert client.get_study(name=created.name).study_spec == spec

    def test_enums_travel_as_numbers(self, client: VizierServiceClient) -> None:
        """What the SDK's own code hides: it sends numbers and asks for them."""
        seen: list[requests.Response] = []
        client.transport._session.hooks["response"].append(lambda response, **_: seen.append(response))
        create(client)
        sent, got = json.loads(seen[0].request.body), seen[0].json()
        assert sent["studySpec"]["metrics"][0]["goal"] == got["studySpec"]["metrics"][0]["goal"] == 2
        assert got["state"] == 1

    def test_what_is_not_said_has_a_meaning(self, client: VizierServiceClient) -> None:
        spec = create(client, small(metrics=[{"metric_id": "m"}])).study_spec
        assert spec.metrics[0].goal is Goal.MAXIMIZE
        assert spec.parameters[0].scale_type is Scale.UNIT_LINEAR_SCALE
        assert spec.measurement_selection_type is types.StudySpec.MeasurementSelectionType.LAST_MEASUREMENT

    @pytest.mark.needs("editor")
    def test_pages(self, client: VizierServiceClient) -> None:
        names = [create(client, name=f"study {index}").name for index in range(5)]
        pages = list(client.list_studies({"parent": HERE, "page_size": 2}).pages)
        assert [[study.name for study in page.studies] for page in pages] == [names[:2], names[2:4], names[4:]]
        assert [study.name for study in client.list_studies(parent=HERE)] == names

    def test_creating_again(self, client: VizierServiceClient) -> None:
        created = create(client)
        assert create(client) == created
        other = small(algorithm=types.StudySpec.Algorithm.RANDOM_SEARCH)
        with pytest.raises(exceptions.Conflict, match="algorithm"):
            create(client, other)

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            (small(metrics=[]), "metrics"),
            (small(parameters=[{"parameter_id": "x"}]), "needs exactly one of doubleValueSpec"),
            (
                small(parameters=[{"parameter_id": "x", "integer_value_spec": {"min_value": 1}}]),
                r"parameters\[0\]\.integerValueSpec",
            ),
        ],
    )
    def test_a_bad_spec(self, client: VizierServiceClient, spec: types.StudySpec, message: str) -> None:
        with pytest.raises(exceptions.BadRequest, match=message):
            create(client, spec)

    @pytest.mark.needs("admin")
    def test_one_that_is_not_there(self, client: VizierServiceClient) -> None:
        missing = f"{HERE}/studies/none"
        with pytest.raises(exceptions.NotFound, match="studies/none does not exist"):
            client.get_study(name=missing)
        with pytest.raises(exceptions.NotFound):
            client.delete_study(name=missing)
        with pytest.raises(exceptions.NotFound):
            client.lookup_study({"parent": HERE, "display_name": "none"})
        with pytest.raises(exceptions.NotFound):
            client.list_trials(parent=missing)
        with pytest.raises(exceptions.NotFound):
            client.suggest_trials({"parent": missing, "suggestion_count": 1, "client_id": "w"})


class TestOperations:
    """The SDK asks for them under `/ui`, and refuses answers with fields that it does not know."""

    def test_get_wait_and_cancel(self, client: VizierServiceClient, study: str) -> None:
        suggesting = client.suggest_trials({"parent": study, "suggestion_count": 2, "client_id": "w"})
        checking = client.check_trial_early_stopping_state({"trial_name": f"{study}/trials/1"})
        for future, response in (
            (suggesting, types.SuggestTrialsResponse),
            (checking, types.CheckTrialEarlyStoppingStateResponse),
        ):
            name = future.operation.name
            assert name.startswith(f"{study}/operations/")
            assert client.cancel_operation({"name": name}) is None
            waited = client.wait_operation({"name": name, "timeout": {"seconds": 1}})
            for found in (client.get_operation({"name": name}), waited):
                assert (found.name, found.done, found.WhichOneof("result")) == (name, True, "response")
                inner = response.pb(response())
                assert found.response.Unpack(inner)
                assert response.wrap(inner) == future.result()

    @pytest.mark.needs("editor")
    def test_a_future_that_has_to_ask(self, client: VizierServiceClient, study: str) -> None:
        """As if the answer had been lost: the future knows the operation's name alone."""
        name = client.suggest_trials({"parent": study, "suggestion_count": 1, "client_id": "w"}).operation.name
        pending = operations_pb2.Operation(name=name)
        poll = client.transport.operations_client
        future = operation.from_gapic(
            pending, poll, types.SuggestTrialsResponse, metadata_type=types.SuggestTrialsMetadata
        )
        assert [trial.id for trial in future.result(timeout=patience(30)).trials] == ["1"]
        assert future.metadata.client_id == "w"
        assert [found.name for found in poll.list_operations(study, "")] == [name]

    @pytest.mark.needs("editor")
    def test_listing_and_deletion(self, client: VizierServiceClient, study: str) -> None:
        names = set()
        for index in range(3):
            request = {"parent": study, "suggestion_count": 1, "client_id": f"w{index}"}
            names.add(client.suggest_trials(request).operation.name)
        for parent in (study, HERE, f"{study}/trials/1"):
            assert {found.name for found in client.list_operations({"name": parent}).operations} == names
        first = client.list_operations({"name": study, "page_size": 2})
        second = client.list_operations({"name": study, "page_size": 2, "page_token": first.next_page_token})
        assert (len(first.operations), len(second.operations), second.next_page_token) == (2, 1, "")
        assert {found.name for found in (*first.operations, *second.operations)} == names
        gone = names.pop()
        assert client.delete_operation({"name": gone}) is None
        with pytest.raises(exceptions.NotFound):
            client.get_operation({"name": gone})
        assert {found.name for found in client.list_operations({"name": study}).operations} == names
