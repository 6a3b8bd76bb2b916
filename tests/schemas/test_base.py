"""The base of the protocol's messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dodona_schemas import vertex
from dodona_schemas.base import WireModel, own, own_fields, unchecked

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


class TestUnchecked:
    @pytest.mark.parametrize(
        ("model", "values"),
        [
            (vertex.Metric, {"metric_id": "loss", "value": float("nan")}),
            (vertex.Measurement, {"step_count": 2**40, "elapsed_duration": 1.5, "metrics": [vertex.Metric()]}),
            (vertex.TrialParameter, {"parameter_id": "x", "value": "ä"}),
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
        made = unchecked(vertex.Metric)(metric_id="loss", value=0.5)
        assert made == vertex.Metric(metric_id="loss", value=0.5)
        assert made.model_copy(update={"value": 1.0}).value == 1.0
        made.value = 0.25
        assert made.value == 0.25


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
