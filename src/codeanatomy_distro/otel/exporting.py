"""The processors and the metric reader that hand telemetry to exporters: each a thin end of a `BatchQueue`."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor

from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue, Exporter, delivered

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.metrics.view import Aggregation
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["ExportingLogRecordProcessor", "ExportingMetricReader", "ExportingSpanProcessor"]

_logger = logging.getLogger("codeanatomy_distro.export")


class ExportingSpanProcessor(SpanProcessor):
    """Queues each sampled span that ends."""

    def __init__(self, create_exporter: Callable[[], Exporter], limits: BatchLimits) -> None:
        self.queue: BatchQueue[ReadableSpan] = BatchQueue("spans", create_exporter, limits)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, unless it was recorded for others only."""
        span_context = span.context
        if span_context is not None and span_context.trace_flags.sampled:
            self.queue.put(span)

    def shutdown(self) -> None:
        """Export what is left, for at most ten seconds; the distro's own exit is bounded by the lifecycle instead."""
        self.queue.close()
        self.queue.join(10.0)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what is queued; return whether that was done in time."""
        return self.queue.flush(timeout_millis / 1000)


class ExportingLogRecordProcessor(LogRecordProcessor):
    """Queues each log record that is emitted."""

    def __init__(self, create_exporter: Callable[[], Exporter], limits: BatchLimits) -> None:
        self.queue: BatchQueue[ReadableLogRecord] = BatchQueue("log records", create_exporter, limits)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a copy that holds no context: what the program keeps in it may be large and is not ours to hold."""
        record = copy.copy(log_record.log_record)
        record.context = Context()
        self.queue.put(
            ReadableLogRecord(
                log_record=record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Export what is left, for at most ten seconds; the distro's own exit is bounded by the lifecycle instead."""
        self.queue.close()
        self.queue.join(10.0)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what is queued; return whether that was done in time."""
        return self.queue.flush(timeout_millis / 1000)


class ExportingMetricReader(MetricReader):
    """Collects and exports all metrics every `interval` seconds, and once more when it is closed."""

    signal = "metric points"

    def __init__(
        self,
        create_exporter: Callable[[], Exporter],
        *,
        interval: float,
        temporality: dict[type, AggregationTemporality],
        aggregation: dict[type, Aggregation],
    ) -> None:
        super().__init__(preferred_temporality=temporality, preferred_aggregation=aggregation)
        self._create_exporter = create_exporter
        self._interval = interval
        self.refused = 0
        self._begin()

    def _begin(self) -> None:
        self._exporting = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._exporter: Exporter | None = None
        self._points = 0
        self._thread: threading.Thread | None = None

    @property
    def undelivered(self) -> int:
        """Return how many metric points were refused or are on their way; a later export repeats cumulative ones."""
        return self.refused + self._points

    def start(self) -> None:
        """Begin to export every interval."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="codeanatomy-metrics", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Begin the last export; does not wait."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self.start()

    def join(self, timeout: float) -> bool:
        """Wait for what `close` began, at most `timeout` seconds; then release the exporter. Return whether all left."""
        if self._thread is not None:
            self._thread.join(max(0.0, timeout))
        done = self._thread is None or not self._thread.is_alive()
        if self._exporter is not None:
            try:
                self._exporter.shutdown()
            except Exception as error:  # noqa: BLE001 - somebody else's exporter must not fail the program's exit
                _logger.debug("the metric exporter failed to shut down: %s", error)
        return done

    def hold(self, timeout: float = 1.0) -> bool:
        """Keep exports from running until `release`."""
        return self._exporting.acquire(timeout=timeout)

    def release(self) -> None:
        """Let exports run again."""
        self._exporting.release()

    def reset(self) -> None:
        """Begin anew in a forked child."""
        running = self._thread is not None
        self.refused = 0
        self._begin()
        if running:
            self.start()

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:  # noqa: ANN401 - the base class's own
        """Export once more and stop."""
        self.close()
        self.join(timeout_millis / 1000)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Collect and export now; return whether that was done in time."""
        worker = threading.Thread(target=self._collect_once, name="codeanatomy-metrics-flush", daemon=True)
        worker.start()
        worker.join(timeout_millis / 1000)
        return not worker.is_alive()

    def _run(self) -> None:
        while not self._wake.wait(self._interval):
            self._collect_once()
        self._collect_once()

    def _collect_once(self) -> None:
        try:
            self.collect()
        except Exception as error:  # noqa: BLE001 - an observable callback is somebody else's code
            _logger.warning("collecting metrics failed: %s: %s", type(error).__name__, error)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:  # noqa: ANN401, ARG002 - the base class's own
        points = sum(
            len(metric.data.data_points)
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        if not points:
            return
        arrived = False
        started = time.monotonic()
        with self._exporting, suppress_instrumentation():
            self._points = points
            try:
                if self._exporter is None:
                    self._exporter = self._create_exporter()
                arrived = delivered(self._exporter.export(metrics_data))
            except Exception as error:  # noqa: BLE001 - somebody else's exporter; the reader goes on
                _logger.warning("exporting metrics failed: %s: %s", type(error).__name__, error)
            finally:
                self._points = 0
                self.refused = 0 if arrived else points
        _logger.debug("exported %d metric points in %.3f s", points, time.monotonic() - started)

