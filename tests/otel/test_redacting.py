"""The exporters that redact: what reaches the exporter behind, and what does not."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from codeanatomy_distro.otel.redacting import (
    RedactingLogRecordExporter,
    RedactingMetricExporter,
    RedactingSpanExporter,
)
from codeanatomy_distro.otel.redaction import Redactor, create_redactor


class BadValue:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("a secret")  # noqa: EM101, TRY003 - a test


@pytest.fixture
def redactor() -> Redactor:
    """A redactor of the default mode."""
    made = create_redactor("standard")
    assert made is not None
    return made


def test_a_span_that_cannot_be_redacted_does_not_leave_and_stops_no_other(
    redactor: Redactor, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are exported; the first failure is told once, by its type alone."""
    behind = InMemorySpanExporter()
    exporter = RedactingSpanExporter(behind, redactor)
    good = ReadableSpan("good", resource=Resource({}))
    bad = ReadableSpan("bad", resource=Resource({}), attributes={"x": cast("str", BadValue())})
    with caplog.at_level(logging.DEBUG):
        assert exporter.export([bad, good, bad]) is SpanExportResult.SUCCESS
        assert exporter.export([bad]) is SpanExportResult.FAILURE
    assert [span.name for span in behind.get_finished_spans()] == ["good"]
    assert [record.getMessage() for record in caplog.records] == [
        "a span could not be redacted (RuntimeError) and is not exported"
    ]


def test_wrappers_pass_everything_else_through(redactor: Redactor) -> None:
    """Flush, shutdown, empty batches and a metric exporter's preferences are the exporter's own."""
    spans = InMemorySpanExporter()
    wrapped = RedactingSpanExporter(spans, redactor)
    assert wrapped.export([]) is SpanExportResult.SUCCESS
    assert wrapped.force_flush() is True
    wrapped.shutdown()
    assert spans.export([ReadableSpan("late")]) is SpanExportResult.FAILURE, "it was shut down"
    logs = InMemoryLogRecordExporter()
    wrapped_logs = RedactingLogRecordExporter(logs, redactor)
    assert wrapped_logs.export([]) is LogRecordExportResult.SUCCESS
    assert wrapped_logs.force_flush() is True
    wrapped_logs.shutdown()
    preferred: dict[type, Any] = {int: AggregationTemporality.DELTA}
    metrics = RedactingMetricExporter(ConsoleMetricExporter(preferred_temporality=cast("Any", preferred)), redactor)
    assert metrics._preferred_temporality == preferred  # pyright: ignore[reportPrivateUsage]
    assert metrics.force_flush() is True
    metrics.shutdown()


def test_metrics_that_cannot_be_redacted_do_not_leave(redactor: Redactor, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch that is no metrics data fails, and the exporter behind sees nothing of it."""
    exporter = RedactingMetricExporter(ConsoleMetricExporter(), redactor)
    assert exporter.export(cast("MetricsData", object())) is MetricExportResult.FAILURE
    assert capsys.readouterr().out == ""
