"""Each setting changes what the SDK does: seen in what is recorded, not in what was parsed."""

from __future__ import annotations

import inspect
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Link, SpanContext

from codeanatomy_distro import settings
from codeanatomy_distro.otel import providers
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.otel.memory import InMemoryExporters
from codeanatomy_distro.otel.propagators import create_propagator
from codeanatomy_distro.otel.resource_detectors import build_detected_resource
from codeanatomy_distro.testing.otlp_behaviour import Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Problem
    from codeanatomy_distro.testing.otlp import MetricPoint

ALWAYS = {"OTEL_TRACES_SAMPLER": "always_on"}


def _of(config: OtelConfig, memory: InMemoryExporters | None = None) -> providers.Ingredients:
    return providers.Ingredients(config, Resource.get_empty(), [], [], memory)


def _tracers(memory: InMemoryExporters, environ: dict[str, str], problems: list[Problem]) -> TracerProvider:
    config = resolve_otel_config({**ALWAYS, **environ})
    problems += config.problems
    return providers.create_tracer_provider(providers.Ingredients(config, Resource.get_empty(), problems, [], memory))


def _full_span(environ: dict[str, str]) -> ReadableSpan:
    """Return a span with more of everything than any limit below lets through."""
    memory = InMemoryExporters()
    problems: list[Problem] = []
    many = {f"key{number}": "x" * 100 for number in range(200)}
    contexts = [SpanContext(1, number, is_remote=False) for number in range(1, 200)]
    links = [Link(context, many if context is contexts[-1] else None) for context in contexts]  # the newest are kept
    span = _tracers(memory, environ, problems).get_tracer("app").start_span("x", attributes=many, links=links)
    for number in range(200):
        span.add_event("event", many if number == 199 else None)
    span.end()
    assert problems == []
    return memory.spans.get_finished_spans()[0]


def _sizes(span: ReadableSpan) -> dict[str, int]:
    events: tuple[Event, ...] = tuple(span.events)
    return {
        "attributes": len(span.attributes or {}),
        "events": len(events),
        "links": len(span.links),
        "event attributes": len(events[-1].attributes or {}) if events else 0,
        "link attributes": len(span.links[-1].attributes or {}) if span.links else 0,
        "length": max(
            (len(str(value)) for key, value in (span.attributes or {}).items() if key.startswith("key")), default=0
        ),
    }


DEFAULTS = {
    "attributes": 128,
    "events": 128,
    "links": 128,
    "event attributes": 128,
    "link attributes": 128,
    "length": 100,
}


@pytest.mark.parametrize(
    ("environ", "changed"),
    [
        ({}, {}),
        ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "3"}, {"attributes": 3}),
        ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "3"}, {"events": 3}),
        ({"OTEL_SPAN_LINK_COUNT_LIMIT": "3"}, {"links": 3}),
        ({"OTEL_SPAN_LINK_COUNT_LIMIT": "0"}, {"links": 0, "link attributes": 0}),
        ({"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "3"}, {"event attributes": 3}),
        ({"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "3"}, {"link attributes": 3}),
        ({"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "3"}, {"length": 3}),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4"}, {"length": 4}),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "9"}, {"length": 9}),
        ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "5"}, {"attributes": 5, "event attributes": 5, "link attributes": 5}),
        (
            {"OTEL_ATTRIBUTE_COUNT_LIMIT": "5", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "150"},
            {"attributes": 150, "event attributes": 5, "link attributes": 5},
        ),
    ],
)
def test_span_limits(environ: dict[str, str], changed: dict[str, int]) -> None:
    """Each limit bounds its own part of a span; the global one the rest; the default is 128 and no length."""
    assert _sizes(_full_span(environ)) == {**DEFAULTS, **changed}


