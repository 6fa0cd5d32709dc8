"""The redactor: whole spans, log records and metrics, without a change to what it is given."""

from __future__ import annotations

import copy
import json
import re
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from codeanatomy_distro.otel.redaction import REDACTION_ATTRIBUTE, Redactor, create_redactor

PATH = "/home/alice/x.py"


def redactor(mode: str = "standard", *extra_keys: str) -> Redactor:
    """A redactor of a user `alice` whose repository is in her home directory."""
    made = create_redactor(mode, extra_keys, "/home/alice", ("/home/alice/repo",))
    assert made is not None
    return made


def make_span(resource: Resource | None = None, *, private: bool) -> ReadableSpan:
    """A span with everything a span has, with something private in each part or in none."""
    place = PATH if private else "src/x.py"
    exporter = InMemorySpanExporter()
    limits = SpanLimits(max_span_attributes=2, max_events=1, max_links=1, max_event_attributes=1, max_link_attributes=1)
    provider = TracerProvider(resource=resource or Resource({}), span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
    attributes = {"dropped": 0, "also": 1, "place": place}
    span = provider.get_tracer("scope", "1").start_span(
        f"read {place}", links=[Link(context, attributes), Link(context, attributes)]
    )
    span.set_attributes({**attributes, "rows": 3})
    for _ in range(2):
        span.add_event(f"at {place}", attributes)
    span.set_status(Status(StatusCode.ERROR, f"OSError: {place}"))
    span.end()
    (ended,) = exporter.get_finished_spans()
    return ended  # pyright: ignore[reportReturnType] - in memory it is the span itself


def test_off_is_no_redactor_and_an_unknown_mode_is_an_error() -> None:
    """`off` gives None; only the three modes of the setting exist."""
    assert create_redactor("off") is None
    with pytest.raises(ValueError, match="loud"):
        create_redactor("loud")


def test_every_part_of_a_span_is_redacted_and_the_original_stays() -> None:
    """Name, attributes, events, links and status are redacted in a copy; the program's span is as it was."""
    span = make_span(private=True)
    before = span.to_json()
    redacted = redactor().span(span)
    assert span.to_json() == before
    assert redacted.name == "read ****"
    assert redacted.attributes == {"place": "****", "rows": 3}
    assert [(event.name, dict(event.attributes or {})) for event in redacted.events] == [("at ****", {"place": "****"})]
    assert [dict(link.attributes or {}) for link in redacted.links] == [{"place": "****"}]
    assert (redacted.status.status_code, redacted.status.description) == (StatusCode.ERROR, "OSError: ****")
    for name in ("kind", "start_time", "end_time", "parent", "context", "instrumentation_scope"):
        assert getattr(redacted, name) is getattr(span, name), name
    assert redacted.events[0].timestamp == span.events[0].timestamp


def test_counts_of_what_limits_dropped_are_kept() -> None:
    """A redacted span tells as many dropped attributes, events and links as the span does, in all its parts."""
    span = make_span(private=True)
    redacted = redactor().span(span)
    assert (redacted.dropped_attributes, redacted.dropped_events, redacted.dropped_links) == (2, 1, 1)
    assert span.dropped_attributes == 2
    assert (redacted.events[0].dropped_attributes, redacted.links[0].dropped_attributes) == (2, 2)


def test_what_has_nothing_private_is_passed_on_as_it_is() -> None:
    """A span, log record or batch of metrics without anything private is the very same object afterwards."""
    made = redactor()
    resource = made.resource(Resource({"service.name": "codeanatomy"}))
    span = make_span(resource, private=False)
    assert made.span(span) is span
    record = log_record({"a": [1, "b"]}, resource)
    assert made.log(record) is record
    data = metrics(resource, {"dataset": "nodes"})
    assert made.metrics(data) is data


@pytest.mark.parametrize("mode", ["standard", "strict"])
def test_a_second_redaction_changes_no_signal(mode: str) -> None:
    """What was redacted once passes a second redactor as the same object: span, log record and metrics."""
    first, second = redactor(mode), redactor(mode)
    resource = Resource({"service.name": "codeanatomy", "process.command": PATH})
    span = first.span(make_span(resource, private=True))
    assert second.span(span) is span
    record = first.log(log_record({"a": [PATH]}, resource))
    assert second.log(record) is record
    data = first.metrics(metrics(resource, {"dataset": PATH}))
    assert second.metrics(data) is data


def test_the_resource_is_redacted_and_says_so() -> None:
    """Command lines and what tells the machine go, paths are masked, and the mark for the Collector is there."""
    attributes = {
        "service.name": "codeanatomy",
        "process.command": "python",
        "process.command_args": ["python", PATH],
        "process.pid": 7,
        "host.id": "x",
        "host.name": "laptop",
        "codeanatomy.repo_root": "anything",
        "venv": PATH,
    }
    assert redactor().resource(Resource(attributes)).attributes == {
        "service.name": "codeanatomy",
        "process.pid": 7,
        "host.name": "laptop",
        "codeanatomy.repo_root": "****",
        "venv": "****",
        REDACTION_ATTRIBUTE: "standard",
    }
    strict = redactor("strict").resource(Resource(attributes)).attributes
    assert "host.name" not in strict
    assert strict[REDACTION_ATTRIBUTE] == "strict"


def test_a_resource_is_redacted_once() -> None:
    """All spans of a process get the same redacted resource, made once."""
    made = redactor()
    resource = Resource({"process.command": "python"})
    assert made.resource(resource) is made.resource(resource)


def log_record(body: Any, resource: Resource, attributes: dict[str, Any] | None = None) -> ReadableLogRecord:
    """A log record as the SDK gives it to an exporter."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("scope").emit(LogRecord(body=body, attributes=attributes, event_name="e", severity_text="INFO"))
    (record,) = exporter.get_finished_logs()
    provider.shutdown()
    return record


def test_a_log_body_is_redacted_at_every_depth_and_keeps_its_shape() -> None:
    """Texts, keys and bytes inside maps and lists are redacted; numbers, flags and what is useful stay."""
    body = {
        "paths": [PATH, "src/a.py"],
        "inner": {"password": "x", PATH: 1, "done": True},
        "raw": PATH.encode(),
        "n": 1.5,
    }
    original = copy.deepcopy(body)
    record = log_record(body, Resource({}), {"token": "x", "code.line.number": 3, "nothing": None})
    redacted = redactor().log(record).log_record
    assert redacted.body == {
        "paths": ["****", "src/a.py"],
        "inner": {"password": "****", "****": 1, "done": True},
        "raw": b"****",
        "n": 1.5,
    }
    assert dict(redacted.attributes or {}) == {"token": "****", "code.line.number": 3, "nothing": None}
    assert (redacted.event_name, redacted.severity_text) == ("e", "INFO")
    assert record.log_record.body == body == original


def metrics(resource: Resource, attributes: Mapping[str, str]) -> MetricsData:
    """A counter with an exemplar, as the SDK collects it."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="codeanatomy.artifact.count", attribute_keys={"dataset"})]
    provider = MeterProvider([reader], resource, AlwaysOnExemplarFilter(), shutdown_on_exit=False, views=views)
    counter = provider.get_meter("codeanatomy.obs").create_counter(
        "codeanatomy.artifact.count", "{artifact}", "Artifacts."
    )
    counter.add(1, {**attributes, "filtered": attributes["dataset"]})
    data = reader.get_metrics_data()
    assert data is not None
    provider.shutdown()
    return data


def test_metrics_are_redacted_down_to_the_exemplars() -> None:
    """Attributes of points and filtered attributes of exemplars are redacted; values, times and names stay."""
    data = metrics(Resource({}), {"dataset": PATH})
    before = data.to_json()
    made = redactor()
    redacted = made.metrics(data)
    assert data.to_json() == before

    def point(of: MetricsData) -> Any:
        return of.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]

    assert point(redacted).attributes == {"dataset": "****"}
    assert point(redacted).exemplars[0].filtered_attributes == {"filtered": "****"}
    assert point(redacted).value == point(data).value
    assert point(redacted).exemplars[0].value == 1


