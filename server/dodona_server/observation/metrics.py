"""Metrics that this process counts, for Prometheus.

With several server processes, each keeps its figures in files of the folder PROMETHEUS_MULTIPROC_DIR, which `serving`
creates before it starts them, and whichever process is asked adds them up.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_OWN = CollectorRegistry()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def _counter(name: str, about: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(name, about, labels, registry=_OWN)


def _histogram(name: str, about: str, labels: Sequence[str] = ()) -> Histogram:
    return Histogram(name, about, labels, registry=_OWN, buckets=_SECONDS)


REQUEST = _histogram(
    "http_server_request_duration_seconds", "The time to answer a request.", ("route", "method", "code")
)
SUGGESTION = _histogram(
    "dodona_suggestion_duration_seconds", "The time to answer a call to suggest with new points.", ("algorithm",)
)
FALLBACKS = _counter("dodona_suggestion_fallbacks", "Calls to suggest that got quasi-random points.", ("reason",))
CREATED = _counter("dodona_trials_created", "Trials that were suggested or added.")
COMPLETED = _counter("dodona_trials_completed", "Trials that succeeded.")
INFEASIBLE = _counter("dodona_trials_infeasible", "Trials that failed.")
STOPPED = _counter("dodona_trials_stopped", "Trials that were asked to stop early.")
EXPIRED = _counter("dodona_leases_expired", "Trials whose worker was lost.")
WAIT = _histogram("dodona_database_wait_seconds", "The time until a transaction begins.", ("kind",))
TRANSACTION = _histogram("dodona_database_transaction_seconds", "The time of a transaction.", ("kind",))
SAVED = _counter("dodona_artifact_saved_bytes", "Bytes of artifacts that were saved.")

WRITE_WAIT, READ_WAIT = WAIT.labels("write"), WAIT.labels("read")
WRITING, READING = TRANSACTION.labels("write"), TRANSACTION.labels("read")

_ENDED = {
    "TRIAL_SUCCEEDED": COMPLETED,
    "TRIAL_INFEASIBLE": INFEASIBLE,
    "TRIAL_STOPPING": STOPPED,
    "TRIAL_LOST": EXPIRED,
}
_requests: dict[tuple[str, str, int], Histogram] = {}


def count_events(kinds: Iterable[str]) -> None:
    """Count what has happened to trials."""
    for kind in kinds:
        if kind in _ENDED:
            _ENDED[kind].inc()


def observe_request(route: str, method: str, code: int, seconds: float) -> None:
    """Record an answered request; `route` is the template of its path."""
    key = (route, method, code)
    histogram = _requests.get(key)
    if histogram is None:
        # Finding it by its labels takes longer than recording.
        histogram = _requests[key] = REQUEST.labels(route, method, str(code))
    histogram.observe(seconds)


def exposed(gauges: Sequence[Metric]) -> bytes:
    """Return all metrics in Prometheus's text format, with those that were measured for this answer."""
    registry = CollectorRegistry()
    if FOLDER in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_OWN)
        ProcessCollector(registry=registry)
    registry.register(_Measured(gauges))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a metric under one label, in seconds; a quantile is the end of its bucket."""

    label: str
    count: int
    mean: float
    median: float
    p95: float


def summaries() -> dict[str, list[Summary]]:
    """Return a summary for each label of each histogram, by the metric's name, and of all server processes."""
    registry: CollectorRegistry = CollectorRegistry()
    if FOLDER in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = _OWN
    return {family.name: _summed(family) for family in registry.collect() if family.type == "histogram"}


def _summed(family: Metric) -> list[Summary]:
    """Return a summary for each value of the first label; the other labels are added up."""
    buckets: dict[str, dict[float, float]] = {}
    totals: dict[str, float] = {}
    for sample in family.samples:
        labels = [value for name, value in sample.labels.items() if name != "le"]
        label = labels[0] if labels else ""
        if sample.name.endswith("_sum"):
            totals[label] = totals.get(label, 0.0) + sample.value
        elif sample.name.endswith("_bucket"):
            of_label = buckets.setdefault(label, {})
            end = float(sample.labels["le"])
            of_label[end] = of_label.get(end, 0.0) + sample.value
    found = []
    for label, of_label in buckets.items():
        count = of_label.get(math.inf, 0.0)
        if count:
            mean = totals.get(label, 0.0) / count
            found.append(Summary(label, int(count), mean, _quantile(of_label, 0.5), _quantile(of_label, 0.95)))
    return sorted(found, key=lambda one: -one.count)


def _quantile(buckets: Mapping[float, float], share: float) -> float:
    wanted = share * buckets[math.inf]
    return next(end for end, count in sorted(buckets.items()) if count >= wanted)


class _Measured(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families
