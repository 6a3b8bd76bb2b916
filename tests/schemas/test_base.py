"""The base of the protocol's messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dodona_schemas import vertex
from dodona_schemas.base import unchecked

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


def _values(message):
    """As texts, by which NaN is NaN."""
    return {name: repr(value) for name, value in vars(message).items()}


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
        assert _values(made) == _values(checked)

    def test_a_message_is_written_within_another(self):
        made = unchecked(vertex.Metric)(metric_id="loss", value=0.5)
        around = unchecked(vertex.Measurement)(metrics=[made])
        assert vertex.Trial(final_measurement=around).to_json() == (
            vertex.Trial(final_measurement={"metrics": [{"metricId": "loss", "value": 0.5}]}).to_json()
        )