def test_a_path_in_the_repository_becomes_relative_to_it() -> None:
    """What lies in a repository keeps its place in it and its line; the root and its neighbours are masked."""
    made = redactor()
    assert made.text('File "/home/alice/repo/src/a.py", line 3') == 'File "src/a.py", line 3'
    assert made.text("/home/alice/repo/src/a.py:42") == "src/a.py:42"
    assert made.text("/home/alice/repo") == "****"
    assert made.text("/home/alice/repository/a.py") == "****"
    elsewhere = create_redactor("standard", (), "/data/people/bob", ("/data/repos/acme", "/", "relative"))
    assert elsewhere is not None
    assert elsewhere.text("/data/repos/acme/a.py /data/repos/other /data/people/bob/x /data/people") == (
        "a.py /data/repos/other **** /data/people"
    )
    assert elsewhere.text("data/repos/acme/a.py") == "data/repos/acme/a.py"
    assert elsewhere.text(json.dumps({"trace": "x\n/data/repos/acme/a.py"})) == '{"trace": "x\\na.py"}'


def test_of_a_librarys_path_the_part_that_is_the_same_everywhere_stays() -> None:
    """Below site-packages and the standard library a path tells nothing of the machine."""
    made = redactor()
    environment = "/home/alice/.venv/lib/python3.13"
    assert made.text(f'File "{environment}/site-packages/datafusion/a.py", line 1') == 'File "datafusion/a.py", line 1'
    assert made.text(f"{environment}/json/decoder.py:355") == "json/decoder.py:355"


