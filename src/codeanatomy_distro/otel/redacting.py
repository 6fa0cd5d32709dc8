"""Exporters that redact what they are given and hand it to another exporter.

They run wherever the exporter runs, which is a thread of its own, so the program pays nothing. What cannot be
redacted does not leave: it is dropped, and said once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from codeanatomy_distro.otel.redaction import Redactor

__all__ = ["RedactingLogRecordExporter", "RedactingMetricExporter", "RedactingSpanExporter"]

_logger = logging.getLogger("codeanatomy_distro.redaction")

T = TypeVar("T")


class _Failures:
    """Tells the first failure to redact, and no other; not its text, which may hold what was to be redacted."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, what: str, error: Exception) -> None:
        self.count += 1
        if self.count == 1:
            _logger.warning("a %s could not be redacted (%s) and is not exported", what, type(error).__name__)


def _redacted(redact: Callable[[T], T], items: Sequence[T], what: str, failures: _Failures) -> list[T]:
    kept: list[T] = []
    for item in items:
        try:
            kept.append(redact(item))
        except Exception as error:  # noqa: BLE001, PERF203 - what cannot be redacted must not leave, nor stop the others
            failures.add(what, error)
    return kept


class RedactingSpanExporter(SpanExporter):
    """Redacts spans, then exports them."""

    def __init__(self, exporter: SpanExporter, redactor: Redactor) -> None:
        self._exporter = exporter
        self._redactor = redactor
        self._failures = _Failures()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans that could be redacted; failure when none could."""
        kept = _redacted(self._redactor.span, spans, "span", self._failures)
        return self._exporter.export(kept) if kept or not spans else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)


class RedactingLogRecordExporter(LogRecordExporter):
    """Redacts log records, then exports them."""

    def __init__(self, exporter: LogRecordExporter, redactor: Redactor) -> None:
        self._exporter = exporter
        self._redactor = redactor
        self._failures = _Failures()

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export the log records that could be redacted; failure when none could."""
        kept = _redacted(self._redactor.log, batch, "log record", self._failures)
        return self._exporter.export(kept) if kept or not batch else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporter, if it has anything to flush."""
        flush = getattr(self._exporter, "force_flush", None)  # the base class of log exporters has got it only lately
        return bool(flush(timeout_millis)) if flush else True


class RedactingMetricExporter(MetricExporter):
    """Redacts metrics, then exports them."""

    def __init__(self, exporter: MetricExporter, redactor: Redactor) -> None:
        super().__init__(
            preferred_temporality=getattr(exporter, "_preferred_temporality", None),
            preferred_aggregation=getattr(exporter, "_preferred_aggregation", None),
        )
        self._exporter = exporter
        self._redactor = redactor
        self._failures = _Failures()

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:  # noqa: ANN401 - the base class's own
        """Export the metrics; failure when they cannot be redacted, since a batch is one state of all of them."""
        try:
            redacted = self._redactor.metrics(metrics_data)
        except Exception as error:  # noqa: BLE001 - what cannot be redacted must not leave
            self._failures.add("batch of metrics", error)
            return MetricExportResult.FAILURE
        return self._exporter.export(redacted, timeout_millis=timeout_millis, **kwargs)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's own
        """Shut the exporter down."""
        self._exporter.shutdown(timeout_millis=timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis=timeout_millis)
