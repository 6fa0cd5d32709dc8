"""Processors that put the run id on every span and log record (specification, *Custom Processors*).

They run before the processors that export. Neither may raise: an exception in a processor would surface in the user's
program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor

from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.trace import ReadableSpan, Span

__all__ = ["RunIdLogRecordProcessor", "RunIdSpanProcessor"]


class RunIdSpanProcessor(SpanProcessor):
    """Puts ``codeanatomy.run_id`` on each span as it starts, when there is a run.

    A provider whose sampler is a `SamplingRuleSampler` needs none: that puts the run id on a span with the rule's name,
    for a good part less.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the base class's own
        """Set the run id that is current where the span starts."""
        run_id = get_run_id()
        if run_id is not None:
            span.set_attribute(AttributeName.RUN_ID, run_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Do nothing: the id was set at the start."""

    def shutdown(self) -> None:
        """Do nothing: there is nothing to release."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the base class's own
        """Return True: nothing is kept back."""
        return True


class RunIdLogRecordProcessor(LogRecordProcessor):
    """Puts ``codeanatomy.run_id`` on each log record as it is emitted, when there is a run."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Set the run id that is current where the record is emitted, unless the record brings one."""
        run_id = get_run_id()
        if run_id is None:
            return
        record = log_record.log_record
        if record.attributes is None:
            record.attributes = {AttributeName.RUN_ID: run_id}
        elif AttributeName.RUN_ID not in record.attributes:
            record.attributes[AttributeName.RUN_ID] = run_id  # pyright: ignore[reportIndexIssue] - the SDK's mutable mapping

    def shutdown(self) -> None:
        """Do nothing: there is nothing to release."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the base class's own
        """Return True: nothing is kept back."""
        return True
