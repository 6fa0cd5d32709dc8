"""The run view: from telemetry to trees, and from trees to lines."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from codeanatomy_distro.cli.run_view import SpanNode, create_run_view
from codeanatomy_distro.cli.run_view_rows import SpanGroup, walk
from codeanatomy_distro.cli.run_view_text import print_run
from codeanatomy_distro.cli.run_view_words import count_of, duration, number, one_line, quantity
from codeanatomy_distro.testing.otlp import LogRecord, MetricPoint, Resource, Scope, Span, SpanEvent, Telemetry

if TYPE_CHECKING:
    from codeanatomy_distro.cli.run_view import RunView

MS = 1_000_000
START = 1_700_000_000_000_000_000
PROCESS = Resource({"service.name": "codeanatomy", "service.version": "0.1.0", "process.pid": 41})
RUN = {"codeanatomy.run_id": "run-1"}


def span(name: str, span_id: str, parent_id: str | None = None, at: int = 0, ms: int = 1, **changes: Any) -> Span:
    """Return a span of trace ``t`` that starts ``at`` ms after the start of the run."""
    made = Span(
        name=name,
        trace_id="t",
        span_id=span_id,
        parent_id=parent_id,
        kind="internal",
        start_ns=START + at * MS,
        end_ns=START + (at + ms) * MS,
        attributes=RUN,
        events=(),
        links=(),
        status="unset",
        status_message="",
        scope=Scope("codeanatomy.pipeline"),
        resource=PROCESS,
    )
    return replace(made, **changes)


def log(body: str | None, span_id: str | None, at: int = 0, severity: int = 9, **changes: Any) -> LogRecord:
    """Return a log record of trace ``t``."""
    trace_id = "t" if span_id else None
    made = LogRecord(body, severity, "", START + at * MS, 0, trace_id, span_id, RUN, "", Scope("x"), PROCESS)
    return replace(made, **changes)


def metric(name: str, **changes: Any) -> MetricPoint:
    """Return a cumulative counter's point."""
    made = MetricPoint(name, "", "", "sum", RUN, 1, 2, Scope("x"), PROCESS, temporality="cumulative", monotonic=True)
    return replace(made, **changes)


def shape(view: RunView, **options: Any) -> list[tuple[int, str]]:
    """Return depth and name of each line of the first trace."""
    return [
        (row.depth, row.item.span.name if isinstance(row.item, SpanNode) else f"+{len(row.item.nodes)}")
        for row in walk(view.traces[0].roots, **options)
    ]


