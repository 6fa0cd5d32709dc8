"""The processors that hand spans and log records to exporters: each a thin end of a `BatchQueue`."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor

from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from codeanatomy_distro.otel.delivery import ExporterFactory
    from codeanatomy_distro.otel.identity import Identity

__all__ = ["ExportingLogRecordProcessor", "ExportingSpanProcessor"]

_SHUTDOWN_SECONDS: Final = 10.0  # of one processor alone; the process's own exit is bounded by the lifecycle instead


class ExportingSpanProcessor(SpanProcessor):
    """Queues each sampled span that ends.

    In a forked child, spans that the parent had open are the parent's to export, and the child's own carry its
    identity.
    """

    def __init__(
        self,
        create_exporter: ExporterFactory,
        limits: BatchLimits,
        identity: Identity | None = None,
    ) -> None:
        self.queue: BatchQueue[ReadableSpan] = BatchQueue("spans", create_exporter, limits)
        self._identity = identity
        self._renewals = 0
        self._begun: set[int] = set()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the base class's own
        """Note, in a forked child, which spans are its own."""
        if self._identity is not None and self._identity.worker_resource is not None:
            if self._renewals != self._identity.renewals:
                self._renewals, self._begun = self._identity.renewals, set()
            self._begun.add(span.get_span_context().span_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, unless it was recorded for others only or is the parent process's."""
        span_context = span.context
        if span_context is None:
            return
        identity = self._identity
        if identity is not None and (resource := identity.worker_resource) is not None:
            if self._renewals != identity.renewals or span_context.span_id not in self._begun:
                return
            self._begun.discard(span_context.span_id)
            span = copy.copy(span)
            span._resource = resource  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - no constructor keeps the counts of dropped items
        if span_context.trace_flags.sampled:
            self.queue.put(span)

    def shutdown(self) -> None:
        """Export what is left, for at most ten seconds."""
        self.queue.close(time.monotonic() + _SHUTDOWN_SECONDS)
        self.queue.join(_SHUTDOWN_SECONDS)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what is queued; return whether that was done in time."""
        return self.queue.flush(timeout_millis / 1000)


class ExportingLogRecordProcessor(LogRecordProcessor):
    """Queues each log record that is emitted."""

    def __init__(
        self,
        create_exporter: ExporterFactory,
        limits: BatchLimits,
        identity: Identity | None = None,
    ) -> None:
        self.queue: BatchQueue[ReadableLogRecord] = BatchQueue("log records", create_exporter, limits)
        self._identity = identity

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a copy that holds no context: what the program keeps in it may be large and is not ours to hold."""
        record = copy.copy(log_record.log_record)
        record.context = Context()
        resource = None if self._identity is None else self._identity.worker_resource
        self.queue.put(
            ReadableLogRecord(
                log_record=record,
                resource=resource or log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Export what is left, for at most ten seconds."""
        self.queue.close(time.monotonic() + _SHUTDOWN_SECONDS)
        self.queue.join(_SHUTDOWN_SECONDS)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what is queued; return whether that was done in time."""
        return self.queue.flush(timeout_millis / 1000)