@pytest.mark.parametrize(
    ("environ", "count", "length"),
    [
        ({}, 128, 100),
        ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "5", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "7"}, 5, 7),
        ({"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "4", "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": "6"}, 4, 6),
        ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "5", "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "140"}, 140, 100),
    ],
)
@pytest.mark.filterwarnings("ignore:Log record attributes were dropped")
def test_log_record_limits(environ: dict[str, str], count: int, length: int) -> None:
    """The limits of log records bound their attributes, the global ones where there are none of their own."""
    if environ and "log_record_limits" not in inspect.signature(LoggerProvider.__init__).parameters:
        pytest.skip("this SDK reads the limits of log records from the process's own environment alone")
    memory = InMemoryExporters()
    config = resolve_otel_config(environ)
    provider = providers.create_logger_provider(_of(config, memory))
    attributes = {f"key{number}": "x" * 100 for number in range(200)}
    provider.get_logger("app").emit(LogRecord(severity_number=SeverityNumber.INFO, body="x", attributes=attributes))
    record = memory.logs.get_finished_logs()[0].log_record
    assert len(record.attributes or {}) == count
    assert max(len(str(value)) for value in (record.attributes or {}).values()) == length


@pytest.mark.parametrize("name", ["default", "random", "RANDOM", "", "xray"])
def test_id_generators(name: str) -> None:
    """Each generator of the specification makes valid ids; X-Ray's begin with the time."""
    if name == "xray":
        pytest.importorskip("opentelemetry.sdk.extension.aws")
    span = _full_span({"OTEL_PYTHON_ID_GENERATOR": name})
    assert span.context is not None
    assert span.context.is_valid
    seconds = span.context.trace_id >> 96
    assert (abs(seconds - (span.start_time or 0) / 1e9) < 60) == (name == "xray")


def test_an_id_generator_that_is_missing_is_told() -> None:
    """Without its package the X-Ray generator is told once with the package, and random ids take its place."""
    memory, problems = InMemoryExporters(), list[Any]()
    _tracers(memory, {"OTEL_PYTHON_ID_GENERATOR": "bogus"}, problems).get_tracer("app").start_span("x").end()
    assert len(problems) == 1
    assert len(memory.spans.get_finished_spans()) == 1


@pytest.mark.parametrize(
    ("name", "inside", "outside"), [("ALWAYS_ON", 1, 1), ("always_off", 0, 0), ("Trace_Based", 1, 0), ("", 1, 0)]
)
def test_exemplar_filter(name: str, inside: int, outside: int) -> None:
    """The filter says whether a measurement in a sampled span, and one outside, leaves an exemplar."""
    memory = InMemoryExporters()
    config = resolve_otel_config({"OTEL_METRICS_EXEMPLAR_FILTER": name})
    meters = providers.create_meter_provider(_of(config, memory))
    tracers = _tracers(InMemoryExporters(), {}, [])
    histogram = meters.get_meter("app").create_histogram("x")
    histogram.record(1, {"where": "outside"})
    with tracers.get_tracer("app").start_as_current_span("x"):
        histogram.record(1, {"where": "inside"})
    found = {point.attributes["where"]: len(point.exemplars) for point in _points(memory.metrics)}
    assert found == {"inside": inside, "outside": outside}