def printed(telemetry: Telemetry, width: int = 80, *, show_all: bool = False, encoding: str = "utf-8") -> list[str]:
    """Return the lines as a pipe would get them."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    print_run(create_run_view(telemetry), Console(file=file, width=width), show_all=show_all)
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def test_spans_become_a_tree_in_order_of_start() -> None:
    """Children stand under their parents by start, whatever the order of arrival."""
    spans = (
        span("late", "3", "1", at=5),
        span("root", "1", ms=9),
        span("leaf", "4", "2", at=2),
        span("early", "2", "1"),
    )
    view = create_run_view(Telemetry(spans))
    assert shape(view) == [(0, "root"), (1, "early"), (2, "leaf"), (1, "late")]
    assert view.run_ids == ("run-1",)
    assert (view.start_ns, view.end_ns) == (START, START + 9 * MS)


def test_a_missing_parent_makes_a_marked_root() -> None:
    """A span whose parent was not received is shown as a root and says so."""
    telemetry = Telemetry((span("lost", "2", "1"),))
    assert create_run_view(telemetry).traces[0].roots[0].orphan
    assert any("its parent was not received" in line for line in printed(telemetry))


def test_parents_in_a_circle_lose_no_span() -> None:
    """Spans that claim each other, or themselves, as parent are all shown once."""
    spans = (span("a", "1", "3"), span("b", "2", "1", at=1), span("c", "3", "2", at=2), span("self", "4", "4", at=3))
    assert shape(create_run_view(Telemetry(spans))) == [(0, "a"), (1, "b"), (2, "c"), (0, "self")]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), max_size=30))
def test_every_span_is_shown_exactly_once(ids: list[tuple[int, int, int]]) -> None:
    """Whatever ids and parents a sender makes up, each different span has one line and a duplicate none."""
    spans = tuple(span(f"{own}", f"{own}", f"{parent}", at=at) for own, parent, at in ids)
    view = create_run_view(Telemetry(spans))
    names = [name for _, name in shape(view, show_all=True)] if spans else []
    assert sorted(names) == sorted({name.name for name in spans})
    assert view.duplicate_count == len(spans) - len(names)


def test_a_span_received_twice_is_shown_once() -> None:
    """A retried export does not double the run; the view counts it."""
    view = create_run_view(Telemetry((span("a", "1"), span("a", "1"))))
    assert (view.span_count, view.duplicate_count) == (1, 1)


def test_equal_span_ids_of_two_traces_stay_apart() -> None:
    """Traces are told apart even when their span ids are the same."""
    view = create_run_view(Telemetry((span("a", "1"), span("b", "1", trace_id="u", at=1))))
    assert [trace.roots[0].span.name for trace in view.traces] == ["a", "b"]


def test_many_alike_collapse_to_the_most_telling() -> None:
    """Of many siblings that tell the same the failed and the longest stay; a group counts the others."""
    spans = [span("root", "r", ms=1000)]
    spans += [span("node", str(i), "r", at=i, ms=1 + i % 100) for i in range(200)]
    spans[51] = replace(spans[51], status="error")
    rows = list(walk(create_run_view(Telemetry(tuple(spans))).traces[0].roots))
    kept = [row.item.span.span_id for row in rows[1:-1] if isinstance(row.item, SpanNode)]
    assert kept == ["50", "98", "99", "198", "199"]
    group = rows[-1].item
    assert isinstance(group, SpanGroup)
    assert (group.title, group.span_count, group.error_count) == ("195 more node", 195, 0)


def test_a_node_run_many_times_does_not_hide_the_others() -> None:
    """Nodes of other names stay beside a hundred runs of one, and the group says which one it is."""
    spans = [span("root", "r", ms=1000)]
    spans += [span("node", f"p{i}", "r", at=i, ms=9, attributes={"node_name": "parse"}) for i in range(100)]
    spans += [span("node", f"o{i}", "r", at=200 + i, attributes={"node_name": f"other {i}"}) for i in range(20)]
    lines = printed(Telemetry(tuple(spans)))
    assert sum("other" in line for line in lines) == 20
    assert any("… 95 more node parse" in line for line in lines)


def test_many_different_siblings_collapse_too() -> None:
    """Of hundreds of different nodes, and of different names, a screenful stays."""
    spans = [span("root", "r", ms=1000)]
    spans += [span("node", f"n{i}", "r", at=i, attributes={"node_name": f"{i}"}) for i in range(300)]
    spans += [span(f"name {i}", f"m{i}", "r", at=i) for i in range(300)]
    lines = printed(Telemetry(tuple(spans)))
    assert len(lines) < 60
    assert any("… 275 more node" in line for line in lines)
    assert any("… 281 more spans of 281 names" in line for line in lines)


def test_all_shows_every_span() -> None:
    """With show_all there is a line for each of thousands of spans."""
    spans = (span("root", "r"), *(span("node", str(i), "r", at=i) for i in range(3000)))
    assert len(printed(Telemetry(spans), show_all=True)) > 3000
    assert len(printed(Telemetry(spans))) < 30


def test_a_few_siblings_are_all_shown() -> None:
    """A list is not collapsed to save three lines."""
    spans = (span("root", "r"), *(span("node", str(i), "r", at=i) for i in range(8)))
    assert len(shape(create_run_view(Telemetry(spans)))) == 9


def test_a_very_deep_chain_is_cut_and_can_be_shown_whole() -> None:
    """Thousands of nested spans neither break the view nor push the names off the line."""
    spans = tuple(span("level", str(i), str(i - 1) if i else None, at=i) for i in range(3000))
    short = printed(Telemetry(spans))
    assert any("2,976 spans in all" in line for line in short)
    everything = printed(Telemetry(spans), show_all=True)
    assert sum("level" in line for line in everything) == 3000
    assert max(map(cell_len, everything)) <= 80


def test_an_error_is_shown_where_it_began() -> None:
    """The message stands once, under the innermost span that failed with it; each failed span is marked."""
    event = SpanEvent("exception", START, {"exception.type": "ValueError", "exception.message": "bad column"})
    spans = (
        span("outer", "1", status="error", events=(event,)),
        span("inner", "2", "1", status="error", events=(event,)),
    )
    lines = printed(Telemetry(spans))
    assert sum("✗ ValueError: bad column" in line for line in lines) == 1
    place = next(i for i, line in enumerate(lines) if "✗ inner" in line)
    assert "ValueError" in lines[place + 1]
    assert any("✗ outer" in line for line in lines)
    assert any("2 failed spans" in line for line in lines)


def test_a_line_tells_spans_of_one_name_apart() -> None:
    """Node name, query summary and rows stand beside the span's name, its duration at the right edge."""
    attributes = {"node_name": "edges", "db.query.summary": "SELECT calls", "db.response.returned_rows": 1234}
    (line,) = [
        line
        for line in printed(Telemetry((span("datafusion.execute", "1", attributes=attributes),)))
        if "edges" in line
    ]
    assert line.startswith("datafusion.execute  edges  SELECT calls  1,234 rows ")
    assert line.endswith(" 1.00 ms")
    assert len(line) == 80


