"""Where test mode keeps what was recorded (specification, *CI/Testing*)."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field

from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    _Gauge,  # pyright: ignore[reportPrivateUsage] - the SDK has no public name for it yet
)
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["InMemoryExporters"]


def _in_memory_reader() -> InMemoryMetricReader:
    """Return a reader that keeps the points of any number of runs: each test has a run id of its own."""
    if "cardinality_limits" not in inspect.signature(InMemoryMetricReader.__init__).parameters:
        return InMemoryMetricReader()  # an SDK without a limit
    return InMemoryMetricReader(cardinality_limits=dict.fromkeys((Counter, Histogram, _Gauge), 1_000_000))


@dataclass(frozen=True)
class InMemoryExporters:
    """One for each signal."""

    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    metrics: InMemoryMetricReader = field(default_factory=_in_memory_reader)
    logs: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)

    def span_processor(self) -> SimpleSpanProcessor:
        """Return what keeps each span as it ends."""
        return SimpleSpanProcessor(self.spans)

    def log_record_processor(self) -> SimpleLogRecordProcessor:
        """Return what keeps each log record as it is emitted."""
        return SimpleLogRecordProcessor(self.logs)
