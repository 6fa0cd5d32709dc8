"""One run, arranged for reading: trees of spans, the log records in them, the queries and the metrics.

Pure: telemetry in, view out. `run_view_text` prints it, `report_page` makes a page of it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from codeanatomy_distro.cli.run_view_metrics import metric_series
from codeanatomy_distro.obs.constants import AttributeName, SpanName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codeanatomy_distro.cli.run_view_metrics import MetricSeries
    from codeanatomy_distro.testing.otlp import LogRecord, Resource, Span, Telemetry

__all__ = ["Query", "RunView", "SpanNode", "Trace", "create_run_view", "log_time_ns", "output_rows", "query_summary"]


@dataclass(eq=False)
class SpanNode:
    """A span with what happened inside it; ``orphan`` when its parent was never received."""

    span: Span
    orphan: bool = False
    children: list[SpanNode] = field(default_factory=list["SpanNode"])
    log_records: list[LogRecord] = field(default_factory=list["LogRecord"])


@dataclass(frozen=True, eq=False)
class Trace:
    """The spans of one trace; several roots when parents were not received."""

    trace_id: str
    roots: tuple[SpanNode, ...]
    span_count: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Query:
    """The executions of one query summary; ``rows`` is None when none of them told its rows."""

    summary: str
    count: int
    error_count: int
    total_ns: int
    longest_ns: int
    rows: int | None


@dataclass(frozen=True, eq=False)
class RunView:
    """What one run sent; times are nanoseconds since the epoch, 0 when nothing was received."""

    run_ids: tuple[str, ...]
    resources: tuple[Resource, ...]
    traces: tuple[Trace, ...]
    queries: tuple[Query, ...]
    metrics: tuple[MetricSeries, ...]
    log_records: tuple[LogRecord, ...]
    spans: dict[tuple[str, str], Span]
    span_count: int
    error_count: int
    duplicate_count: int
    start_ns: int
    end_ns: int

    def span_of(self, record: LogRecord) -> Span | None:
        """Return the span that the record was emitted in, None when there is none or it was not received."""
        return self.spans.get((record.trace_id or "", record.span_id or ""))


_Key: TypeAlias = "tuple[str, str]"


def create_run_view(telemetry: Telemetry) -> RunView:
    """Arrange the telemetry.

    A span received twice, as after a retry, is shown once and counted in ``duplicate_count``.
    """
    nodes: dict[_Key, SpanNode] = {}
    for span in telemetry.spans:
        nodes.setdefault((span.trace_id, span.span_id), SpanNode(span))
    log_records = sorted(telemetry.log_records, key=log_time_ns)
    for record in log_records:
        node = nodes.get((record.trace_id or "", record.span_id or ""))
        if node:
            node.log_records.append(record)
    traces = _traces(nodes)
    times = [time for span in telemetry.spans for time in (span.start_ns, span.end_ns)]
    times += map(log_time_ns, log_records)
    return RunView(
        run_ids=_run_ids(telemetry),
        resources=tuple(telemetry.resources()),
        traces=traces,
        queries=_queries(node.span for node in nodes.values()),
        metrics=metric_series(telemetry.metric_points),
        log_records=tuple(log_records),
        spans={key: node.span for key, node in nodes.items()},
        span_count=len(nodes),
        error_count=sum(node.span.status == "error" for node in nodes.values()),
        duplicate_count=len(telemetry.spans) - len(nodes),
        start_ns=min(times, default=0),
        end_ns=max(times, default=0),
    )


def log_time_ns(record: LogRecord) -> int:
    """Return when the record was made, or else seen."""
    return record.time_ns or record.observed_time_ns


def _traces(nodes: dict[_Key, SpanNode]) -> tuple[Trace, ...]:
    """Join the spans into trees, whatever their parent ids say: none is lost, none is shown twice."""
    roots: dict[str, list[SpanNode]] = defaultdict(list)
    for (trace_id, span_id), node in nodes.items():
        parent_id = node.span.parent_id
        parent = nodes.get((trace_id, parent_id)) if parent_id and parent_id != span_id else None
        if parent:
            parent.children.append(node)
        else:
            node.orphan = parent_id is not None
            roots[trace_id].append(node)
    _break_circles(nodes, roots)
    of_trace: dict[str, list[Span]] = defaultdict(list)
    for (trace_id, _), node in nodes.items():
        node.children.sort(key=_order)
        of_trace[trace_id].append(node.span)
    traces = [
        Trace(
            trace_id=trace_id,
            roots=tuple(sorted(roots[trace_id], key=_order)),
            span_count=len(spans),
            start_ns=min(span.start_ns for span in spans),
            end_ns=max(span.end_ns for span in spans),
        )
        for trace_id, spans in of_trace.items()
    ]
    return tuple(sorted(traces, key=lambda trace: trace.start_ns))


def _break_circles(nodes: dict[_Key, SpanNode], roots: dict[str, list[SpanNode]]) -> None:
    """Make a root of the first span of each circle of parents, which only a faulty sender makes."""
    reached: set[int] = set()

    def reach(start: Iterable[SpanNode]) -> None:
        pending = list(start)
        while pending:
            node = pending.pop()
            reached.add(id(node))
            pending.extend(node.children)

    reach(node for of_trace in roots.values() for node in of_trace)
    if len(reached) == len(nodes):
        return
    for node in sorted(nodes.values(), key=_order):
        if id(node) not in reached:
            nodes[node.span.trace_id, node.span.parent_id or ""].children.remove(node)
            node.orphan = True
            roots[node.span.trace_id].append(node)
            reach([node])


def _order(node: SpanNode) -> tuple[int, int, str]:
    """Order siblings by start; of those that start together the longer first."""
    return (node.span.start_ns, -node.span.end_ns, node.span.span_id)


def _run_ids(telemetry: Telemetry) -> tuple[str, ...]:
    items = (*telemetry.spans, *telemetry.log_records)
    found = (item.attributes.get(AttributeName.RUN_ID) for item in items)
    return tuple(dict.fromkeys(str(run_id) for run_id in found if run_id))


_QUERY_SPANS = frozenset({SpanName.DATAFUSION_EXECUTE, SpanName.DATAFUSION_WRITE})


def _queries(spans: Iterable[Span]) -> tuple[Query, ...]:
    executions: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if span.name in _QUERY_SPANS:
            executions[query_summary(span) or span.name].append(span)
    queries = [
        Query(
            summary=summary,
            count=len(of_summary),
            error_count=sum(span.status == "error" for span in of_summary),
            total_ns=sum(span.duration_ns for span in of_summary),
            longest_ns=max(span.duration_ns for span in of_summary),
            rows=_total([output_rows(span) for span in of_summary]),
        )
        for summary, of_summary in executions.items()
    ]
    return tuple(sorted(queries, key=lambda query: query.total_ns, reverse=True))


def query_summary(span: Span) -> str | None:
    """Return the query in a few words, else its text (OpenTelemetry's database conventions)."""
    for key in ("db.query.summary", "db.query.text"):
        value = span.attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def output_rows(span: Span) -> int | None:
    """Return how many rows the span's query gave, when it says so."""
    for key in (
        "db.response.returned_rows",
        "datafusion.output_rows",
        "datafusion.metrics.output_rows",
        "datafusion.stream.rows",
    ):
        value = span.attributes.get(key)
        if isinstance(value, int):
            return value
    return None


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
