"""The low-level client of google-cloud-aiplatform, unmodified, over REST and plain HTTP."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.api_core import exceptions, operation
from google.cloud.aiplatform_v1 import VizierServiceClient, types
from google.longrunning import operations_pb2
from google.protobuf.struct_pb2 import Value

from tests.clients.conftest import Caller
from tests.clients.google_clients import HERE, vizier_client
from tests.support.patience import patience

Goal = types.StudySpec.MetricSpec.GoalType
Parameter = types.StudySpec.ParameterSpec
Scale = Parameter.ScaleType
StudyState = types.Study.State
TrialState = types.Trial.State

METRICS = [{"metric_id": "loss", "goal": Goal.MINIMIZE}]
X = [{"parameter_id": "x", "double_value_spec": {"min_value": 0.0, "max_value": 1.0}}]

KINDS = [
    # Zeros, which the SDK does not send where they are the default.
    Parameter(
        parameter_id="zero",
        double_value_spec={"min_value": 0.0, "max_value": 1.0, "default_value": 0.0},
        scale_type=Scale.UNIT_LINEAR_SCALE,
    ),
    Parameter(
        parameter_id="layers",
        integer_value_spec={"min_value": -3, "max_value": 0, "default_value": 0},
        scale_type=Scale.UNIT_LINEAR_SCALE,
    ),
    Parameter(
        parameter_id="log",
        double_value_spec={"min_value": 1e-6, "max_value": 1.0},
        scale_type=Scale.UNIT_LOG_SCALE,
    ),
    Parameter(
        parameter_id="units",
        discrete_value_spec={"values": [0.0, 1.5, 64.0], "default_value": 1.5},
        scale_type=Scale.UNIT_LINEAR_SCALE,
        conditional_parameter_specs=[
            {
                "parameter_spec": {"parameter_id": "of units", "categorical_value_spec": {"values": ["a", "b"]}},
                "parent_discrete_values": {"values": [0.0, 64.0]},
            }
        ],
    ),
    Parameter(
        parameter_id="optimizer",
        categorical_value_spec={"values": ["adam", "sgd"], "default_value": "sgd"},
        conditional_parameter_specs=[
            {
                "parameter_spec": {
                    "parameter_id": "depth",
                    "integer_value_spec": {"min_value": 1, "max_value": 2},
                    "scale_type": Scale.UNIT_REVERSE_LOG_SCALE,
                    "conditional_parameter_specs": [
                        {
                            "parameter_spec": {
                                "parameter_id": "of depth 2",
                                "double_value_spec": {"min_value": -1.0, "max_value": 0.0},
                                "scale_type": Scale.UNIT_LINEAR_SCALE,
                            },
                            "parent_int_values": {"values": [2]},
                        }
                    ],
                },
                "parent_categorical_values": {"values": ["sgd"]},
            }
        ],
    ),
]


@pytest.fixture
def client(caller: Caller) -> VizierServiceClient:
    """A client of each caller."""
    return vizier_client(caller.url, caller.token)


@pytest.fixture
def study(client: VizierServiceClient) -> str:
    """The name of a small study."""
    return create(client).name


@pytest.fixture
def trial(client: VizierServiceClient, study: str) -> str:
    """The name of a running trial."""
    return suggest(client, study)[0].name


def small(**fields: Any) -> types.StudySpec:
    """The spec of a small study with the given fields instead."""
    return types.StudySpec(**{"metrics": METRICS, "parameters": X, **fields})


def create(client: VizierServiceClient, spec: types.StudySpec | None = None, name: str = "a study") -> types.Study:
    return client.create_study(parent=HERE, study={"display_name": name, "study_spec": spec or small()})


def suggest(client: VizierServiceClient, study: str, count: int = 1, **more: Any) -> list[types.Trial]:
    request = {"parent": study, "suggestion_count": count, "client_id": "w", **more}
    return list(client.suggest_trials(request).result().trials)


def number(value: float) -> Value:
    return Value(number_value=value)


def values(trial: types.Trial) -> dict[str, float | str]:
    """The trial's parameters; proto-plus knows no other numbers than floats."""
    return {parameter.parameter_id: parameter.value for parameter in trial.parameters}


