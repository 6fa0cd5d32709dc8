"""OTLP protobuf requests to the plain model of ``otlp``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from codeanatomy_distro.testing.otlp import LogRecord, Resource, Scope, Span, SpanEvent, SpanLink
from codeanatomy_distro.testing.otlp_decode_metrics import decode_metric
from codeanatomy_distro.testing.otlp_values import any_value, attributes, optional_hex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.resource.v1 import resource_pb2

    from codeanatomy_distro.testing.otlp import MetricPoint, Signal, SpanKind, SpanStatus

__all__ = ["RESPONSES", "ExportRequest", "decode", "parse"]

ExportRequest: TypeAlias = ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest

_REQUESTS: dict[Signal, type[ExportRequest]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}

RESPONSES: dict[Signal, bytes] = {
    "traces": ExportTraceServiceResponse().SerializeToString(),
    "metrics": ExportMetricsServiceResponse().SerializeToString(),
    "logs": ExportLogsServiceResponse().SerializeToString(),
}
"""The answer that accepts a whole request, by signal."""

_STATUS: dict[int, SpanStatus] = {
    trace_pb2.Status.STATUS_CODE_UNSET: "unset",
    trace_pb2.Status.STATUS_CODE_OK: "ok",
    trace_pb2.Status.STATUS_CODE_ERROR: "error",
}

_SPAN_KINDS: dict[int, SpanKind] = {
    trace_pb2.Span.SPAN_KIND_INTERNAL: "internal",
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_PRODUCER: "producer",
    trace_pb2.Span.SPAN_KIND_CONSUMER: "consumer",
}


def parse(signal: Signal, body: bytes) -> ExportRequest:
    """Return the protobuf message in ``body``; raise ``google.protobuf.message.DecodeError`` when it is none."""
    message = _REQUESTS[signal]()
    message.ParseFromString(body)
    return message


def decode(message: ExportRequest) -> Iterator[Span | LogRecord | MetricPoint]:
    """Yield what the message holds, in its order."""
    if isinstance(message, ExportTraceServiceRequest):
        yield from _spans(message)
    elif isinstance(message, ExportMetricsServiceRequest):
        yield from _metric_points(message)
    else:
        yield from _log_records(message)


def _spans(message: ExportTraceServiceRequest) -> Iterator[Span]:
    for of_resource in message.resource_spans:
        resource = _resource(of_resource.resource, of_resource.schema_url)
        for of_scope in of_resource.scope_spans:
            scope = _scope(of_scope.scope, of_scope.schema_url)
            for span in of_scope.spans:
                yield _span(span, scope, resource)


def _metric_points(message: ExportMetricsServiceRequest) -> Iterator[MetricPoint]:
    for of_resource in message.resource_metrics:
        resource = _resource(of_resource.resource, of_resource.schema_url)
        for of_scope in of_resource.scope_metrics:
            scope = _scope(of_scope.scope, of_scope.schema_url)
            for metric in of_scope.metrics:
                yield from decode_metric(metric, scope, resource)


def _log_records(message: ExportLogsServiceRequest) -> Iterator[LogRecord]:
    for of_resource in message.resource_logs:
        resource = _resource(of_resource.resource, of_resource.schema_url)
        for of_scope in of_resource.scope_logs:
            scope = _scope(of_scope.scope, of_scope.schema_url)
            for record in of_scope.log_records:
                yield _log_record(record, scope, resource)


def _resource(message: resource_pb2.Resource, schema_url: str) -> Resource:
    return Resource(attributes(message.attributes), schema_url)


def _scope(message: InstrumentationScope, schema_url: str) -> Scope:
    return Scope(message.name, message.version, attributes(message.attributes), schema_url)


def _span(message: trace_pb2.Span, scope: Scope, resource: Resource) -> Span:
    return Span(
        name=message.name,
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_id=optional_hex(message.parent_span_id),
        kind=_SPAN_KINDS.get(message.kind, "unspecified"),
        start_ns=message.start_time_unix_nano,
        end_ns=message.end_time_unix_nano,
        attributes=attributes(message.attributes),
        events=tuple(
            SpanEvent(event.name, event.time_unix_nano, attributes(event.attributes)) for event in message.events
        ),
        links=tuple(
            SpanLink(link.trace_id.hex(), link.span_id.hex(), attributes(link.attributes)) for link in message.links
        ),
        status=_STATUS.get(message.status.code, "unset"),
        status_message=message.status.message,
        scope=scope,
        resource=resource,
        trace_state=message.trace_state,
        dropped_attributes=message.dropped_attributes_count,
        dropped_events=message.dropped_events_count,
        dropped_links=message.dropped_links_count,
    )


def _log_record(message: logs_pb2.LogRecord, scope: Scope, resource: Resource) -> LogRecord:
    return LogRecord(
        body=any_value(message.body),
        severity_number=message.severity_number,
        severity_text=message.severity_text,
        time_ns=message.time_unix_nano,
        observed_time_ns=message.observed_time_unix_nano,
        trace_id=optional_hex(message.trace_id),
        span_id=optional_hex(message.span_id),
        attributes=attributes(message.attributes),
        event_name=message.event_name,
        scope=scope,
        resource=resource,
        trace_flags=message.flags & logs_pb2.LOG_RECORD_FLAGS_TRACE_FLAGS_MASK,
        dropped_attributes=message.dropped_attributes_count,
    )
