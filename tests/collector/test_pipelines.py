"""What comes out of the real Collector for what the real SDK sends: cache metrics, sampled traces, metrics, logs."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Status, StatusCode, Tracer, set_span_in_context

if TYPE_CHECKING:
    from collections.abc import Generator

    from collector_process import Collector, StartCollector
    from opentelemetry.trace import Span

    from codeanatomy_distro.testing.otlp import MetricPoint
    from codeanatomy_distro.testing.receiver import OtlpReceiver

TOOLS = Path(__file__).parents[2] / "tools" / "otel"
RESOURCE = Resource({"service.name": "codeanatomy", "service.instance.id": "a-process", "telemetry.distro.name": "x"})
SECOND = 1_000_000_000
CALLS, DURATION = "codeanatomy.cache.spans.calls", "codeanatomy.cache.spans.duration"
LABELS = {"service.name", "status.code", "cache.policy", "cache.scope", "cache.operation"}


@contextmanager
def tracer_to(collector: Collector) -> Generator[Tracer]:
    """A tracer of the real SDK that exports to the Collector; everything has been sent at the end of the block."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.endpoint, insecure=True), 20_000))
    yield provider.get_tracer("codeanatomy.pipeline")
    provider.shutdown()


def run(
    tracer: Tracer, name: str, *, seconds: float = 0.1, error: bool = False, attributes: dict[str, Any] | None = None
) -> None:
    """Make a trace of a root and one child of that duration, as if it had just ended."""
    end = time.time_ns()
    start = end - int(seconds * SECOND)
    root = tracer.start_span(name, start_time=start)
    child = tracer.start_span(f"{name}.child", set_span_in_context(root), attributes=attributes, start_time=start)
    if error:
        child.set_status(Status(StatusCode.ERROR, "broken"))
    child.end(end)
    root.end(end)


def last(points: list[MetricPoint]) -> dict[tuple[str, ...], MetricPoint]:
    """The newest point of each series; the keys are the values of the labels, sorted by the labels' names."""
    return {tuple(str(point.attributes[key]) for key in sorted(point.attributes)): point for point in points}


def test_cache_metrics_count_every_span_whatever_sampling_keeps(
    start_collector: StartCollector, receiver: OtlpReceiver
) -> None:
    """With nothing kept, calls equal the cache spans sent, by exactly the named labels; unknown words are `other`."""
    collector = start_collector(receiver=receiver, environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "0"})
    sent: Counter[tuple[str, str, str, str]] = Counter()
    with tracer_to(collector) as tracer:
        for number in range(240):
            policy = ("dataset_delta_staging", "cache_ledger", "none", f"policy-{number}")[number % 4]
            scope = ("dataset", "view", "ledger")[number % 3]
            operation = ("read", "write", "snapshot", "read", f"operation-{number}")[number % 5]
            words = {
                "cache.policy": policy,
                "cache.scope": scope,
                "cache.operation": operation,
                "cache.path": f"/x/{number}",
            }
            run(tracer, f"run-{number}", error=number % 60 == 0, attributes=words)
            expected_policy = "other" if policy.startswith("policy-") else policy
            expected_operation = "other" if operation.startswith("operation-") else operation
            status = "STATUS_CODE_ERROR" if number % 60 == 0 else "STATUS_CODE_UNSET"
            sent[expected_operation, expected_policy, scope, status] += 1

    def counted() -> Counter[tuple[str, str, str, str]]:
        counts: Counter[tuple[str, str, str, str]] = Counter()
        for point in last(receiver.telemetry.points_of(CALLS)).values():
            of = point.attributes
            key = (of["cache.operation"], of["cache.policy"], of["cache.scope"], of["status.code"])
            counts[key] = int(point.value or 0)  # pyright: ignore[reportArgumentType] - the labels are texts
        return counts

    receiver.wait_for(lambda _: counted().total() >= 240, 15)
    assert counted() == sent
    for name in (CALLS, DURATION):
        for point in receiver.telemetry.points_of(name):
            assert set(point.attributes) == LABELS
            assert "service.instance.id" not in point.resource.attributes
            assert point.resource.attributes["service.name"] == "codeanatomy"
    durations = last(receiver.telemetry.points_of(DURATION)).values()
    assert sum(point.count or 0 for point in durations) == 240
    assert {point.unit for point in durations} == {"s"}
    assert all(0.09 < (point.sum or 0) / (point.count or 1) < 0.2 for point in durations)


