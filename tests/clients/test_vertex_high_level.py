"""Study and Trial of google.cloud.aiplatform.vizier, unmodified, over REST and plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform
from google.cloud.aiplatform.vizier import Study, Trial, pyvizier

from tests.clients.conftest import Caller
from tests.clients.google_clients import credentials, settings_restored

LOCATION = "us-central1"  # the SDK takes no location that is not one of Google's


@pytest.fixture(autouse=True)
def _initialized(caller: Caller) -> Iterator[None]:
    with settings_restored():
        aiplatform.init(
            project="default",
            location=LOCATION,
            api_endpoint=caller.url,
            api_transport="rest",
            credentials=credentials(caller.token),
        )
        yield
    caller.delete_studies(LOCATION)


def problem(metric: str = "loss") -> pyvizier.StudyConfig:
    """A study of every kind of parameter."""
    config = pyvizier.StudyConfig()
    config.algorithm = pyvizier.Algorithm.RANDOM_SEARCH
    config.automated_stopping_config = pyvizier.AutomatedStoppingConfig.decay_curve_stopping_config(use_steps=True)
    goal = pyvizier.ObjectiveMetricGoal.MINIMIZE
    config.metric_information.append(pyvizier.MetricInformation(name=metric, goal=goal))
    root = config.search_space.root
    root.add_float_param("rate", 1e-5, 1.0, scale_type=pyvizier.ScaleType.LOG)
    root.add_int_param("layers", 0, 4)
    root.add_discrete_param("units", [16, 32.5, 64])
    root.add_categorical_param("optimizer", ["adam", "sgd"])
    root.add_bool_param("augment")
    return config


@pytest.fixture
def study() -> Study:
    return Study.create_or_load(display_name="digits", problem=problem())


@pytest.fixture
def trial(study: Study) -> Trial:
    (trial,) = study.suggest(count=1, worker="w")
    return trial


def measurement(loss: float, step: int = 0) -> pyvizier.Measurement:
    return pyvizier.Measurement(metrics={"loss": loss}, steps=step, elapsed_secs=step * 2)


@pytest.mark.needs("editor")
def test_a_study_is_created_once_and_loaded_then(study: Study) -> None:
    again = Study.create_or_load(display_name="digits", problem=problem())
    assert again.resource_name == study.resource_name
    assert Study.from_uid(study.name).resource_name == study.resource_name
    assert Study(study.resource_name).display_name == "digits"
    assert [found.resource_name for found in Study.list()] == [study.resource_name]
    with pytest.raises(exceptions.Conflict, match="metrics"):
        Study.create_or_load(display_name="digits", problem=problem("accuracy"))


def test_suggest(study: Study) -> None:
    trials = study.suggest(count=5, worker="w")
    assert [trial.uid for trial in trials] == [1, 2, 3, 4, 5]
    for trial in trials:
        assert trial.status is pyvizier.TrialStatus.ACTIVE
        found = {name: parameter.value for name, parameter in trial.parameters.items()}
        assert found.keys() == {"rate", "layers", "units", "optimizer", "augment"}
        assert 1e-5 <= found["rate"] <= 1
        assert found["layers"] in range(5)
        assert found["units"] in (16, 32.5, 64)
        assert found["optimizer"] in ("adam", "sgd")
        assert found["augment"] in ("True", "False")
    assert [trial.uid for trial in study.suggest(count=1, worker="w")] == [1]
    assert [trial.uid for trial in study.suggest(count=1, worker="other")] == [6]


def test_a_whole_trial(study: Study, trial: Trial) -> None:
    for step in (1, 2):
        trial.add_measurement(measurement(1 / step, step))
        assert trial.should_stop() is False
    final = trial.complete()
    assert (final.metrics["loss"].value, final.steps, final.elapsed_secs) == (0.5, 2, 4)
    assert trial.status is pyvizier.TrialStatus.COMPLETED
    kept = study.get_trial(1).materialize()
    assert (kept.id, kept.status, kept.infeasible) == (1, pyvizier.TrialStatus.COMPLETED, False)
    assert [(one.metrics["loss"].value, one.steps) for one in kept.measurements] == [(1.0, 1), (0.5, 2)]
    assert kept.creation_time <= kept.completion_time


def test_completing_with_a_measurement(trial: Trial) -> None:
    final = trial.complete(measurement(0.0, 3))
    assert (final.metrics["loss"].value, final.steps) == (0.0, 3)
    assert trial.materialize().final_measurement.metrics["loss"].value == 0


def test_completing_as_infeasible(study: Study, trial: Trial) -> None:
    trial.complete(infeasible_reason="out of memory")
    kept = trial.materialize()
    assert (kept.status, kept.infeasibility_reason) == (pyvizier.TrialStatus.COMPLETED, "out of memory")
    assert study.optimal_trials() == []


def test_completing_with_nothing(trial: Trial) -> None:
    with pytest.raises(exceptions.BadRequest, match="no measurement"):
        trial.complete()


def test_a_trial_that_is_to_stop(trial: Trial) -> None:
    trial.api_client.stop_trial({"name": trial.resource_name})  # what the wrapper has no word for
    assert trial.status is pyvizier.TrialStatus.STOPPING
    assert trial.should_stop() is True


def test_lists(study: Study) -> None:
    for trial, loss in zip(study.suggest(count=3, worker="w"), (0.5, 0.25, 0.75), strict=True):
        trial.complete(measurement(loss, 1))
    assert [trial.uid for trial in study.trials()] == [1, 2, 3]
    assert [trial.uid for trial in study.optimal_trials()] == [2]
    assert [trial.uid for trial in Trial.list(parent=study.resource_name)] == [1, 2, 3]
    assert Trial("2", study_id=study.name).uid == 2


@pytest.mark.needs("admin")
def test_deletion(study: Study) -> None:
    first, second = study.suggest(count=2, worker="w")
    first.delete()
    assert [trial.uid for trial in study.trials()] == [second.uid]
    study.delete()
    assert Study.list() == []
    with pytest.raises(exceptions.NotFound):
        Study.from_uid(study.name)
