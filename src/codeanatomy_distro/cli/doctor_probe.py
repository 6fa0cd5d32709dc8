"""What the doctor sends: one span, one metric point, one log record, made by the SDK as a program's are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

__all__ = ["NAME", "create_batch"]

NAME: Final = "codeanatomy.doctor"
"""Scope and name of all that the doctor sends, so that it can be told from a program's telemetry."""


def create_batch(signal: str, resource: Resource) -> Any:  # noqa: ANN401 - each signal has its own kind
    """Return one item of `signal` as an exporter takes it."""
    match signal:
        case "traces":
            return _spans(resource)
        case "metrics":
            return _metrics(resource)
        case _:
            return _log_records(resource)


def _spans(resource: Resource) -> Any:  # noqa: ANN401 - as above
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer(NAME).start_span(NAME).end()
    return exporter.get_finished_spans()


def _metrics(resource: Resource) -> Any:  # noqa: ANN401 - as above
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
    provider.get_meter(NAME).create_counter(NAME).add(1)
    return reader.get_metrics_data()


def _log_records(resource: Resource) -> Any:  # noqa: ANN401 - as above
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    record = LogRecord(body="codeanatomy-otel doctor", severity_number=SeverityNumber.INFO, severity_text="INFO")
    provider.get_logger(NAME).emit(record)
    return exporter.get_finished_logs()
