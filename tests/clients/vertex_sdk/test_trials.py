"""The low-level client of google-cloud-aiplatform, unmodified, over REST and plain HTTP: trials and their states."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.api_core import exceptions, operation
from google.cloud.aiplatform_v1 import VizierServiceClient
from google.protobuf.struct_pb2 import Value

from tests.clients.vertex_sdk.messages import (
    KINDS,
    METRICS,
    Goal,
    StudyState,
    TrialState,
    create,
    measurement,
    number,
    small,
    suggest,
    values,
)


@pytest.fixture
def trial(client: VizierServiceClient, study: str) -> str:
    """The name of a running trial."""
    return suggest(client, study)[0].name


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