def test_queries_are_summed_up_by_summary() -> None:
    """Executions of one summary make one line with times, total, longest and rows."""
    queries = [
        span(
            "datafusion.execute",
            str(i),
            ms=i,
            attributes={"db.query.summary": "SELECT t", "db.response.returned_rows": i},
        )
        for i in (1, 2, 3)
    ]
    (query,) = create_run_view(Telemetry(tuple(queries))).queries
    assert (query.summary, query.count, query.total_ns, query.longest_ns, query.rows) == (
        "SELECT t",
        3,
        6 * MS,
        3 * MS,
        6,
    )


def test_log_records_name_their_span() -> None:
    """A record stands in the log with time, severity, text and span, and hangs on its span in the view."""
    telemetry = Telemetry(
        (span("work", "1", ms=50),),
        (log("second", None, at=20, severity=17), log("first", "1", at=10), log("third", "nowhere", at=30)),
    )
    view = create_run_view(telemetry)
    assert [record.body for record in view.traces[0].roots[0].log_records] == ["first"]
    lines = printed(telemetry)[-3:]
    assert [line.split() for line in lines] == [
        ["+", "10.0", "ms", "INFO", "first", "in", "work"],
        ["+", "20.0", "ms", "ERROR", "second", "outside", "any", "span"],
        ["+", "30.0", "ms", "INFO", "third", "in", "a", "span", "not", "received"],
    ]


def test_of_many_log_records_warnings_stay() -> None:
    """The log is cut to the worst and the earliest, and says what it left out."""
    records = [log(f"info {i}", None, at=i) for i in range(100)] + [log("careful", None, at=200, severity=13)]
    lines = printed(Telemetry(log_records=tuple(records)))
    assert any("careful" in line for line in lines)
    assert any("71 more log records (71 INFO)" in line for line in lines)


def test_an_event_shows_its_name_and_facts() -> None:
    """A record without a body shows the event's name and its attributes, not the run id."""
    record = log(None, None, event_name="cache.hit", attributes={**RUN, "cache.policy": "none"})
    assert "cache.hit cache.policy=none" in " ".join(printed(Telemetry(log_records=(record,)))[-1].split())


def test_a_logged_exception_is_named() -> None:
    """A record made by logging an exception shows its type and message after the text."""
    record = log("failed", None, attributes={"exception.type": "OSError", "exception.message": "disk full"})
    assert "failed [OSError: disk full]" in printed(Telemetry(log_records=(record,)))[-1]


def test_repeated_cumulative_exports_count_once() -> None:
    """Of a counter exported three times by each of two processes the last values add up."""
    other = Resource({"process.pid": 42})
    points = [metric("n", value=value, time_ns=value) for value in (1, 2, 5)]
    points += [metric("n", value=value, time_ns=value, resource=other) for value in (1, 7)]
    (series,) = create_run_view(Telemetry(metric_points=tuple(points))).metrics
    assert (series.value, series.labels) == (12, ())


def test_delta_exports_add_up() -> None:
    """Deltas are added, not replaced."""
    points = tuple(metric("n", value=2, time_ns=time, temporality="delta") for time in (1, 2, 3))
    assert create_run_view(Telemetry(metric_points=points)).metrics[0].value == 6


def test_a_gauge_shows_its_last_value() -> None:
    """Of a gauge's points the latest counts."""
    points = tuple(metric("g", kind="gauge", value=value, time_ns=time) for value, time in ((9, 3), (4, 5), (7, 1)))
    assert create_run_view(Telemetry(metric_points=points)).metrics[0].value == 4


def test_a_histogram_shows_count_sum_and_median() -> None:
    """The median is estimated inside its bucket and kept within what was measured."""
    point = metric(
        "h",
        kind="histogram",
        unit="s",
        count=4,
        sum=0.8,
        min=0.15,
        max=0.25,
        bounds=(0.1, 0.3),
        bucket_counts=(0, 4, 0),
    )
    (series,) = create_run_view(Telemetry(metric_points=(point,))).metrics
    assert (series.count, series.total, series.maximum) == (4, 0.8, 0.25)
    assert series.median == pytest.approx(0.2)


