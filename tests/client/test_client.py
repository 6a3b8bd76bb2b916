"""Making and finding studies."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from dodona import Boolean, Categorical, Client, Float, Int, NotFound
from dodona_schemas import vertex
from dodona_schemas.vertex import MetricSpec, StudySpec
from tests.client.network import Network, canned, connected, study_json


def created(**arguments: Any) -> dict[str, Any]:
    """What `create_study` sends."""
    network = Network(canned(studies=study_json()))
    connected(network).create_study(**{"name": "s", **arguments})
    (body,) = network.bodies("POST studies")
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    ("given", "sent"), [("auto", "auto"), ("off", []), (None, []), (["a", "b"], ["a", "b"]), (("a",), ["a"])]
)
def test_earlier_studies_are_sent_as_they_are_named(given: Any, sent: object) -> None:
    assert created(space={"x": Float(0, 1)}, goal="minimize", prior_studies=given)["studySpec"]["priorStudies"] == sent


def test_the_spec_that_the_arguments_make() -> None:
    body = created(
        space={"x": Float(0, 1)}, goal="minimize", metric="loss", max_trials=5, algorithm="random_search", seed=7
    )
    spec = body["studySpec"]
    assert (body["displayName"], body["studyId"]) == ("s", "s")
    assert spec["metrics"] == [{"metricId": "loss", "goal": "MINIMIZE"}]
    assert [parameter["parameterId"] for parameter in spec["parameters"]] == ["x"]
    assert spec["studyStoppingConfig"] == {"maxNumTrials": 5}
    assert (spec["algorithm"], spec["seed"]) == ("RANDOM_SEARCH", "7")


@pytest.mark.parametrize(
    ("rule", "sent"),
    [
        ("median", {"medianAutomatedStoppingSpec": {"useElapsedDuration": False}}),
        (
            "asha",
            {"ashaStoppingSpec": {"minResource": 1.0, "reductionFactor": 3.0, "useElapsedDuration": False}},
        ),
        (
            vertex.AshaStoppingSpec(min_resource=2, reduction_factor=4),
            {"ashaStoppingSpec": {"minResource": 2.0, "reductionFactor": 4.0, "useElapsedDuration": False}},
        ),
        (
            "no_progress",
            {
                "noProgressStoppingSpec": {
                    "patience": 10.0,
                    "leastImprovement": 0.0,
                    "useElapsedDuration": False,
                }
            },
        ),
        (
            {"noProgressStoppingSpec": {"patience": 3}},
            {"noProgressStoppingSpec": {"patience": 3.0, "leastImprovement": 0.0, "useElapsedDuration": False}},
        ),
        ("auto", {"automaticStoppingSpec": {}}),
        ({"automaticStoppingSpec": {}}, {"automaticStoppingSpec": {}}),
        (vertex.AutomaticStoppingSpec(), {"automaticStoppingSpec": {}}),
        ("decay_curve", {"decayCurveStoppingSpec": {"useElapsedDuration": False}}),
        (
            {"median_automated_stopping_spec": {"use_elapsed_duration": True}},
            {"medianAutomatedStoppingSpec": {"useElapsedDuration": True}},
        ),
    ],
)
def test_a_stopping_rule_is_sent_by_name_or_as_it_is(rule: Any, sent: dict[str, Any]) -> None:
    spec = created(goal="minimize", early_stopping=rule)["studySpec"]
    assert {name: value for name, value in spec.items() if name.endswith("StoppingSpec")} == sent


def test_several_metrics_keep_their_order() -> None:
    spec = created(metrics={"size": "minimize", "accuracy": "maximize"})["studySpec"]
    assert spec["metrics"] == [{"metricId": "size", "goal": "MINIMIZE"}, {"metricId": "accuracy", "goal": "MAXIMIZE"}]


@pytest.mark.parametrize(
    "spec",
    [
        StudySpec(metrics=[MetricSpec(metric_id="m")]),
        {"metrics": [{"metricId": "m"}]},
        {"metrics": [{"metric_id": "m"}]},
    ],
)
def test_a_spec_is_sent_as_it_is(spec: Any) -> None:
    assert created(spec=spec)["studySpec"]["metrics"] == [{"metricId": "m", "goal": "GOAL_TYPE_UNSPECIFIED"}]


@pytest.mark.parametrize("name", ["my study", "a/b", "übung", "x" * 129])
def test_a_name_that_is_no_id_is_for_people_only(name: str) -> None:
    body = created(name=name, goal="minimize")
    assert body["displayName"] == name
    assert "studyId" not in body


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "goal='minimize' or goal='maximize'"),
        ({"goal": "minimize", "metrics": {"m": "minimize"}}, "goal='minimize' or goal='maximize'"),
        ({"goal": "min"}, "the goal of 'objective' is 'min'; it must be 'minimize' or 'maximize'"),
        ({"goal": "minimize", "algorithm": "tree of parzen"}, "'TREE OF PARZEN' is not one of .*RANDOM_SEARCH"),
        *(
            (
                {"goal": "minimize", "early_stopping": rule},
                "early_stopping is .*one of 'auto', 'median', 'decay_curve', 'convex', 'asha', 'no_progress'",
            )
            for rule in (
                "automatic",
                True,
                {},
                {"patience": 3},
                {"ashaStoppingSpec": {}, "noProgressStoppingSpec": {}},
                vertex.StudyStoppingConfig(),
            )
        ),
        (
            {"goal": "minimize", "early_stopping": {"ashaStoppingSpec": {"minResource": "x"}}},
            r"early_stopping\.ashaStoppingSpec\.minResource: ",
        ),
        ({"spec": {}, "early_stopping": "median"}, "pass either spec or the other arguments"),
        ({"spec": {}, "max_trials": 3}, "pass either spec or the other arguments"),
        ({"goal": "minimize", "space": {"x": 1}}, "parameter 'x' is 1; write it as Float"),
    ],
)
def test_arguments_that_make_no_study_are_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    network = Network(canned())
    with pytest.raises(ValueError, match=message):
        connected(network).create_study("s", **arguments)
    assert network.calls == []


def test_a_study_is_found_by_id_and_by_name() -> None:
    network = Network(canned(s=[study_json(), 404], lookup=study_json()))
    client = connected(network)
    assert client.get_study("s").id == "s"
    assert client.get_study("s").id == "s"
    assert client.get_study("my study").id == "s"
    assert network.calls == ["GET studies/s", "GET studies/s", *["POST studies:lookup"] * 2]
    assert network.bodies("POST studies:lookup") == [{"displayName": "s"}, {"displayName": "my study"}]


def test_a_study_that_is_nowhere() -> None:
    with pytest.raises(NotFound, match="refused with 404"):
        connected(Network(canned(s=404, lookup=404))).get_study("s")


def test_what_a_study_tells() -> None:
    parameters = [
        {
            "parameterId": "flag",
            "categoricalValueSpec": {"values": ["False", "True"]},
            "metadata": {"dodona.type": "bool"},
        },
        {
            "parameterId": "kind",
            "categoricalValueSpec": {"values": ["a", "b"]},
            "conditionalParameterSpecs": [
                {
                    "parentCategoricalValues": {"values": ["b"]},
                    "parameterSpec": {"parameterId": "n", "integerValueSpec": {"minValue": "1", "maxValue": "3"}},
                }
            ],
        },
    ]
    spec = {"metrics": [{"metricId": "m"}, {"metricId": "l", "goal": "MINIMIZE"}], "parameters": parameters}
    study = connected(Network(canned(s=study_json(studySpec=spec)))).get_study("s")
    assert study.name == "projects/default/locations/local/studies/s"
    assert (study.id, study.display_name, study.state) == ("s", "s", "ACTIVE")
    assert study.metrics == {"m": "maximize", "l": "minimize"}
    assert study.space == {"flag": Boolean(), "kind": Categorical(["a", "b"], children={"b": {"n": Int(1, 3)}})}


def test_studies_are_listed_page_by_page() -> None:
    pages = [
        {"studies": [study_json(displayName="a")], "nextPageToken": "t"},
        {"studies": [study_json(displayName="b")]},
    ]
    network = Network(canned(studies=pages))
    found = connected(network).studies()
    assert next(found).display_name == "a"
    assert len(network.requests) == 1
    assert [study.display_name for study in found] == ["b"]


def test_a_study_is_deleted_by_name() -> None:
    network = Network(canned(s=[study_json(), {}]))
    connected(network).delete_study("s")
    assert network.calls == ["GET studies/s", "DELETE studies/s"]


def test_a_worker_is_unique_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Client(), Client()
    assert one.worker != other.worker
    assert one.worker.startswith(f"{socket.gethostname()}-{os.getpid()}-")
    monkeypatch.setenv("DODONA_WORKER", "gpu-3")
    assert Client().worker == "gpu-3"
    assert Client(worker="gpu-4").worker == "gpu-4"
