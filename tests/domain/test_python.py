"""The domain, the services and the algorithms speak Python; only the dialects know the names on the wire."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dodona_server
from dodona_server.api.calls.fields import vertex_field
from dodona_server.domain.errors import Field, InvalidArgument, inside

CAMEL = re.compile(r"\b[a-z]+[A-Z]\w*")
# Texts and names of calls that databases have stored, what webhooks send, and a keyword of the diagram's language.
STORED = {
    "deletedStudies",
    "displayName",
    "maximumRuntimeConstraint",
    "maxFailedTrials",
    "maxComputeDuration",
    "maxCost",
    "improvementUnlikely",
    "setPriors",
    "maxNumTrialsNoProgress",
    "maxDurationNoProgress",
    "maxAttempts",
    "addTrialMeasurement",
    "addParameters",
    "setMaxTrials",
    "setBudget",
    "setStoppingRule",
    "setWantedWorkers",
    "updateMetadata",
    "stateDiagram",
}


def literals(path):
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [node.value for node in constants if id(node) not in docstrings]


def test_no_literal_has_a_name_of_the_wire():
    server = Path(dodona_server.__file__).parent
    paths = [path for folder in ("domain", "service", "algorithms") for path in (server / folder).rglob("*.py")]
    found = {name for path in paths for text in literals(path) for name in CAMEL.findall(text)}
    assert found - STORED == set()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("study_spec.metrics[0].metric_id", "studySpec.metrics[0].metricId"),
        ("space.parameters['a.b_c'].kind.max_value", "parameters['a.b_c'].maxValue"),
        ('space.parameters["it\'s a_b"].branches[1]', 'parameters["it\'s a_b"].conditionalParameterSpecs[1]'),
        ("stopping.max_num_trials", "studyStoppingConfig.maxNumTrials"),
        ("study_spec.algorithm_options.acq_optimizer", "studySpec.algorithmOptions.acq_optimizer"),
        ("studySpec.algorithm_options", "studySpec.algorithmOptions"),
        ("studyConfig.parameters[0].childParameterSpecs[2]", "studyConfig.parameters[0].childParameterSpecs[2]"),
    ],
)
def test_a_path_has_its_names_in_vertex(path, named):
    assert vertex_field(path) == named
    assert vertex_field(named) == named


def test_an_error_has_the_names_of_the_dialect_also_in_its_text():
    with pytest.raises(InvalidArgument) as raised, inside("study_spec"):
        raise InvalidArgument(("3 exceeds ", Field("max_value"), " 2, as 'max_value' says"), "min_value")
    assert raised.value.message == "study_spec.min_value: 3 exceeds max_value 2, as 'max_value' says"
    assert raised.value.named(vertex_field) == "studySpec.minValue: 3 exceeds maxValue 2, as 'max_value' says"