def test_run_ids_are_labels_only_when_there_are_several() -> None:
    """Two runs in one view keep their series apart."""
    one = metric("n", value=1)
    two = metric("n", value=2, attributes={"codeanatomy.run_id": "run-2"})
    view = create_run_view(Telemetry(metric_points=(one, two)))
    assert [series.labels for series in view.metrics] == [
        (("codeanatomy.run_id", "run-1"),),
        (("codeanatomy.run_id", "run-2"),),
    ]


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Long names, labels, messages and wide characters are cut or wrapped; a pipe gets no colour codes."""
    long = "日本語の名前 " * 30
    telemetry = Telemetry(
        (
            span(long, "1", status="error", status_message=long),
            span("x" * 200, "2", "1", attributes={"node_name": long}),
        ),
        (log(long, "1"), log("x" * 500, "2", severity=17)),
        (metric("m" * 100, value=1e300, unit=long, attributes={long: long}),),
    )
    lines = printed(telemetry, width)
    assert max(map(cell_len, lines)) <= width
    assert "\x1b" not in "".join(lines)


def test_time_bars_appear_when_there_is_room() -> None:
    """From 110 columns on, bars show when each span ran."""
    spans = (span("root", "1", ms=100), span("second half", "2", "1", at=50, ms=50))
    assert not any("━" in line for line in printed(Telemetry(spans), 80))
    root, half = (line for line in printed(Telemetry(spans), 120) if "━" in line)
    assert root.count("━") == 2 * half.count("━") == 22
    assert root.endswith("━")
    assert half.index("━") == root.index("━") + 11


def test_an_ascii_terminal_gets_ascii() -> None:
    """Where the encoding has no more than ASCII the tree still prints, with ASCII guides and escapes."""
    spans = (span("root", "1", status="error", status_message="ö"), span("child", "2", "1"))
    lines = printed(Telemetry(spans), encoding="ascii")
    assert any(line.startswith("`- child") for line in lines)
    assert any(r"x \xf6" in line for line in lines)


@given(st.text())
def test_outside_text_cannot_command_the_terminal(text: str) -> None:
    """No control, format or line-breaking character of the telemetry reaches the terminal."""
    assert all(char.isprintable() for char in one_line(text))


def test_escape_sequences_are_shown_not_obeyed() -> None:
    """A span name, label or message with terminal escapes is printed with the escapes spelt out."""
    evil = "\x1b]0;owned\x07\u202e"
    telemetry = Telemetry(
        (span(evil, "1", status="error", status_message=evil),), (log(evil, "1"),), (metric(evil, value=1),)
    )
    text = "\n".join(printed(telemetry))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b]0;owned\x07\u202e" in text


def test_markup_in_telemetry_is_plain_text() -> None:
    """Brackets that the terminal library would take for styles are printed as they are."""
    assert any("[bold]x[/bold] :smile:" in line for line in printed(Telemetry((span("[bold]x[/bold] :smile:", "1"),))))


def test_many_traces_and_processes_are_cut() -> None:
    """The first traces and processes are shown, the rest counted."""
    spans = tuple(span("root", "1", trace_id=f"{i}", at=i, resource=Resource({"process.pid": i})) for i in range(50))
    lines = printed(Telemetry(spans))
    assert any("45 more traces with 45 spans" in line for line in lines)
    assert any("46 more processes" in line for line in lines)
    assert any("Trace 1 of 50" in line for line in lines)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0.000 ms"),
        (812_345, "0.812 ms"),
        (34_249_000, "34.2 ms"),
        (820_400_000, "820 ms"),
        (999_700_000, "1.00 s"),
        (4_210_000_000, "4.21 s"),
        (99_960_000_000, "1 min 40 s"),
        (7_262_000_000_000, "121 min 02 s"),
        (-3_000_000, "-3.00 ms"),
        (-120_000_000_000, "-2 min 00 s"),
    ],
)
def test_durations_read_in_three_figures(nanoseconds: int, text: str) -> None:
    """Durations are ms, s or minutes."""
    assert duration(nanoseconds) == text


@given(st.floats() | st.integers(), st.sampled_from(["", "s", "ms", "By", "{row}"]))
def test_any_measured_value_can_be_written(value: float, unit: str) -> None:
    """Every number a metric can have, infinite or undefined too, becomes a short text."""
    assert quantity(value, unit)


def test_values_are_written_in_their_unit() -> None:
    """Seconds become durations, bytes are scaled, counts have their thousands apart."""
    assert quantity(0.25, "s") == "250 ms"
    assert quantity(1_500_000, "By") == "1.50 MB"
    assert quantity(12345, "{row}") == "12,345"
    assert number(0.12345) == "0.123"
    assert [count_of(n, noun) for n, noun in ((1, "query"), (2, "query"), (3, "process"), (1_000, "span"))] == [
        "1 query",
        "2 queries",
        "3 processes",
        "1,000 spans",
    ]
