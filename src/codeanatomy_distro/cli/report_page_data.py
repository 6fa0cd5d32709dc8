"""What the page of a run shows, as JSON values: mostly words, so that the page's script need not know telemetry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codeanatomy_distro.cli.run_view import SpanNode, log_time_ns
from codeanatomy_distro.cli.run_view_rows import walk
from codeanatomy_distro.cli.run_view_words import (
    count_of,
    duration,
    error_began_in,
    error_of,
    log_text,
    number,
    one_line,
    quantity,
    resource_facts,
    severity,
    telling,
)

if TYPE_CHECKING:
    from codeanatomy_distro.cli.run_view import RunView
    from codeanatomy_distro.cli.run_view_metrics import MetricSeries
    from codeanatomy_distro.cli.run_view_rows import Row, SpanGroup
    from codeanatomy_distro.testing.otlp import AnyValue, Attributes, LogRecord, Span

__all__ = ["page_data"]


def page_data(view: RunView, *, command: str, exit_code: int | None) -> dict[str, Any]:
    """Return the data of the page; times are nanoseconds since the start of the run."""
    rows: list[dict[str, Any]] = []
    places: dict[tuple[str, str], int] = {}
    for place, trace in enumerate(view.traces):
        if len(view.traces) > 1:
            name = f"Trace {place + 1} of {len(view.traces)}"
            facts = [trace.trace_id, count_of(trace.span_count, "span")]
            rows.append({"kind": "trace", "depth": 0, "name": name, "facts": facts})
        shift = int(len(view.traces) > 1)
        for row in walk(trace.roots, open_groups=True):
            if isinstance(row.item, SpanNode):
                places[row.item.span.trace_id, row.item.span.span_id] = len(rows)
                rows.append(_span_row(row, row.item, shift, view))
            else:
                rows.append(_group_row(row, row.item, shift))
    return {
        "runIds": [one_line(run_id) for run_id in view.run_ids],
        "command": one_line(command),
        "exitCode": exit_code,
        "lengthNs": view.end_ns - view.start_ns,
        "totals": _totals(view),
        "rows": rows,
        "queries": [
            {
                "summary": one_line(query.summary),
                "failed": query.error_count,
                "cells": [
                    number(query.count),
                    duration(query.total_ns),
                    duration(query.longest_ns),
                    "" if query.rows is None else number(query.rows),
                ],
            }
            for query in view.queries
        ],
        "metrics": _metrics(view),
        "logs": [_log(record, view, places) for record in view.log_records],
        "resources": [
            {"facts": resource_facts(resource), "attributes": _pairs(resource.attributes)}
            for resource in view.resources
        ],
    }


def _totals(view: RunView) -> list[dict[str, Any]]:
    counts = {
        "span": view.span_count,
        "trace": len(view.traces),
        "query": sum(query.count for query in view.queries),
        "failed span": view.error_count,
        "log record": len(view.log_records),
        "metric series": len(view.metrics),
        "process": len(view.resources),
    }
    totals: list[dict[str, Any]] = [{"figure": duration(view.end_ns - view.start_ns), "word": "from first to last"}]
    for noun, count in counts.items():
        figure, _, word = count_of(count, noun).partition(" ")
        totals.append({"figure": figure, "word": word, "bad": noun == "failed span" and count > 0})
    return totals


def _span_row(row: Row, node: SpanNode, shift: int, view: RunView) -> dict[str, Any]:
    span = node.span
    error = error_of(span)
    return {
        "kind": "span",
        "depth": row.depth + shift,
        "name": one_line(span.name),
        "facts": telling(span),
        "orphan": node.orphan,
        "error": error,
        "errorBeganHere": error_began_in(node),
        "startNs": span.start_ns - view.start_ns,
        "lengthNs": span.duration_ns,
        "length": duration(span.duration_ns),
        "details": _details(span, view),
        "attributes": _pairs(span.attributes),
        "events": [
            {
                "name": one_line(event.name),
                "at": duration(event.time_ns - span.start_ns),
                "attributes": _pairs(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {"name": f"{link.trace_id} / {link.span_id}", "attributes": _pairs(link.attributes)} for link in span.links
        ],
        "logs": [[severity(record), log_text(record)] for record in node.log_records],
    }


def _details(span: Span, view: RunView) -> list[list[str]]:
    facts = [
        ("status", f"{span.status}: {span.status_message}" if span.status_message else span.status),
        ("starts at", "+" + duration(span.start_ns - view.start_ns)),
        ("lasts", duration(span.duration_ns)),
        ("kind", span.kind),
        ("scope", f"{span.scope.name} {span.scope.version}".strip()),
        ("process", " · ".join(resource_facts(span.resource))),
        ("span id", span.span_id),
        ("parent id", span.parent_id or ""),
        ("trace id", span.trace_id),
    ]
    return [[key, value] for key, value in facts if value]


def _group_row(row: Row, group: SpanGroup, shift: int) -> dict[str, Any]:
    return {
        "kind": "group",
        "depth": row.depth + shift,
        "name": group.title,
        "facts": [f"{duration(group.total_ns)} together", f"the longest {duration(group.longest_ns)}"],
        "error": count_of(group.error_count, "failed span") if group.error_count else None,
    }


def _metrics(view: RunView) -> list[dict[str, Any]]:
    metrics: list[dict[str, Any]] = []
    for series in view.metrics:
        name = one_line(series.name)
        if not metrics or metrics[-1]["name"] != name:
            facts = [one_line(series.unit), series.kind.replace("_", " ")]
            metrics.append(
                {"name": name, "facts": [f for f in facts if f], "help": one_line(series.description), "series": []}
            )
        metrics[-1]["series"].append(_series(series))
    return metrics


def _series(series: MetricSeries) -> dict[str, Any]:
    ends = ["≤ " + quantity(bound, series.unit) for bound in series.bounds]
    ends.append("> " + quantity(series.bounds[-1], series.unit) if series.bounds else "")
    return {
        "labels": [[one_line(key), one_line(value)] for key, value in series.labels],
        "cells": [
            "" if series.count is None else number(series.count),
            quantity(series.total if series.value is None else series.value, series.unit),
            quantity(series.median, series.unit),
            quantity(series.maximum, series.unit),
        ],
        "buckets": [[end, count] for end, count in zip(ends, series.bucket_counts, strict=False)],
    }


def _log(record: LogRecord, view: RunView, places: dict[tuple[str, str], int]) -> dict[str, Any]:
    span = view.span_of(record)
    return {
        "at": "+" + duration(log_time_ns(record) - view.start_ns),
        "severity": severity(record),
        "text": log_text(record),
        "span": " ".join((one_line(span.name), *telling(span)[:1])) if span else "",
        "row": places.get((record.trace_id or "", record.span_id or "")),
        "attributes": _pairs(record.attributes),
    }


def _pairs(attributes: Attributes) -> list[list[str]]:
    return [[key, _text(value)] for key, value in attributes.items()]


def _text(value: AnyValue) -> str:
    """Return the value as text with its line breaks: a stack trace is read in lines."""
    if isinstance(value, str):
        return value
    return one_line(value) if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, default=str)
