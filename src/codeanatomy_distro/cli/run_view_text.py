"""A run on the terminal: lines that read the same with and without colour."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rich.cells import cell_len
from rich.text import Text

from codeanatomy_distro.cli.run_view import log_time_ns
from codeanatomy_distro.cli.run_view_tree import TreePrinter
from codeanatomy_distro.cli.run_view_words import (
    count_of,
    duration,
    log_text,
    number,
    one_line,
    quantity,
    resource_facts,
    severity,
    telling,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from codeanatomy_distro.cli.run_view import Query, RunView
    from codeanatomy_distro.cli.run_view_metrics import MetricSeries
    from codeanatomy_distro.testing.otlp import LogRecord

__all__ = ["print_run"]

_T = TypeVar("_T")

_PROCESSES = 4
_TRACES = 5
_QUERIES = 10
_SERIES = 40
_LOGS = 30
_WIDEST = 140
"""Wider terminals are not filled: the eye loses the line between a name and its figures."""
_ASCII = str.maketrans("├└│─━✗…·", "|`|-=x~-")
"""For a terminal that can show no more than ASCII; the same widths."""
_WARN = 13
"""First severity number of the range WARN (OpenTelemetry, logs data model)."""
_SEVERITY_STYLES = {"WARN": "yellow", "ERROR": "bold red", "FATAL": "bold red"}


def print_run(view: RunView, console: Console, *, show_all: bool = False) -> None:
    """Print the run; long lists are cut, with a line telling what was left out, unless ``show_all``."""
    width = min(console.width, _WIDEST)
    ascii_only = not console.encoding.lower().startswith("utf")
    for line in _Sections(view, width, show_all=show_all).lines():
        line.truncate(width, overflow="ellipsis")
        line.rstrip()
        shown = line.plain.translate(_ASCII).encode("ascii", "backslashreplace").decode() if ascii_only else line
        console.print(shown, no_wrap=True, highlight=False, markup=False, emoji=False)


@dataclass
class _Sections:
    view: RunView
    width: int
    show_all: bool

    def lines(self) -> Iterator[Text]:
        yield from self._summary()
        yield from self._traces()
        yield from self._queries()
        yield from self._metrics()
        yield from self._logs()

    def _summary(self) -> Iterator[Text]:
        view = self.view
        title = "Run " + ", ".join(map(one_line, view.run_ids)) if view.run_ids else "Run without a run id"
        line = Text.assemble(("── ", "cyan"), (title, "bold"), " ")
        yield line.append("─" * (self.width - line.cell_len), "cyan")
        for resource in self._cut(view.resources, _PROCESSES):
            yield from self._filled(resource_facts(resource))
        if len(view.resources) > _PROCESSES and not self.show_all:
            yield self._more(f"{count_of(len(view.resources) - _PROCESSES, 'more process')}")
        totals = [
            duration(view.end_ns - view.start_ns),
            f"{count_of(view.span_count, 'span')} in {count_of(len(view.traces), 'trace')}",
            count_of(sum(query.count for query in view.queries), "query"),
            count_of(view.error_count, "failed span"),
            count_of(len(view.log_records), "log record"),
            count_of(len(view.metrics), "metric series"),
        ]
        for line in self._filled(totals):
            if view.error_count:
                line.highlight_words([totals[3]], "bold red")
            yield line
        if view.duplicate_count:
            yield Text(f"{count_of(view.duplicate_count, 'span')} arrived twice; shown once", "yellow")

    def _traces(self) -> Iterator[Text]:
        printer = TreePrinter(self.width, show_all=self.show_all)
        for place, trace in enumerate(self._cut(self.view.traces, _TRACES)):
            many = len(self.view.traces) > 1
            title = f"Trace {place + 1} of {len(self.view.traces)}" if many else "Spans"
            yield Text()
            yield Text.assemble(
                (title, "bold"), (f"  trace {trace.trace_id}, {count_of(trace.span_count, 'span')}", "dim")
            )
            yield from printer.lines(trace)
        if not self.show_all and len(self.view.traces) > _TRACES:
            rest = self.view.traces[_TRACES:]
            spans = sum(trace.span_count for trace in rest)
            yield self._more(f"{count_of(len(rest), 'more trace')} with {count_of(spans, 'span')}")

    def _queries(self) -> Iterator[Text]:
        queries = self.view.queries
        if not queries:
            return
        yield Text()
        yield self._columns(Text("Queries", "bold"), ("times", "total", "longest", "rows"), "dim")
        for query in self._cut(queries, _QUERIES):
            yield self._query(query)
        if len(queries) > _QUERIES and not self.show_all:
            yield self._more(f"{count_of(len(queries) - _QUERIES, 'more query')}")

    def _query(self, query: Query) -> Text:
        name = Text("  " + one_line(query.summary))
        if query.error_count:
            name.append(f"  {query.error_count} failed", "bold red")
        rows = "" if query.rows is None else number(query.rows)
        return self._columns(name, (number(query.count), duration(query.total_ns), duration(query.longest_ns), rows))

    def _metrics(self) -> Iterator[Text]:
        series = self.view.metrics
        if not series:
            return
        yield Text()
        yield self._columns(Text("Metrics", "bold"), ("count", "value or sum", "median ~", "greatest"), "dim")
        name = None
        for row in self._cut(series, _SERIES):
            if row.name != name:
                name = row.name
                yield self._metric_name(row)
            yield self._metric(row)
        if len(series) > _SERIES and not self.show_all:
            rest = series[_SERIES:]
            names = len({row.name for row in rest})
            yield self._more(f"{count_of(len(rest), 'more series')} of {count_of(names, 'metric')}")

    @staticmethod
    def _metric_name(row: MetricSeries) -> Text:
        kind = row.kind.replace("_", " ")
        line = Text.assemble("  ", one_line(row.name), ("  " + " ".join((one_line(row.unit), kind)).strip(), "dim"))
        return line.append(f" · {one_line(row.description)}" if row.description else "", "dim")

    def _metric(self, row: MetricSeries) -> Text:
        labels = " ".join(f"{one_line(key)}={one_line(value)}" for key, value in row.labels) or "(no labels)"
        cells = (
            "" if row.count is None else number(row.count),
            quantity(row.total if row.value is None else row.value, row.unit),
            quantity(row.median, row.unit),
            quantity(row.maximum, row.unit),
        )
        return self._columns(Text("    " + labels, "" if row.labels else "dim"), cells)

    def _logs(self) -> Iterator[Text]:
        records = self.view.log_records
        if not records:
            return
        shown = records if self.show_all else _most_telling(records, _LOGS)
        yield Text()
        yield Text("Logs", "bold")
        for record in shown:
            yield self._log(record)
        left = Counter(severity(record) for record in records) - Counter(severity(record) for record in shown)
        if left:
            kinds = ", ".join(f"{count} {word or 'without severity'}" for word, count in left.most_common())
            yield self._more(f"{count_of(len(records) - len(shown), 'more log record')} ({kinds})")

    def _log(self, record: LogRecord) -> Text:
        when = duration(log_time_ns(record) - self.view.start_ns)
        word = severity(record)
        span = self.view.span_of(record)
        if span:
            where = "in " + " ".join((one_line(span.name), *telling(span)[:1]))
        else:
            where = "in a span not received" if record.span_id else "outside any span"
        start = Text.assemble(f"  +{when:>10}  ", (f"{word[:5]:<5}", _SEVERITY_STYLES.get(word, "dim")), "  ")
        room = max(self.width - start.cell_len, 0)
        message = Text(log_text(record))
        # The message comes first: the place stands at the right edge when there is room for both.
        message.truncate(max(room - cell_len(where) - 2, room * 2 // 3), overflow="ellipsis")
        message.pad_right(max(room - message.cell_len - cell_len(where), 2))
        message.append(where, "dim")
        return start.append_text(message)

    def _columns(self, left: Text, cells: tuple[str, str, str, str], style: str = "") -> Text:
        """Return a line with four right-aligned figures at its end."""
        figures = "".join(f"{cell:>{width}}" for cell, width in zip(cells, (9, 13, 11, 11), strict=True))
        left.truncate(self.width - len(figures), overflow="ellipsis", pad=True)
        return left.append(figures, style)

    def _filled(self, facts: Sequence[str]) -> Iterator[Text]:
        """Yield the facts in lines, none of them broken."""
        separator = " · "
        line = Text()
        for fact in filter(None, facts):
            if line and line.cell_len + len(separator) + cell_len(fact) > self.width:
                yield line
                line = Text()
            line.append((separator if line else "") + fact)
        yield line

    def _more(self, text: str) -> Text:
        return Text(f"  … {text} (--all shows them)", "dim italic")

    def _cut(self, items: Sequence[_T], count: int) -> Sequence[_T]:
        return items if self.show_all else items[:count]


def _most_telling(records: Sequence[LogRecord], count: int) -> list[LogRecord]:
    """Return at most ``count`` of the records in their order: warnings and worse first, then the earliest."""
    places = sorted(range(len(records)), key=lambda place: (records[place].severity_number < _WARN, place))
    return [records[place] for place in sorted(places[:count])]
