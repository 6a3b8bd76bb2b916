"""Traces by OpenTelemetry: a span for each call, suggestion and transaction; nothing unless `start` was called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_NOTHING = nullcontext()
_provider: TracerProvider | None = None
_tracer: Any = None


def is_installed() -> bool:
    """Return whether the packages of the extra `otel` are installed."""
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.exporter.otlp.proto.http") is not None


def start(endpoint: str) -> None:
    """Send spans to an OTLP/HTTP receiver, such as http://collector:4318.

    The packages of the extra `otel` must be installed.
    """
    global _provider, _tracer
    # Imported here because they take a tenth of a second, and most servers do not need them.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "dodona", "service.version": version("dodona")})
    _provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("dodona")


def stop() -> None:
    """Send what is left."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def span(name: str, attributes: Mapping[str, str | int] | None = None) -> AbstractContextManager[Any]:
    """Return a context that is a span within the current one; it yields None if there are no traces."""
    if _tracer is None:
        return _NOTHING
    started: AbstractContextManager[Any] = _tracer.start_as_current_span(name, attributes=attributes)
    return started


def span_of_call(traceparent: str, request_id: str) -> AbstractContextManager[Any]:
    """Return the span of a request, within the client's if `traceparent` names one."""
    if _tracer is None:
        return _NOTHING
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    context = extract({"traceparent": traceparent}) if traceparent else None
    started: AbstractContextManager[Any] = _tracer.start_as_current_span(
        "call", context=context, kind=SpanKind.SERVER, attributes={"dodona.request_id": request_id}
    )
    return started


def name_call(call: Any, route: str, method: str, code: int) -> None:
    """Complete the span of a request, which `span_of_call` began."""
    if call is None:
        return
    from opentelemetry.trace import StatusCode

    call.update_name(f"{method} {route}")
    call.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": code})
    if code >= 500:
        call.set_status(StatusCode.ERROR)