def _points(reader: InMemoryMetricReader) -> list[Any]:
    data = reader.get_metrics_data()
    assert data is not None
    return [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """Receive OTLP on loopback."""
    with OtlpReceiver() as receiving:
        yield receiving


def _sent_to(receiver: OtlpReceiver, environ: dict[str, str]) -> OtelConfig:
    return resolve_otel_config({**ALWAYS, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint, **environ})


def _send_metrics(receiver: OtlpReceiver, environ: dict[str, str]) -> dict[str, MetricPoint]:
    """Return the points that one instrument of each kind sends, by their names."""
    provider = providers.create_meter_provider(_of(_sent_to(receiver, environ)))
    meter = provider.get_meter("app")
    meter.create_counter("counter").add(1)
    meter.create_up_down_counter("up_down").add(1)
    meter.create_histogram("histogram").record(1)
    meter.create_observable_counter("observable", [lambda _options: [Observation(1)]])
    provider.get_meter("codeanatomy.obs").create_histogram("codeanatomy.stage.duration").record(1)
    provider.shutdown()
    return {point.name: point for point in receiver.metric_points}


@pytest.mark.parametrize(
    ("word", "counter", "observable"),
    [
        ("", "cumulative", "cumulative"),
        ("CUMULATIVE", "cumulative", "cumulative"),
        ("DELTA", "delta", "delta"),
        ("lowmemory", "delta", "cumulative"),
        ("LowMemory", "delta", "cumulative"),
    ],
)
def test_temporality(word: str, counter: str, observable: str, receiver: OtlpReceiver) -> None:
    """The preference, in any case, says which instruments export deltas; up-down counters never do."""
    points = _send_metrics(receiver, {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": word})
    found = {name: points[name].temporality for name in ("counter", "histogram", "observable", "up_down")}
    assert found == {"counter": counter, "histogram": counter, "observable": observable, "up_down": "cumulative"}


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("", "histogram"),
        ("explicit_bucket_histogram", "histogram"),
        ("Exponential_Bucket_Histogram", "exponential_histogram"),
        ("base2_exponential_bucket_histogram", "exponential_histogram"),
    ],
)
def test_histogram_aggregation(word: str, kind: str, receiver: OtlpReceiver) -> None:
    """Both spellings of exponential histograms are taken, for histograms without buckets of their own."""
    points = _send_metrics(receiver, {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": word})
    assert (points["histogram"].kind, points["codeanatomy.stage.duration"].kind) == (kind, "histogram")


def test_metric_export_interval(receiver: OtlpReceiver) -> None:
    """Metrics are exported every interval, without being asked."""
    config = _sent_to(receiver, {"OTEL_METRIC_EXPORT_INTERVAL": "100"})
    provider = providers.create_meter_provider(_of(config))
    provider.get_meter("app").create_counter("x").add(1)
    receiver.wait_for(lambda got: len(got.points_of("x")) >= 2)
    provider.shutdown()


def _start_and_end(provider: TracerProvider, count: int) -> None:
    tracer = provider.get_tracer("app")
    for number in range(count):
        tracer.start_span(f"x{number}").end()


def test_span_batches(receiver: OtlpReceiver) -> None:
    """No request carries more spans than a batch."""
    environ = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10", "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    provider = providers.create_tracer_provider(_of(_sent_to(receiver, environ)))
    _start_and_end(provider, 35)
    provider.shutdown()
    assert len(receiver.spans) == 35
    assert len(receiver.requests) >= 4


def test_span_schedule_delay(receiver: OtlpReceiver) -> None:
    """Spans leave after the delay, without being asked and long before the default one."""
    config = _sent_to(receiver, {"OTEL_BSP_SCHEDULE_DELAY": "100"})
    provider = providers.create_tracer_provider(_of(config))
    _start_and_end(provider, 1)
    receiver.wait_for(lambda got: got.spans, timeout=3.0)
    provider.shutdown()


def test_span_queue(receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    """A full queue drops and counts what does not fit; nothing else is lost."""
    receiver.respond = lambda _request: Behaviour(delay=0.3)
    config = _sent_to(receiver, {"OTEL_BSP_MAX_QUEUE_SIZE": "5", "OTEL_BSP_SCHEDULE_DELAY": "60000"})
    provider = providers.create_tracer_provider(_of(config))
    _start_and_end(provider, 500)
    provider.shutdown()
    assert 5 <= len(receiver.spans) < 500
    assert f"{500 - len(receiver.spans)} spans lost so far" in caplog.text


def test_log_record_batches_and_delay(receiver: OtlpReceiver) -> None:
    """The settings of log records are their own: a batch of one leaves as one, and at once."""
    config = _sent_to(receiver, {"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "1", "OTEL_BLRP_SCHEDULE_DELAY": "100"})
    provider = providers.create_logger_provider(_of(config))
    for number in range(3):
        provider.get_logger("app").emit(LogRecord(severity_number=SeverityNumber.INFO, body=f"x{number}"))
    receiver.wait_for(lambda got: len(got.log_records) == 3, timeout=3.0)
    provider.shutdown()
    assert len(receiver.requests) == 3


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_export_timeout(signal: str, receiver: OtlpReceiver) -> None:
    """A batch that is refused again and again is given up after the time of its signal, long before the default one."""
    receiver.respond = lambda _request: Behaviour(status=503)
    name = {"traces": "OTEL_BSP_EXPORT_TIMEOUT", "metrics": "OTEL_METRIC_EXPORT_TIMEOUT"}.get(
        signal, "OTEL_BLRP_EXPORT_TIMEOUT"
    )
    provider = _record_one(signal, _sent_to(receiver, {name: "300"}))
    started = time.monotonic()
    provider.force_flush(10_000)
    assert time.monotonic() - started < 5
    assert receiver.requests
    provider.shutdown()


def _record_one(signal: str, config: OtelConfig) -> Any:
    match signal:
        case "traces":
            spans = providers.create_tracer_provider(_of(config))
            spans.get_tracer("app").start_span("x").end()
            return spans
        case "metrics":
            points = providers.create_meter_provider(_of(config))
            points.get_meter("app").create_counter("x").add(1)
            return points
        case _:
            logs = providers.create_logger_provider(_of(config))
            logs.get_logger("app").emit(LogRecord(severity_number=SeverityNumber.INFO, body="x"))
            return logs


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"])
def test_otlp_timeout(name: str, receiver: OtlpReceiver) -> None:
    """One attempt takes no longer than the timeout; the next one follows."""
    receiver.respond = lambda request: Behaviour(delay=5.0 if len(receiver.requests) < 2 else 0.0)
    provider = _record_one("traces", _sent_to(receiver, {name: "0.2", "OTEL_BSP_SCHEDULE_DELAY": "50"}))
    receiver.wait_for(lambda _got: len(receiver.requests) >= 2, timeout=4.0)
    provider.shutdown()


@pytest.mark.parametrize("protocol", ["grpc", "HTTP/Protobuf"])
def test_headers_and_compression(protocol: str, receiver: OtlpReceiver) -> None:
    """Headers go with every request, a signal's own in place of the general ones; the body is compressed as asked."""
    endpoint = receiver.grpc_endpoint if protocol == "grpc" else receiver.http_endpoint
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=general",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "api-key=a%20b",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "GZIP",
    }
    config = _sent_to(receiver, environ)
    spans = providers.create_tracer_provider(_of(config))
    _start_and_end(spans, 1)
    spans.shutdown()
    logs = providers.create_logger_provider(_of(config))
    logs.get_logger("app").emit(LogRecord(severity_number=SeverityNumber.INFO, body="x"))
    logs.shutdown()
    assert {request.signal: request.headers["api-key"] for request in receiver} == {"traces": "a b", "logs": "general"}
    if protocol != "grpc":
        assert {request.headers["content-encoding"] for request in receiver} == {"gzip"}


@pytest.mark.parametrize(
    ("word", "headers"),
    [
        ("", {"traceparent", "baggage"}),
        ("TraceContext", {"traceparent"}),
        ("baggage,tracecontext,bogus", {"traceparent", "baggage"}),
        ("none", set[str]()),
        ("b3", {"b3"}),
    ],
)
def test_propagators(word: str, headers: set[str]) -> None:
    """The propagators that are named write their headers, also those of a package, and no others."""
    if word == "b3":
        pytest.importorskip("opentelemetry.propagators.b3")
    assert create_propagator(resolve_otel_config({"OTEL_PROPAGATORS": word}), []).fields >= headers
    if word != "b3":
        assert {"traceparent", "baggage"} & create_propagator(
            resolve_otel_config({"OTEL_PROPAGATORS": word}), []
        ).fields == headers


def test_detectors_by_entry_point() -> None:
    """The detectors that are named run, and no others."""

    def detected(word: str) -> set[str]:
        found = build_detected_resource(
            resolve_otel_config({"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": word})[settings.RESOURCE_DETECTORS]
        )
        return {name.split(".")[0] for name in found.attributes}

    assert detected("process") == {"process"}
    assert detected("OS,process") == {"os", "process"}
    assert detected("bogus,os") == {"os"}
    assert detected("otel") == set()


def test_no_exporter_is_made_for_none() -> None:
    """A signal whose exporter is ``none`` has nothing that exports; the others have."""
    parts: list[Any] = []
    config = resolve_otel_config({"OTEL_TRACES_EXPORTER": "None"})
    providers.create_tracer_provider(providers.Ingredients(config, Resource.get_empty(), [], parts))
    assert parts == []
    provider = providers.create_logger_provider(providers.Ingredients(config, Resource.get_empty(), [], parts))
    assert len(parts) == 1
    provider.shutdown()


def test_log_level_is_a_level_of_logging() -> None:
    """Each word of the level is one that logging has."""
    for word, level in (("debug", 10), ("Info", 20), ("WARN", 30), ("error", 40), ("fatal", 50)):
        name = resolve_otel_config({"OTEL_LOG_LEVEL": word})[settings.LOG_LEVEL]
        assert getattr(logging, name or "") == level
