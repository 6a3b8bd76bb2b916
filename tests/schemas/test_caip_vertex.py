"""The map between the dialects."""

from __future__ import annotations

import pytest

from dodona_schemas import caip, vertex
from dodona_schemas.caip_vertex import ml_field, to_config, to_spec

CONFIG = {
    "metrics": [{"metric": "loss", "goal": "MINIMIZE"}],
    "parameters": [
        {"parameter": "rate", "type": "DOUBLE", "doubleValueSpec": {"maxValue": 1}, "scaleType": "UNIT_LOG_SCALE"},
        {
            "parameter": "layers",
            "type": "INTEGER",
            "integerValueSpec": {"minValue": 1, "maxValue": 3},
            "childParameterSpecs": [
                {
                    "parameter": "units",
                    "type": "DISCRETE",
                    "discreteValueSpec": {"values": [16, 32], "defaultValue": 32},
                    "parentIntValues": {"values": [2, 3]},
                    "childParameterSpecs": [
                        {
                            "parameter": "kind",
                            "type": "CATEGORICAL",
                            "categoricalValueSpec": {"values": ["a", "b"]},
                            "parentDiscreteValues": {"values": [32]},
                        }
                    ],
                }
            ],
        },
    ],
    "studyStoppingConfig": {"maxNumTrials": 5},
}


@pytest.mark.parametrize("algorithm", list(caip.MlAlgorithm))
@pytest.mark.parametrize("rule", [None, "decayCurveStoppingConfig", "medianAutomatedStoppingConfig"])
def test_a_configuration_comes_back_as_it_was(algorithm, rule):
    stopping = {"automatedStoppingConfig": {rule: {"useElapsedTime": True}}} if rule else {}
    config = caip.MlStudyConfig.model_validate({**CONFIG, **stopping, "algorithm": algorithm.name})
    assert to_config(to_spec(config)) == config


def test_what_only_vertex_has_is_omitted():
    spec = to_spec(caip.MlStudyConfig.model_validate(CONFIG))
    more = spec.model_copy(
        update={
            "algorithm": vertex.Algorithm.TPE,
            "convex_automated_stopping_spec": vertex.ConvexAutomatedStoppingSpec(),
            "seed": 1,
        }
    )
    assert to_config(more) == to_config(spec)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("", ""),
        ("studySpec.metrics[0].metricId", "studyConfig.metrics[0].metric"),
        ("measurement.elapsedDuration", "measurement.elapsedTime"),
        (
            "studySpec.parameters[1].conditionalParameterSpecs[0].parameterSpec.integerValueSpec.minValue",
            "studyConfig.parameters[1].childParameterSpecs[0].integerValueSpec.minValue",
        ),
        ("parameters['metricId'].parameterId", "parameters['metricId'].parameter"),
        ("clientId", "clientId"),
    ],
)
def test_fields_in_errors_have_the_dialects_names(path, named):
    assert ml_field(path) == named
