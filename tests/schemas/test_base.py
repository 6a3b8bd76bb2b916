"""The base of the protocol's messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from dodona_schemas import vertex
from dodona_schemas.base import Double, Repeated, WireModel, own, own_fields, unchecked
from dodona_schemas.problems import problem_in

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


class TestUnchecked:
    @pytest.mark.parametrize(
        ("model", "values"),
        [
            (vertex.Measurement, {"step_count": 2**40, "elapsed_duration": 1.5, "metrics": [vertex.Metric()]}),
            (vertex.Trial, {"state": vertex.TrialState.ACTIVE, "start_time": MOMENT, "lease_duration": 60.0}),
            (vertex.Trial, {}),
        ],
    )
    def test_it_makes_the_message_that_the_constructor_makes(self, model, values):
        made, checked = unchecked(model)(**values), model(**values)
        assert type(made) is model
        assert made.to_json() == checked.to_json()
        assert made.to_json(enums_as_numbers=True) == checked.to_json(enums_as_numbers=True)
        assert made.model_fields_set == checked.model_fields_set

    def test_a_message_can_be_used_as_any_other(self):
        made = unchecked(vertex.Measurement)(step_count=1)
        assert made == vertex.Measurement(step_count=1)
        assert made.model_copy(update={"step_count": 2}).step_count == 2
        made.step_count = 3
        assert made.step_count == 3


class TestParts:
    """Dataclasses within messages are read, written and described like messages."""

    def test_they_are_read_and_written_like_a_message(self):
        class Part(WireModel):
            metric_id: str = ""
            value: Double = 0.0

        class Message(WireModel):
            metrics: Repeated[Part]

        for sent in (
            '[{"metricId": "loss", "value": "NaN"}, {"metric_id": "a", "value": "0.5", "other": 1}]',
            '[{"metricId": null, "value": null}, {}]',
            '[{"value": "x"}]',
            '[{"metricId": 3}]',
            "[3]",
        ):
            ours, plain = (read(model, f'{{"metrics": {sent}}}') for model in (vertex.Measurement, Message))
            assert ours == plain

    def test_they_are_described_like_a_message(self):
        class Metric(WireModel):
            __doc__ = vertex.Metric.__doc__
            metric_id: str = ""
            value: Double = 0.0

        for mode in ("validation", "serialization"):
            described = vertex.Measurement.model_json_schema(mode=mode)["$defs"]["Metric"]
            assert described == Metric.model_json_schema(mode=mode)


def read(model, text):
    """What the message is, or the problem with it, without what differs between the models."""
    try:
        return json.loads(model.model_validate_json(text).to_json())["metrics"]
    except ValidationError as error:
        return problem_in(error)


class TestOwn:
    def test_what_is_own_is_data(self):
        class Message(WireModel):
            name: str = ""
            note: str | None = own("a note", max_length=3)
            tags: vertex.Metric | None = own("what it is about")

        assert own_fields(Message) == {"note": "a note.", "tags": "what it is about."}
        described = Message.model_json_schema(mode="serialization")["properties"]
        assert described["note"]["description"] == "Dodona's own: a note."
        assert {name for name, field in described.items() if field.get("x-dodona-own")} == {"note", "tags"}
        with pytest.raises(ValueError, match="at most 3"):
            Message(note="long")

    def test_a_message_has_the_own_fields_of_those_that_it_extends(self):
        assert own_fields(vertex.Trial).items() < own_fields(vertex.CreateTrialRequest).items()

    def test_an_absent_map_is_not_shared(self):
        vertex.Trial().metadata["a"] = "b"
        assert vertex.Trial().metadata == {}