def test_of_a_mixed_load_errors_slow_runs_and_the_baseline_are_kept(
    start_collector: StartCollector, receiver: OtlpReceiver
) -> None:
    """All failed and slow traces are kept whole, a share of the others, and the rest is dropped."""
    collector = start_collector(receiver=receiver, environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "25"})
    with tracer_to(collector) as tracer:
        for number in range(200):
            run(tracer, f"healthy-{number}")
        for number in range(20):
            run(tracer, f"failed-{number}", error=True)
            run(tracer, f"slow-{number}", seconds=3.0)
    receiver.wait_for(lambda got: sum(span.name.startswith(("failed", "slow")) for span in got.spans) >= 80, 20)
    time.sleep(2.5)  # the others are decided by now, and would have come
    kept = Counter(span.name.partition("-")[0] for span in receiver.spans)
    assert kept["failed"] == kept["slow"] == 40
    assert 2 * 20 <= kept["healthy"] <= 2 * 90, "a quarter of two hundred traces of two spans, give or take"
    sizes = Counter(span.trace_id for span in receiver.spans)
    assert set(sizes.values()) == {2}, "a trace is kept whole or not at all"


def test_a_trace_whose_error_comes_last_is_kept_whole(start_collector: StartCollector, receiver: OtlpReceiver) -> None:
    """Tasks that ended well long before the root fails are kept with it, and the decision comes soon after the root."""
    collector = start_collector(receiver=receiver, environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "0"})
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.endpoint, insecure=True)))
    tracer = provider.get_tracer("codeanatomy.pipeline")

    def task(root: Span, name: str) -> None:
        tracer.start_span(name, set_span_in_context(root)).end()
        provider.force_flush()

    start = time.time_ns()
    roots = {name: tracer.start_span(name, start_time=start) for name in ("fails", "works")}
    for name, root in roots.items():
        task(root, f"{name}.first")
    time.sleep(1.5)  # longer than the wait after a root: only the root's end may start that
    for name, root in roots.items():
        task(root, f"{name}.second")
    roots["fails"].set_status(Status(StatusCode.ERROR))
    for root in roots.values():
        root.end(start + SECOND)  # not slow: latency must not be the reason
    provider.shutdown()
    ended = time.monotonic()
    receiver.wait_for(lambda got: len(got.spans) >= 3, 15)
    assert time.monotonic() - ended < 10
    time.sleep(1.5)
    assert sorted(span.name for span in receiver.spans) == ["fails", "fails.first", "fails.second"]


def test_metrics_and_logs_arrive_over_both_protocols(start_collector: StartCollector, receiver: OtlpReceiver) -> None:
    """A program's own metrics and log records reach the back end, with values, types and resource as they were."""
    collector = start_collector(receiver=receiver)
    useful = {"dataset": "nodes", "code.file.path": "src/home/a.py", "code.line.number": 12, "ok": True, "share": 0.5}
    logging_provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    logging_provider.add_log_record_processor(
        SimpleLogRecordProcessor(OTLPLogExporter(collector.endpoint, insecure=True))
    )
    body = {"rows": 3, "columns": ["a", "b"], "inner": {"ratio": 0.5, "done": True}}
    logging_provider.get_logger("codeanatomy.diagnostics").emit(
        LogRecord(
            body=body, severity_number=SeverityNumber.INFO, severity_text="INFO", attributes=useful, event_name="scan"
        )
    )
    logging_provider.shutdown()
    exporter = OTLPMetricExporter(f"{collector.http_endpoint}/v1/metrics")
    metering = MeterProvider([PeriodicExportingMetricReader(exporter)], RESOURCE, shutdown_on_exit=False)
    meter = metering.get_meter("codeanatomy.obs")
    meter.create_gauge("codeanatomy.dataset.rows", "{row}").set(7, {"dataset": "nodes"})
    meter.create_histogram("codeanatomy.stage.duration", "s").record(0.5, {"stage": "extract", "status": "ok"})
    metering.shutdown()
    got = receiver.wait_for(lambda got: len(got.log_records) >= 1 and len(got.metric_points) >= 2, 10)
    (record,) = got.log_records
    assert record.body == body
    assert record.attributes == useful
    assert (record.event_name, record.severity_text) == ("scan", "INFO")
    assert record.resource.attributes == dict(RESOURCE.attributes)
    (rows,) = got.points_of("codeanatomy.dataset.rows")
    assert (rows.value, rows.unit, rows.attributes) == (7, "{row}", {"dataset": "nodes"})
    (stage,) = got.points_of("codeanatomy.stage.duration")
    assert (stage.count, stage.sum, stage.attributes) == (1, 0.5, {"stage": "extract", "status": "ok"})


