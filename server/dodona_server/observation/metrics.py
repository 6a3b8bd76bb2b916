"""The metrics that this process counts, for Prometheus.

With several server processes, each keeps its figures in files of the folder PROMETHEUS_MULTIPROC_DIR, which `serving`
creates before it starts them, and whichever process is asked adds them up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

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


class _Measured(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families
