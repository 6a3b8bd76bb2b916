"""A study's configuration in Vertex AI's words and in AI Platform's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dodona import Study
from dodona.keras import CloudTuner
from dodona.keras._study.ai_platform import read_study_config
from tests.keras.models import BlackBox

Tune = Callable[..., CloudTuner]

VERTEX: dict[str, Any] = {
    "metrics": [{"metricId": "f", "goal": "MAXIMIZE"}],
    "parameters": [
        {
            "parameterId": "kind",
            "categoricalValueSpec": {"values": ["a", "b"]},
            "conditionalParameterSpecs": [
                {
                    "parentCategoricalValues": {"values": ["b"]},
                    "parameterSpec": {
                        "parameterId": "rate",
                        "doubleValueSpec": {"minValue": 0.001, "maxValue": 0.1},
                        "scaleType": "UNIT_LOG_SCALE",
                    },
                }
            ],
        },
        {"parameterId": "units", "integerValueSpec": {"minValue": 1, "maxValue": 8}},
        {"parameterId": "size", "discreteValueSpec": {"values": [16, 32, 64]}},
    ],
    "algorithm": "GP_BANDIT",
    "medianAutomatedStoppingSpec": {"useElapsedDuration": True},
    "studyStoppingConfig": {"maxNumTrials": 3},
}
AI_PLATFORM: dict[str, Any] = {
    "metrics": [{"metric": "f", "goal": "MAXIMIZE"}],
    "parameters": [
        {
            "parameter": "kind",
            "type": "CATEGORICAL",
            "categorical_value_spec": {"values": ["a", "b"]},
            "childParameterSpecs": [
                {
                    "parameter": "rate",
                    "type": "DOUBLE",
                    "double_value_spec": {"min_value": 0.001, "max_value": 0.1},
                    "scale_type": "UNIT_LOG_SCALE",
                    "parent_categorical_values": {"values": ["b"]},
                }
            ],
        },
        {"parameter": "units", "type": "INTEGER", "integer_value_spec": {"min_value": 1, "max_value": 8}},
        {"parameter": "size", "type": "DISCRETE", "discrete_value_spec": {"values": [16, 32, 64]}},
    ],
    "algorithm": "GAUSSIAN_PROCESS_BANDIT",
    "automatedStoppingConfig": {"medianAutomatedStoppingConfig": {"useElapsedTime": True}},
    "studyStoppingConfig": {"maxNumTrials": 3},
}


def test_both_forms_say_the_same() -> None:
    assert read_study_config(AI_PLATFORM) == read_study_config(VERTEX)
    decay = read_study_config(
        {"automated_stopping_config": {"decay_curve_stopping_config": {"use_elapsed_time": True}}}
    )
    assert decay.decay_curve_stopping_spec is not None
    assert decay.decay_curve_stopping_spec.use_elapsed_duration
    assert read_study_config({"metrics": [{"metric": "f"}], "algorithm": "GRID_SEARCH"}).algorithm.name == "GRID_SEARCH"
    assert read_study_config({"metrics": [{"metric": "f"}]}).algorithm.name == "ALGORITHM_UNSPECIFIED"


@pytest.mark.parametrize("config", [VERTEX, AI_PLATFORM], ids=["Vertex", "AI Platform"])
def test_a_search_of_either_form(tune: Tune, study: Callable[[], Study], config: dict[str, Any]) -> None:
    class Tuner(BlackBox):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            values = trial.hyperparameters.values
            assert {"a": set(), "b": {"rate"}}[values["kind"]] == values.keys() - {"kind", "units", "size"}
            assert [type(values[name]) for name in ("units", "size")] == [int, int]
            return float(values["units"])

    tuner = tune(tuner=Tuner, study_config=config)
    tuner.search(verbose=0)
    assert [record.state for record in study().trials()] == ["SUCCEEDED"] * 3
    assert study().spec.median_automated_stopping_spec is not None
    assert tuner.oracle.objective.name == "f"
    assert [hp.name for hp in tuner.oracle.get_space().space] == ["kind", "rate", "units", "size"]


def test_a_search_learns_from_earlier_ones_of_the_same_hypermodel(tune: Tune, study: Callable[[], Study]) -> None:
    tune(tuner=BlackBox, max_trials=12, study_id="earlier").search()
    # The space is empty until the first trial runs.
    tune(tuner=BlackBox, max_trials=6, prior_studies="auto").search()
    (prior,) = study().prior_studies
    assert (prior.id, prior.similarity, prior.trials) == ("earlier", 1.0, 12)
    assert prior.weight is not None
    with pytest.raises(ValueError, match=r"prior_studies is auto, but study_config has priorStudies \['a'\]"):
        tune(tuner=BlackBox, study_config={"priorStudies": ["a"]}, prior_studies="auto", study_id="other")