def test_keys_of_ones_own_are_secret() -> None:
    """Extra keys are whole names, `*` standing for any part, in any case; others are not touched."""
    made = redactor("standard", "acme.*", "Customer")
    values = {"acme.x": "a", "ACME.y": 1, "customer": "c", "customers": "d", "x.acme.y": "e", "a.customer": "f"}
    assert made.attributes(values) == {
        "acme.x": "****", "ACME.y": "****", "customer": "****", "customers": "d", "x.acme.y": "e", "a.customer": "f",
    }  # fmt: skip


def test_strict_masks_statements_messages_and_source_lines() -> None:
    """Strict mode keeps of an exception its type and places, and of a statement nothing."""
    made = redactor("strict")
    trace = (
        'Traceback (most recent call last):\n  File "/home/alice/repo/src/a.py", line 3, in load\n'
        '    connect("s3cret")\n    ~~~~~~~^^^^^^^^^^\nValueError: bad s3cret\n'
    )
    assert made.attributes(
        {
            "db.query.text": "SELECT 's3cret'",
            "exception.type": "ValueError",
            "exception.message": "bad s3cret",
            "exception.stacktrace": trace,
            "place": "/opt/acme/x",
            "mail": "to bob@example.com",
        }
    ) == {
        "db.query.text": "****",
        "exception.type": "ValueError",
        "exception.message": "****",
        "exception.stacktrace": ('Traceback (most recent call last):\n  File "src/a.py", line 3, in load\nValueError'),
        "place": "****",
        "mail": "to ****",
    }
    span = make_span(private=True)
    assert made.span(span).status.description == "OSError: ****"
    assert (
        redactor()
        .attributes({"exception.stacktrace": trace})["exception.stacktrace"]
        .endswith("ValueError: bad s3cret\n")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "/données/acme/x": "****",
        "/.cache/acme": "****",
        "/acme": "****",
        "'/opt/my acme/x' is": "'****' is",
        '"/opt/my acme/x"': '"****"',
        "'D:\\my acme\\x'": "'****'",
        "\\\\server\\acme\\x y": "**** y",
        "müller@münchen.de": "****",
        "https://host/route": "https://host/route",
        "a / b": "a / b",
        "src/a.py:3": "src/a.py:3",
    }.items(),
)
def test_strict_masks_paths_and_addresses_wherever_they_lead(text: str, expected: str) -> None:
    """Absolute paths go whatever their first name is, in quotes to the end; relative ones and URLs stay."""
    assert redactor("strict").text(text) == expected


