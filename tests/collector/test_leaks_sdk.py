"""Nothing private leaves the SDK: secrets wherever a program can put a text, exported by the SDK alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from planting import REQUESTS, TEXTS, filled_slots, leaking_slots, leaks, string_slots

from codeanatomy_distro.otel.redacting import (
    RedactingLogRecordExporter,
    RedactingMetricExporter,
    RedactingSpanExporter,
)
from codeanatomy_distro.otel.redaction import Redactor, create_redactor

if TYPE_CHECKING:
    from codeanatomy_distro.testing.receiver import OtlpReceiver

# String slots that the SDK and its exporter do not fill.
NOT_IN_THE_SDK = {
    "EntityRef.description_keys",
    "EntityRef.id_keys",
    "EntityRef.schema_url",
    "EntityRef.type",
    "Link.trace_state",
}


def attributes() -> dict[str, Any]:
    """Attributes of every type, with the texts among them, as values, in lists and maps, and as keys."""
    plain: dict[str, Any] = {f"plain.key{number}": text for number, text in enumerate(TEXTS)}
    return {
        **plain,
        "number": 1,
        "ratio": 0.5,
        "flag": True,
        "paths": [*TEXTS, "src/a.py"],
        "nested": {"inner": {"list": list(TEXTS)}, TEXTS[0]: TEXTS[1]},
        "data": TEXTS[0].encode(),
        "db.password": "acmesecret",
        "cache.path": TEXTS[0],
        "process.command_args": ["run", TEXTS[0]],
        **{text: number for number, text in enumerate(TEXTS)},
    }


def flat() -> dict[str, Any]:
    """Attributes that metrics take: no maps, no bytes, and lists as tuples, which older SDKs ask for."""
    taken = {key: value for key, value in attributes().items() if not isinstance(value, (Mapping, bytes))}
    return {key: tuple(cast("list[str]", value)) if isinstance(value, list) else value for key, value in taken.items()}


def use_everything(endpoint: str, redactor: Redactor | None) -> None:
    """Make a span, a log record and metrics with the texts wherever the API takes one, and export them."""
    spans: SpanExporter = OTLPSpanExporter(endpoint, insecure=True)
    logs: LogRecordExporter = OTLPLogExporter(endpoint, insecure=True)
    metrics: MetricExporter = OTLPMetricExporter(endpoint, insecure=True)
    if redactor is not None:
        spans = RedactingSpanExporter(spans, redactor)
        logs = RedactingLogRecordExporter(logs, redactor)
        metrics = RedactingMetricExporter(metrics, redactor)
    resource = Resource({**attributes(), "service.name": "codeanatomy"}, TEXTS[1])
    scope = (TEXTS[0], TEXTS[2], TEXTS[1], flat())

    tracing = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    state = TraceState([("vendor", "/home/alice0/acmesecret")])
    remote = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    tracer = tracing.get_tracer(scope[0], scope[1], scope[2], attributes=scope[3])
    span = tracer.start_span(
        TEXTS[0],
        set_span_in_context(NonRecordingSpan(remote)),
        attributes=attributes(),
        links=[Link(remote, attributes())],
    )
    span.add_event(TEXTS[3], attributes())
    span.record_exception(FileNotFoundError(2, "No such file", "/root/alice0/acmesecret"))
    span.set_status(Status(StatusCode.ERROR, TEXTS[7]))
    span.end()
    tracing.shutdown()

    logging_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logging_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    logger = logging_provider.get_logger(scope[0], scope[1], scope[2], scope[3])
    for body in (*TEXTS, attributes(), [list(TEXTS)]):
        logger.emit(
            LogRecord(
                body=body,
                severity_text=TEXTS[0],
                severity_number=SeverityNumber.INFO,
                attributes=attributes(),
                event_name=TEXTS[4],
            )
        )
    logging_provider.shutdown()

    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=float("inf"))
    views = [
        View(instrument_name="kept", attribute_keys={"number"}),
        View(instrument_name="wide", aggregation=ExponentialBucketHistogramAggregation()),
    ]
    metering = MeterProvider([reader], resource, AlwaysOnExemplarFilter(), shutdown_on_exit=False, views=views)
    meter = metering.get_meter(scope[0], scope[1], scope[2], scope[3])
    # An instrument's name and unit have few characters to choose from: no path, but a token.
    token = "ghp_" + "acmesecret" * 3
    meter.create_counter(token, token, TEXTS[0]).add(1, flat())
    meter.create_histogram("kept").record(1, flat())
    meter.create_histogram("wide").record(1, flat())
    meter.create_gauge("level").set(1, flat())
    metering.force_flush()
    metering.shutdown()


def test_the_sdk_alone_leaks_nothing(receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    """Without redaction each string slot that the SDK fills holds a secret; with it no slot and no log line does."""
    use_everything(receiver.grpc_endpoint, None)
    planted = {
        slot
        for request in receiver.requests
        for slot, texts in filled_slots(REQUESTS[request.signal].FromString(request.body)).items()
        if any(leaks(text.encode()) for text in texts)
    }
    every = {slot for kind in REQUESTS.values() for slot in string_slots(kind.DESCRIPTOR)}
    assert every - planted == NOT_IN_THE_SDK
    receiver.clear()

    redactor = create_redactor("standard", (), "/home/alice0", ())
    with caplog.at_level(logging.DEBUG):
        use_everything(receiver.grpc_endpoint, redactor)
    assert {request.signal for request in receiver.requests} == {"traces", "logs", "metrics"}
    for request in receiver.requests:
        assert not leaks(request.body), leaking_slots(REQUESTS[request.signal].FromString(request.body))
    assert not leaks(caplog.text.encode())


@pytest.mark.parametrize("mode", ["standard", "strict"])
def test_what_is_useful_arrives_as_it_was(receiver: OtlpReceiver, mode: str) -> None:
    """Names, cache words, relative paths, line numbers, numbers, flags and lists keep their values and types."""
    redactor = create_redactor(mode, (), "/home/alice0", ("/home/alice0/project",))
    assert redactor is not None
    useful: dict[str, Any] = {
        "cache.policy": "dataset_delta_staging",
        "cache.scope": "dataset",
        "cache.operation": "read",
        "code.file.path": "src/home/pipeline.py",
        "code.line.number": 42,
        "rows": 7,
        "ratio": 0.25,
        "done": True,
        "outputs": ["nodes", "edges"],
        "gen_ai.usage.max_tokens": 5,
    }
    tracing = TracerProvider(resource=Resource({"service.name": "codeanatomy"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(receiver.grpc_endpoint, insecure=True)
    tracing.add_span_processor(SimpleSpanProcessor(RedactingSpanExporter(exporter, redactor)))
    inside = '  File "/home/alice0/project/src/a.py", line 12, in load'
    tracing.get_tracer("codeanatomy.storage").start_span(
        "cache.read", attributes={**useful, "exception.stacktrace": inside, "place": "/home/alice0/project/src/a.py:12"}
    ).end()
    tracing.shutdown()
    (span,) = receiver.spans
    assert {key: span.attributes[key] for key in useful} == useful
    assert span.attributes["exception.stacktrace"] == '  File "src/a.py", line 12, in load'
    assert span.attributes["place"] == "src/a.py:12"
    assert span.resource.attributes["service.name"] == "codeanatomy"
    assert span.name == "cache.read"
