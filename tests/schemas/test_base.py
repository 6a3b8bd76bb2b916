"""The base of the protocol's messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dodona_schemas import vertex
from dodona_schemas.base import unchecked

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