def test_strict_keeps_nothing_of_a_message_of_many_lines() -> None:
    """Of errors that follow one another the types and places stay, and no line of their messages or notes."""

    def fail() -> None:
        try:
            {}["s3cret\ns3cret"]
        except KeyError as error:
            message = "s3cret\ns3cret: more\n\ns3cret"
            raise ValueError(message) from error

    with pytest.raises(ValueError, match="s3cret") as caught:
        fail()
    text = "".join(traceback.format_exception(caught.type, caught.value, caught.value.__traceback__))
    assert text.count("s3cret") > 4
    kept = redactor("strict").attributes({"exception.stacktrace": text})["exception.stacktrace"]
    lines = [re.sub(r'File "[^"]*", line \d+', "File", line) for line in kept.splitlines()]
    assert lines == [
        "Traceback (most recent call last):",
        "  File, in fail",
        "KeyError",
        "The above exception was the direct cause of the following exception:",
        "Traceback (most recent call last):",
        "  File, in test_strict_keeps_nothing_of_a_message_of_many_lines",
        "  File, in fail",
        "ValueError",
    ]


def test_strict_keeps_the_places_of_a_group_of_errors() -> None:
    """Behind the bars of a group the places and types stay as well, and the messages go."""
    trace = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/home/alice/repo/a.py", line 3, in run\n'
        '  |     raise ExceptionGroup("s3cret", errors)\n'
        "  | ExceptionGroup: s3cret (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/home/alice/repo/b.py", line 4, in load\n'
        "    |     load(s3cret)\n"
        "    | acme.LoadError: s3cret\n"
        "    | s3cret\n"
        "    +------------------------------------\n"
    )
    assert redactor("strict").attributes({"exception.stacktrace": trace})["exception.stacktrace"].splitlines() == [
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "a.py", line 3, in run',
        "  | ExceptionGroup",
        "  +-+---------------- 1 ----------------",
        "    | Traceback (most recent call last):",
        '    |   File "b.py", line 4, in load',
        "    | acme.LoadError",
    ]


def test_many_texts_do_not_fill_the_memory() -> None:
    """The cache of texts and keys stays bounded, however many different ones there are."""
    made = redactor()
    for number in range(20_000):
        made.attributes({f"key-{number}": f"/home/alice/{number}"})
    assert len(made._texts) <= 4096  # pyright: ignore[reportPrivateUsage]
    assert len(made._keys) <= 4096  # pyright: ignore[reportPrivateUsage]


def test_threads_share_a_redactor() -> None:
    """Several exporter threads redact at once, with the caches emptied under them, and each result is right."""
    made = redactor()
    wrong: list[object] = []

    def work(thread: int) -> None:
        for number in range(5000):
            after = made.attributes({"path": f"/home/alice/{thread}/{number}", f"k{thread}.{number}": "v"})
            if after != {"path": "****", f"k{thread}.{number}": "v"}:
                wrong.append(after)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.just(PATH)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


@given(VALUES)
def test_a_value_keeps_its_type_and_length(value: object) -> None:
    """Whatever is redacted keeps its type, a list its length, and nothing that was given is changed."""
    before = copy.deepcopy(value)
    after = redactor().value("key", value)
    assert value == before
    assert type(after) is type(value)
    if isinstance(value, list):
        assert isinstance(after, Sequence)
        assert len(after) == len(value)  # pyright: ignore[reportUnknownArgumentType]


class Odd:
    """A value that is no attribute value, as a program may put into a log body."""

    def __str__(self) -> str:
        return PATH


def test_a_value_of_another_kind_is_redacted_as_its_text() -> None:
    """What is neither text, number, list nor map is replaced by its redacted text: exporters do that anyway."""
    assert redactor().nested([Odd()]) == ["****"]