def measurement(loss: float, step: int = 0, seconds: float = 0.0) -> types.Measurement:
    return types.Measurement(
        metrics=[{"metric_id": "loss", "value": loss}],
        step_count=step,
        elapsed_duration=timedelta(seconds=seconds),
    )


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


class TestSuggest:
    def test_the_operation(self, client: VizierServiceClient, study: str) -> None:
        future = client.suggest_trials({"parent": study, "suggestion_count": 2, "client_id": "w"})
        assert future.done()
        assert future.metadata.client_id == "w"
        response = future.result()
        assert response.study_state is StudyState.ACTIVE
        assert future.metadata.generic_metadata.create_time == response.start_time <= response.end_time
        first, second = response.trials
        assert (first.name, first.id, second.id) == (f"{study}/trials/1", "1", "2")
        assert (first.state, first.client_id) == (TrialState.ACTIVE, "w")
        assert first.start_time == response.start_time
        assert client.get_trial(name=first.name) == first
        assert suggest(client, study, 2) == [first, second]
        assert [trial.id for trial in suggest(client, study, client_id="other")] == ["3"]

    def test_every_kind_of_parameter(self, client: VizierServiceClient) -> None:
        study = create(client, small(parameters=KINDS)).name
        for found in map(values, suggest(client, study, 60)):
            expected = {"zero", "layers", "log", "units", "optimizer"}
            expected |= {"of units"} if found["units"] in (0, 64) else set()
            expected |= {"depth"} if found["optimizer"] == "sgd" else set()
            expected |= {"of depth 2"} if found.get("depth") == 2 else set()
            assert found.keys() == expected
            assert 0 <= found["zero"] <= 1
            assert found["layers"] in (-3, -2, -1, 0)
            assert 1e-6 <= found["log"] <= 1
            assert found["units"] in (0, 1.5, 64)
            assert found["optimizer"] in ("adam", "sgd")
            assert found.get("of units", "a") in ("a", "b")
            assert found.get("depth", 1) in (1, 2)
            assert -1 <= found.get("of depth 2", 0) <= 0

    def test_contexts(self, client: VizierServiceClient) -> None:
        study = create(client, small(parameters=KINDS)).name
        contexts = [
            {"description": "cold", "parameters": [{"parameter_id": "zero", "value": number(0.0)}]},
            {
                "parameters": [
                    {"parameter_id": "optimizer", "value": Value(string_value="adam")},
                    {"parameter_id": "layers", "value": number(-2.0)},  # as the SDK has integers
                ]
            },
        ]
        first, second = map(values, suggest(client, study, 2, contexts=contexts))
        assert first["zero"] == 0
        assert (second["optimizer"], second["layers"]) == ("adam", -2)

    def test_when_nothing_is_left(self, client: VizierServiceClient) -> None:
        study = create(client, small(study_stopping_config={"max_num_trials": 2})).name
        assert len(suggest(client, study, 5)) == 2
        for index in (1, 2):
            client.complete_trial({"name": f"{study}/trials/{index}", "final_measurement": measurement(1.0)})
        response = client.suggest_trials({"parent": study, "suggestion_count": 1, "client_id": "w"}).result()
        assert list(response.trials) == []
        assert response.study_state is client.get_study(name=study).state is StudyState.COMPLETED

    def test_what_is_refused(self, client: VizierServiceClient, study: str) -> None:
        with pytest.raises(exceptions.BadRequest, match="suggestionCount"):
            suggest(client, study, 0)
        with pytest.raises(exceptions.BadRequest, match="clientId"):
            suggest(client, study, client_id="")
        with pytest.raises(exceptions.BadRequest, match="context"):
            suggest(client, study, contexts=[{"parameters": [{"parameter_id": "none", "value": number(1)}]}])


