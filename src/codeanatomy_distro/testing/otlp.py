"""Telemetry as a receiver sees it: spans, log records and metric points with plain Python values.

The field names are OpenTelemetry's own. Identifiers are lower-case hex, times are nanoseconds since the epoch,
attribute values are what was sent: ``str``, ``bool``, ``int``, ``float``, ``bytes``, ``None``, lists and dictionaries
of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "SIGNALS",
    "AnyValue",
    "Attributes",
    "Exemplar",
    "ExponentialBuckets",
    "LogRecord",
    "MetricKind",
    "MetricPoint",
    "Protocol",
    "Resource",
    "Scope",
    "Signal",
    "Span",
    "SpanEvent",
    "SpanKind",
    "SpanLink",
    "SpanStatus",
    "Telemetry",
    "Temporality",
]

AnyValue: TypeAlias = Union[str, bool, int, float, bytes, "Sequence[AnyValue]", "Mapping[str, AnyValue]", None]
Attributes: TypeAlias = "Mapping[str, AnyValue]"

Signal = Literal["traces", "metrics", "logs"]
Protocol = Literal["grpc", "http/protobuf"]
SpanKind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]
MetricKind = Literal["gauge", "sum", "histogram", "exponential_histogram", "summary"]
Temporality = Literal["unspecified", "delta", "cumulative"]

SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")


@dataclass(frozen=True)
class Resource:
    """The process that sent the telemetry."""

    attributes: Attributes
    schema_url: str = ""


@dataclass(frozen=True)
class Scope:
    """The instrumentation scope: which library, at which version, made the telemetry."""

    name: str
    version: str = ""
    attributes: Attributes = field(default_factory=dict[str, AnyValue])
    schema_url: str = ""


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened at one moment of a span, such as ``exception``."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True)
class SpanLink:
    """A reference from a span to another span, perhaps of another trace."""

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(frozen=True)
class Span:
    """One finished span; ``parent_id`` is None for the root of a trace."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: tuple[SpanEvent, ...]
    links: tuple[SpanLink, ...]
    status: SpanStatus
    status_message: str
    scope: Scope
    resource: Resource
    trace_state: str = ""
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from start to end."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True)
class LogRecord:
    """One log record; the ids are None when it was emitted outside any span."""

    body: AnyValue
    severity_number: int
    severity_text: str
    time_ns: int
    observed_time_ns: int
    trace_id: str | None
    span_id: str | None
    attributes: Attributes
    event_name: str
    scope: Scope
    resource: Resource
    trace_flags: int = 0
    dropped_attributes: int = 0


@dataclass(frozen=True)
class Exemplar:
    """A single measurement kept beside an aggregate, with the span it was made in."""

    value: float
    time_ns: int
    trace_id: str | None
    span_id: str | None
    attributes: Attributes


@dataclass(frozen=True)
class ExponentialBuckets:
    """Buckets of an exponential histogram.

    Bucket ``i`` ends at ``base ** (offset + i + 1)``, with ``base = 2 ** 2 ** -scale``.
    """

    scale: int
    zero_count: int
    positive_offset: int
    positive_counts: tuple[int, ...]
    negative_offset: int
    negative_counts: tuple[int, ...]


@dataclass(frozen=True)
class MetricPoint:
    """One data point of one metric in one export.

    Gauges and sums have ``value``; histograms have ``count``, ``sum`` and, when explicit, one more entry in
    ``bucket_counts`` than in ``bounds``. What a kind does not have is None or empty.
    """

    name: str
    description: str
    unit: str
    kind: MetricKind
    attributes: Attributes
    start_ns: int
    time_ns: int
    scope: Scope
    resource: Resource
    temporality: Temporality = "unspecified"
    monotonic: bool | None = None
    value: float | None = None
    count: int | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None
    bounds: tuple[float, ...] = ()
    bucket_counts: tuple[int, ...] = ()
    exponential: ExponentialBuckets | None = None
    quantiles: tuple[tuple[float, float], ...] = ()
    exemplars: tuple[Exemplar, ...] = ()


@dataclass(frozen=True)
class Telemetry:
    """Everything received up to one moment, in order of arrival."""

    spans: tuple[Span, ...] = ()
    log_records: tuple[LogRecord, ...] = ()
    metric_points: tuple[MetricPoint, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything was received."""
        return bool(self.spans or self.log_records or self.metric_points)

    def spans_named(self, name: str) -> list[Span]:
        """Return the spans of that name, in order of arrival."""
        return [span for span in self.spans if span.name == name]

    def points_of(self, name: str) -> list[MetricPoint]:
        """Return the points of that metric, in order of arrival."""
        return [point for point in self.metric_points if point.name == name]

    def resources(self) -> list[Resource]:
        """Return each different resource once, in order of arrival: one a process."""
        found: list[Resource] = []
        for item in (*self.spans, *self.log_records, *self.metric_points):
            if item.resource not in found:
                found.append(item.resource)
        return found
