"""hypothesis strategies for what the calls of a state machine say, and measurements on the wire."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.fuzz.model import Measured

words = st.sampled_from(["", "1", "2"])
clients = st.sampled_from(["a", "b", "c"])
requests = st.none() | st.sampled_from(["r1", "r2", "r3"])
# Which of the trials that there are, mostly one that runs; beyond 17, one that never was.
places = st.integers(0, 19)
# Small numbers are drawn more often than others: what ends a study must be rare.
rarely = st.integers(0, 9).map(lambda number: number == 7)
values = st.sampled_from([0.0, 0.25, 1.0, -3.5, 1e300]) | st.sampled_from(["NaN", "Infinity", "-Infinity"])
metrics = st.lists(
    st.tuples(st.sampled_from(["loss", "loss", "loss", "ms", "other"]), values),
    max_size=3,
    unique_by=lambda one: one[0],
)
measurements = st.builds(
    lambda step, seconds, metrics: Measured(step, seconds, tuple((name, float(value)) for name, value in metrics)),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.5, 2.0]),
    metrics,
)

# What makes a trial succeed.
results = st.builds(
    lambda step, loss, ms: Measured(step, 1.5, (("ms", ms), ("loss", loss))),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.25, 1.0, -3.5]),
    st.sampled_from([1.0, 2.0]),
)


def wire(measured: Measured) -> dict[str, Any]:
    written = [{"metricId": name, "value": _number(value)} for name, value in measured.metrics]
    return {"stepCount": measured.step, "elapsedDuration": f"{measured.seconds}s", "metrics": written}


def _number(value: float) -> Any:
    special = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return special.get(repr(value), value)


def read(measured: dict[str, Any]) -> Measured:
    found = tuple((metric["metricId"], float(metric["value"])) for metric in measured["metrics"])
    return Measured(int(measured["stepCount"]), float(measured["elapsedDuration"].removesuffix("s")), found)