class TestTrials:
    @pytest.mark.needs("editor")
    def test_a_queued_one_is_handed_out(self, client: VizierServiceClient, study: str) -> None:
        queued = client.create_trial(parent=study, trial={"parameters": [{"parameter_id": "x", "value": number(0)}]})
        assert (queued.state, values(queued), queued.client_id) == (TrialState.REQUESTED, {"x": 0.0}, "")
        (handed,) = suggest(client, study)
        assert (handed.name, handed.state, values(handed)) == (queued.name, TrialState.ACTIVE, {"x": 0.0})

    @pytest.mark.needs("editor")
    def test_one_that_was_run_elsewhere(self, client: VizierServiceClient, study: str) -> None:
        done = client.create_trial(
            parent=study,
            trial={
                "parameters": [{"parameter_id": "x", "value": number(0.25)}],
                "state": TrialState.SUCCEEDED,
                "final_measurement": measurement(0.0, 7, 3.5),
            },
        )
        assert (done.state, done.final_measurement) == (TrialState.SUCCEEDED, measurement(0.0, 7, 3.5))
        assert done.start_time <= done.end_time
        assert list(client.list_optimal_trials({"parent": study}).optimal_trials) == [done]

    @pytest.mark.needs("editor")
    def test_a_value_outside_the_space(self, client: VizierServiceClient, study: str) -> None:
        with pytest.raises(exceptions.BadRequest, match=r"parameters\['x'\]: 2\.0 is not a number from 0\.0 to 1\.0"):
            client.create_trial(parent=study, trial={"parameters": [{"parameter_id": "x", "value": number(2)}]})

    def test_measurements(self, client: VizierServiceClient, trial: str) -> None:
        # The first is all zeros, none of which the SDK sends.
        measured = [measurement(0.0), measurement(0.5, 1, 1.25), measurement(-math.inf, 2, 1e6)]
        for one in measured:
            answer = client.add_trial_measurement({"trial_name": trial, "measurement": one})
            assert answer.state is TrialState.ACTIVE
        assert list(client.get_trial(name=trial).measurements) == measured
        client.add_trial_measurement({"trial_name": trial, "measurement": measurement(math.nan, 3, 1e6)})
        assert math.isnan(client.get_trial(name=trial).measurements[3].metrics[0].value)

    def test_completing_with_a_measurement(self, client: VizierServiceClient, trial: str) -> None:
        request = {"name": trial, "final_measurement": measurement(0.0, 10, 2.0)}
        ended = client.complete_trial(request)
        assert (ended.state, ended.final_measurement) == (TrialState.SUCCEEDED, measurement(0.0, 10, 2.0))
        assert client.complete_trial(request) == ended == client.get_trial(name=trial)
        with pytest.raises(exceptions.BadRequest, match="finished"):
            client.complete_trial({"name": trial, "final_measurement": measurement(1.0)})
        with pytest.raises(exceptions.BadRequest, match="finished"):
            client.add_trial_measurement({"trial_name": trial, "measurement": measurement(1.0, 11)})

    @pytest.mark.parametrize(
        ("selection", "final"),
        [("MEASUREMENT_SELECTION_TYPE_UNSPECIFIED", 3), ("LAST_MEASUREMENT", 3), ("BEST_MEASUREMENT", 2)],
    )
    def test_completing_without_one(self, client: VizierServiceClient, selection: str, final: int) -> None:
        study = create(client, small(measurement_selection_type=selection)).name
        (trial,) = suggest(client, study)
        with pytest.raises(exceptions.BadRequest, match="no measurement"):
            client.complete_trial({"name": trial.name})
        for step, loss in ((1, 0.5), (2, 0.0), (3, 0.25)):
            client.add_trial_measurement({"trial_name": trial.name, "measurement": measurement(loss, step)})
        ended = client.complete_trial({"name": trial.name})
        assert (ended.state, ended.final_measurement.step_count) == (TrialState.SUCCEEDED, final)

    def test_completing_as_infeasible(self, client: VizierServiceClient, trial: str) -> None:
        request = {"name": trial, "trial_infeasible": True, "infeasible_reason": "out of memory"}
        ended = client.complete_trial(request)
        assert (ended.state, ended.infeasible_reason) == (TrialState.INFEASIBLE, "out of memory")
        assert client.complete_trial(request) == ended

    @pytest.mark.parametrize("loss", [math.nan, math.inf])
    def test_completing_with_what_is_no_number(self, client: VizierServiceClient, trial: str, loss: float) -> None:
        ended = client.complete_trial({"name": trial, "final_measurement": measurement(loss)})
        assert ended.state is TrialState.INFEASIBLE
        assert f"'loss' is {loss}" in ended.infeasible_reason
        assert list(client.list_optimal_trials({"parent": trial.rpartition("/trials/")[0]}).optimal_trials) == []

    def test_stopping_early(self, client: VizierServiceClient, trial: str) -> None:
        def check() -> operation.Operation:
            return client.check_trial_early_stopping_state({"trial_name": trial})

        assert check().result().should_stop is False
        assert client.stop_trial({"name": trial}).state is TrialState.STOPPING
        stopping = check()
        assert stopping.result().should_stop is True
        assert (stopping.metadata.trial, stopping.metadata.study) == (trial, trial.rpartition("/trials/")[0])
        answer = client.add_trial_measurement({"trial_name": trial, "measurement": measurement(0.5, 1)})
        assert answer.state is TrialState.STOPPING
        assert client.complete_trial({"name": trial}).state is TrialState.SUCCEEDED

    @pytest.mark.parametrize(
        ("rule", "stopped_at", "final"),
        [
            ({"median_automated_stopping_spec": {}}, 4, 4),
            ({"convex_automated_stopping_spec": {"max_step_count": 12, "min_measurement_count": 3}}, 3, 12),
        ],
    )
    def test_a_rule_stops_a_bad_trial(
        self, client: VizierServiceClient, rule: dict[str, Any], stopped_at: int, final: int
    ) -> None:
        study = create(client, small(metrics=METRICS[:1], **rule)).name

        def report(trial: str, loss: float, step: int) -> TrialState:
            request = {"trial_name": trial, "measurement": measurement(loss, step)}
            return client.add_trial_measurement(request).state

        for loss in (0.3, 0.301, 0.302, 0.303, 0.304):
            trial = suggest(client, study)[0].name
            assert {report(trial, loss + 0.1 / step, step) for step in range(1, 7)} == {TrialState.ACTIVE}
            client.complete_trial({"name": trial})
        bad = suggest(client, study)[0].name
        states = [report(bad, 5.0 + 0.1 / step, step) for step in range(1, stopped_at + 1)]
        assert states == [TrialState.ACTIVE] * (stopped_at - 1) + [TrialState.STOPPING]
        assert client.check_trial_early_stopping_state({"trial_name": bad}).result().should_stop is True
        ended = client.complete_trial({"name": bad})
        assert (ended.state, ended.final_measurement.step_count) == (TrialState.SUCCEEDED, final)
        assert client.get_trial({"name": bad}).measurements[-1].step_count == final
        (best,) = client.list_optimal_trials({"parent": study}).optimal_trials
        assert best.name.endswith("/trials/1")

    @pytest.mark.needs("editor")
    def test_pages_and_deletion(self, client: VizierServiceClient, study: str) -> None:
        trials = suggest(client, study, 5)
        assert list(client.list_trials(parent=study)) == trials
        pages = list(client.list_trials({"parent": study, "page_size": 3}).pages)
        assert [[trial.id for trial in page.trials] for page in pages] == [["1", "2", "3"], ["4", "5"]]
        assert client.delete_trial(name=trials[1].name) is None
        with pytest.raises(exceptions.NotFound):
            client.get_trial(name=trials[1].name)
        assert [trial.id for trial in client.list_trials(parent=study)] == ["1", "3", "4", "5"]

    def test_the_pareto_front(self, client: VizierServiceClient) -> None:
        metrics = [{"metric_id": "loss", "goal": Goal.MINIMIZE}, {"metric_id": "acc", "goal": Goal.MAXIMIZE}]
        study = create(client, small(metrics=metrics)).name
        for trial, (loss, acc) in zip(suggest(client, study, 3), [(0.0, 0.0), (1.0, 1.0), (2.0, 1.0)], strict=True):
            final = {"metrics": [{"metric_id": "acc", "value": acc}, {"metric_id": "loss", "value": loss}]}
            client.complete_trial({"name": trial.name, "final_measurement": final})
        assert [trial.id for trial in client.list_optimal_trials({"parent": study}).optimal_trials] == ["1", "2"]

    def test_one_that_is_not_there(self, client: VizierServiceClient, study: str) -> None:
        missing = f"{study}/trials/9"
        with pytest.raises(exceptions.NotFound, match="trials/9 does not exist"):
            client.get_trial(name=missing)
        with pytest.raises(exceptions.NotFound):
            client.check_trial_early_stopping_state({"trial_name": missing})
        with pytest.raises(exceptions.NotFound):
            client.complete_trial({"name": missing, "trial_infeasible": True})


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