def test_an_operators_own_directories_are_masked(start_collector: StartCollector, receiver: OtlpReceiver) -> None:
    """Paths below OTELCOL_PRIVATE_ROOTS are masked wherever they stand; relative ones of the same name are not."""
    collector = start_collector(
        receiver=receiver,
        environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "100", "OTELCOL_PRIVATE_ROOTS": "/data/acme|/repos"},
    )
    places = {"a": "/data/acme/x.py:3", "b": ["/repos/y", "z"], "c": "src/repos/y", "d": "/data/other"}
    with tracer_to(collector) as tracer:
        tracer.start_span("read /repos/y", attributes=places).end()
    (span,) = receiver.wait_for(lambda got: got.spans, 10).spans
    assert span.name == "read ****"
    assert span.attributes == {"a": "****:3", "b.0": "****", "b.1": "z", "c": "src/repos/y", "d": "/data/other"}


def test_links_stay_on_what_our_sdk_redacted_and_go_from_the_rest(
    start_collector: StartCollector, receiver: OtlpReceiver
) -> None:
    """A span's links, which no processor can redact, pass only with the mark of the SDK's redaction."""
    collector = start_collector(receiver=receiver)
    for marked in (True, False):
        resource = Resource({"codeanatomy.redaction": "standard"} if marked else {})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.endpoint, insecure=True)))
        tracer = provider.get_tracer("t")
        root = tracer.start_span("root")
        failed = tracer.start_span(f"marked-{marked}", links=[Link(root.get_span_context(), {"reason": "parallel"})])
        failed.set_status(StatusCode.ERROR)
        failed.end()
        provider.shutdown()
    got = receiver.wait_for(lambda got: len(got.spans) >= 2, 15)
    links = {span.name: [link.attributes for link in span.links] for span in got.spans}
    assert links == {"marked-True": [{"reason": "parallel"}], "marked-False": []}


def test_two_tiers_keep_a_trace_together(
    start_collector: StartCollector, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    """Behind the first tier each trace is decided by one Collector: failed traces come whole."""
    none = {"OTELCOL_TAIL_BASELINE_PERCENTAGE": "0"}
    second_tier = [start_collector(receiver=receiver, environ=none) for _ in range(2)]
    replicas = {"static": {"hostnames": [f"127.0.0.1:{each.grpc_port}" for each in second_tier]}, "dns": None}
    overlay = tmp_path / "replicas.yaml"
    exporters = {f"load_balancing/{signal}": {"resolver": replicas} for signal in ("traces", "metrics", "logs")}
    overlay.write_text(yaml.safe_dump({"exporters": exporters}), encoding="utf-8")
    insecure = {"OTELCOL_SECOND_TIER_INSECURE": "true"}
    first_tier = start_collector(TOOLS / "collector.loadbalancer.yaml", overlay, environ=insecure)
    with tracer_to(first_tier) as tracer:
        for number in range(40):
            run(tracer, f"{'failed' if number % 2 else 'healthy'}-{number}", error=bool(number % 2))
    receiver.wait_for(lambda got: len(got.spans) >= 40, 15)
    assert Counter(Counter(span.trace_id for span in receiver.spans).values()) == {2: 20}
    assert all(span.name.startswith("failed") for span in receiver.spans)
    shares = [each.counts()["otelcol_receiver_accepted_spans"] for each in second_tier]
    assert sum(shares) == 80
    assert all(shares), "both Collectors of the second tier did some of the work"
