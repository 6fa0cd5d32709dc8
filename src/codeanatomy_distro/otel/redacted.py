"""Copies of spans, events, links and log records that hold redacted values.

They keep the counts of what the SDK's limits dropped: the SDK reads those off containers that a copy has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

__all__ = ["RedactedEvent", "RedactedLink", "RedactedLogRecord", "RedactedSpan"]


class RedactedEvent(Event):
    """An event of a span, redacted."""

    def __init__(self, original: Event, name: str, attributes: Mapping[str, Any]) -> None:
        super().__init__(name, attributes, original.timestamp)
        self._dropped = original.dropped_attributes

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK's limits dropped."""
        return self._dropped


class RedactedLink(Link):
    """A link of a span, redacted."""

    def __init__(self, original: Link, context: SpanContext, attributes: Mapping[str, Any]) -> None:
        super().__init__(context, attributes)
        self._dropped = original.dropped_attributes

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK's limits dropped."""
        return self._dropped


class RedactedSpan(ReadableSpan):
    """A span that has ended, redacted."""

    def __init__(  # noqa: PLR0913 - every part of a span that may hold something private
        self,
        original: ReadableSpan,
        *,
        name: str,
        context: SpanContext | None,
        parent: SpanContext | None,
        resource: Resource,
        attributes: Mapping[str, Any],
        events: Sequence[Event],
        links: Sequence[Link],
        status: Status,
        instrumentation_scope: InstrumentationScope | None,
    ) -> None:
        super().__init__(
            name=name,
            context=context,
            parent=parent,
            resource=resource,
            attributes=attributes,
            events=events,
            links=links,
            kind=original.kind,
            status=status,
            start_time=original.start_time,
            end_time=original.end_time,
            instrumentation_scope=instrumentation_scope,
        )
        self._dropped = (original.dropped_attributes, original.dropped_events, original.dropped_links)

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK's limits dropped."""
        return self._dropped[0]

    @property
    def dropped_events(self) -> int:
        """How many events the SDK's limits dropped."""
        return self._dropped[1]

    @property
    def dropped_links(self) -> int:
        """How many links the SDK's limits dropped."""
        return self._dropped[2]


@dataclass(frozen=True)
class RedactedLogRecord(ReadableLogRecord):
    """A log record, redacted."""

    dropped: int = 0

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK's limits dropped."""
        return self.dropped

    @classmethod
    def of(
        cls, original: ReadableLogRecord, record: LogRecord, resource: Resource, scope: InstrumentationScope | None
    ) -> RedactedLogRecord:
        """Return `original` with these parts in place of its own."""
        return cls(record, resource, scope, original.limits, original.dropped_attributes)
