"""Spans go to a real OTLP receiver, and a worker's trial is one trace."""

from __future__ import annotations

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import dodona
from tests.support.patience import patience
from tests.support.processes import ServerProcess

pytestmark = pytest.mark.processes


class Receiver(HTTPServer):
    """Keeps the spans that it receives."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_trial_is_one_trace(receiver, tmp_path):
    endpoint = f"http://127.0.0.1:{receiver.server_port}"
    server = ServerProcess(tmp_path, DODONA_OTLP_ENDPOINT=endpoint).start()
    weights = tmp_path / "weights"
    weights.write_bytes(b"w")
    with dodona.Client(server.url) as client:
        study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", algorithm="RANDOM_SEARCH")
        for _ in range(2):
            with study.ask() as trial:
                trial.report(1.0, step=1)
                trial.artifacts.save("weights", weights)
                trial.complete(1.0)
    assert server.terminate() == 0
    deadline = time.monotonic() + patience(20)
    names = ("suggest", "addTrialMeasurement", "artifacts/{artifact}", "complete")
    while not all(sum(span.name.endswith(name) for span in receiver.spans) == 2 for name in names):
        assert time.monotonic() < deadline, [span.name for span in receiver.spans]
        time.sleep(0.05)
    of_trials = {}
    for span in receiver.spans:
        of_trials.setdefault(span.trace_id, []).append(span)
    whole = [spans for spans in of_trials.values() if any(span.name.endswith(":suggest") for span in spans)]
    assert len(whole) == 2
    for spans in whole:
        for name in names:
            assert sum(span.name.endswith(name) for span in spans) == 1, name
        calls = {span.span_id: span for span in spans if span.kind == span.SPAN_KIND_SERVER}
        (suggestion,) = [span for span in spans if span.name == "suggestion"]
        assert calls[suggestion.parent_span_id].name.endswith(":suggest")
        transactions = [span for span in spans if span.name == "transaction"]
        assert any(span.parent_span_id == suggestion.span_id for span in transactions)
        assert all(span.parent_span_id in calls or span.parent_span_id == suggestion.span_id for span in transactions)
        attributes = {one.key: one.value for one in next(iter(calls.values())).attributes}
        assert attributes["http.response.status_code"].int_value == 200
        assert attributes["dodona.request_id"].string_value
