"""The receiver, asked by the SDK's own exporters over both protocols."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
import urllib.error
import urllib.request
import zlib
from typing import TYPE_CHECKING, Any, Literal

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status, StatusCode

from codeanatomy_distro.testing.otlp_behaviour import OK, Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Protocol
    from codeanatomy_distro.testing.otlp_behaviour import OtlpRequest, Respond

PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http/protobuf")
RESOURCE = Resource({"service.name": "receiver-test", "ports": [1, 2]})

both_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)


def span_exporter(receiver: OtlpReceiver, protocol: Protocol, timeout: float = 10) -> SpanExporter:
    if protocol == "grpc":
        return GrpcSpanExporter(endpoint=receiver.grpc_endpoint, insecure=True, timeout=timeout)
    return HttpSpanExporter(endpoint=f"{receiver.http_endpoint}/v1/traces", timeout=timeout)


class Recorded(SpanExporter):
    """Passes spans on and keeps what the exporter said."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner
        self.results: list[SpanExportResult] = []

    def export(self, spans: Any) -> SpanExportResult:
        """Pass on, and keep the result."""
        self.results.append(self.inner.export(spans))
        return self.results[-1]

    def shutdown(self) -> None:
        """Pass on."""
        self.inner.shutdown()


def send_span(receiver: OtlpReceiver, protocol: Protocol, timeout: float = 10) -> SpanExportResult:
    """Export one span named ``sent`` and return how the exporter says it went."""
    exporter = Recorded(span_exporter(receiver, protocol, timeout))
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("sender").start_span("sent").end()
    provider.shutdown()
    return exporter.results[0]


def answering(*behaviours: Behaviour) -> Respond:
    """Return a ``respond`` that gives these answers in turn and accepts everything after them."""
    return lambda request: behaviours[request.index] if request.index < len(behaviours) else OK


@both_protocols
def test_spans_arrive_with_all_they_hold(protocol: Protocol) -> None:
    """A span arrives with its ids, parent, scope, times, typed attributes, events, links, status and resource."""
    with OtlpReceiver() as receiver:
        provider = TracerProvider(resource=RESOURCE)
        provider.add_span_processor(SimpleSpanProcessor(span_exporter(receiver, protocol)))
        tracer = provider.get_tracer("library", "1.2")
        with tracer.start_as_current_span("parent") as parent:
            attributes = {"text": "é\n", "yes": True, "one": 1, "half": 0.5, "list": ["a", "b"], "numbers": [1, 2]}
            child = tracer.start_span(
                "child", attributes=attributes, links=[Link(parent.get_span_context(), {"why": "x"})]
            )
            child.add_event("happened", {"n": 1})
            child.set_status(Status(StatusCode.ERROR, "broke"))
            child.end()
        provider.shutdown()
        telemetry = receiver.wait_for(lambda got: len(got.spans) == 2)
    got_child, got_parent = telemetry.spans
    assert (got_parent.name, got_parent.parent_id, got_parent.status) == ("parent", None, "unset")
    assert (got_child.trace_id, got_child.parent_id) == (got_parent.trace_id, got_parent.span_id)
    assert got_child.span_id == format(child.get_span_context().span_id, "016x")
    assert got_child.attributes == attributes
    assert [type(value) for value in got_child.attributes.values()] == [str, bool, int, float, list, list]
    assert (got_child.scope.name, got_child.scope.version, got_child.kind) == ("library", "1.2", "internal")
    assert (got_child.status, got_child.status_message) == ("error", "broke")
    assert [(event.name, event.attributes) for event in got_child.events] == [("happened", {"n": 1})]
    assert [(link.span_id, link.attributes) for link in got_child.links] == [(got_parent.span_id, {"why": "x"})]
    assert 0 < got_child.duration_ns <= got_parent.duration_ns
    assert got_child.resource.attributes == {"service.name": "receiver-test", "ports": [1, 2]}


@both_protocols
def test_metrics_arrive_by_kind(protocol: Protocol) -> None:
    """A counter, a gauge and a histogram arrive with unit, temporality, value, buckets and attributes."""
    with OtlpReceiver() as receiver:
        exporter = (
            GrpcMetricExporter(endpoint=receiver.grpc_endpoint, insecure=True)
            if protocol == "grpc"
            else HttpMetricExporter(endpoint=f"{receiver.http_endpoint}/v1/metrics")
        )
        provider = MeterProvider([PeriodicExportingMetricReader(exporter, 600_000)], RESOURCE)
        meter = provider.get_meter("measures")
        meter.create_counter("things", "{thing}", "Things seen.").add(3, {"kind": "a"})
        meter.create_gauge("level").set(1.5)
        histogram = meter.create_histogram("times", "s", explicit_bucket_boundaries_advisory=[1.0, 2.0])
        for value in (0.5, 1.5, 5.0):
            histogram.record(value)
        provider.shutdown()
        telemetry = receiver.telemetry
    (things,), (level,), (times,) = (telemetry.points_of(name) for name in ("things", "level", "times"))
    assert (things.kind, things.value, things.unit, things.description) == ("sum", 3, "{thing}", "Things seen.")
    assert (things.temporality, things.monotonic, things.attributes) == ("cumulative", True, {"kind": "a"})
    assert (level.kind, level.value, level.scope.name) == ("gauge", 1.5, "measures")
    assert (times.kind, times.count, times.sum, times.min, times.max) == ("histogram", 3, 7.0, 0.5, 5.0)
    assert (times.bounds, times.bucket_counts) == ((1.0, 2.0), (1, 1, 1))


@both_protocols
def test_log_records_arrive_with_their_span(protocol: Protocol) -> None:
    """A log record arrives with body, severity, event name, attributes and the ids of the span it was made in."""
    with OtlpReceiver() as receiver:
        exporter = (
            GrpcLogExporter(endpoint=receiver.grpc_endpoint, insecure=True)
            if protocol == "grpc"
            else HttpLogExporter(endpoint=f"{receiver.http_endpoint}/v1/logs")
        )
        logs = LoggerProvider(resource=RESOURCE)
        logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        with TracerProvider().get_tracer("t").start_as_current_span("around") as span:
            logs.get_logger("my.logger").emit(
                timestamp=5, severity_text="WARN", body={"a": [1]}, attributes={"k": "v"}, event_name="noticed"
            )
            logs.get_logger("my.logger").emit(body="plain")
        logs.get_logger("my.logger").emit(body="outside")
        logs.shutdown()  # type: ignore[no-untyped-call]
        first, _, outside = receiver.log_records
    assert (first.body, first.severity_text, first.event_name) == ({"a": [1]}, "WARN", "noticed")
    assert (first.time_ns, first.attributes, first.scope.name) == (5, {"k": "v"}, "my.logger")
    assert first.span_id == format(span.get_span_context().span_id, "016x")
    assert (outside.trace_id, outside.span_id) == (None, None)


@both_protocols
@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_compressed_requests_are_read(protocol: Protocol, compression: Literal["gzip", "deflate"]) -> None:
    """Compressed exports decode, and the bytes kept are those before compression."""
    with OtlpReceiver() as receiver:
        exporter: SpanExporter
        if protocol == "grpc":
            how = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}[compression]
            exporter = GrpcSpanExporter(endpoint=receiver.grpc_endpoint, insecure=True, compression=how)
        else:
            url = f"{receiver.http_endpoint}/v1/traces"
            exporter = HttpSpanExporter(endpoint=url, compression=Compression(compression))
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("t").start_span("squeezed" * 100).end()
        provider.shutdown()
    assert receiver.spans[0].name == "squeezed" * 100
    assert b"squeezed" * 100 in receiver.requests[0].body


@both_protocols
def test_a_refusal_then_success_is_received_once(protocol: Protocol) -> None:
    """A client told to retry after a moment sends again; both requests are kept, the span counts once."""
    with OtlpReceiver(answering(Behaviour(status=503, retry_after=0.05))) as receiver:
        assert send_span(receiver, protocol) is SpanExportResult.SUCCESS
    assert [request.signal for request in receiver] == ["traces", "traces"]
    assert len(receiver.spans) == 1


@both_protocols
def test_a_final_refusal_is_not_retried(protocol: Protocol) -> None:
    """A status that OTLP calls not retryable ends the export, and nothing counts as received."""
    with OtlpReceiver(answering(Behaviour(status=400, message="no thanks"))) as receiver:
        assert send_span(receiver, protocol) is SpanExportResult.FAILURE
    assert len(receiver.requests) == 1
    assert not receiver.telemetry


@both_protocols
def test_a_reset_connection_is_seen_by_the_client(protocol: Protocol) -> None:
    """A reset leaves the client without an answer, and a later request goes through."""
    with OtlpReceiver(answering(Behaviour(reset=True))) as receiver:
        assert send_span(receiver, protocol) is SpanExportResult.SUCCESS
    assert len(receiver.requests) == 2
    assert len(receiver.spans) == 1


def test_a_reset_over_http_is_a_real_one() -> None:
    """The client's socket gets a TCP reset, not an orderly end."""
    with OtlpReceiver(answering(Behaviour(reset=True))) as receiver:
        connection = http.client.HTTPConnection(receiver.http_endpoint.removeprefix("http://"))
        connection.request("POST", "/v1/traces", b"", {"Content-Type": "application/x-protobuf"})
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
        connection.close()


@both_protocols
def test_a_hanging_receiver_holds_the_client_to_its_timeout(protocol: Protocol) -> None:
    """No answer comes while it hangs, and leaving the receiver afterwards takes no time."""
    with OtlpReceiver(lambda _: Behaviour(hang=True)) as receiver:
        started = time.monotonic()
        assert send_span(receiver, protocol, timeout=0.3) is SpanExportResult.FAILURE
        assert time.monotonic() - started >= 0.25
        left = time.monotonic()
    assert time.monotonic() - left < 2
    assert not receiver.spans


@both_protocols
def test_a_hanging_request_ends_with_the_receiver(protocol: Protocol) -> None:
    """A client that waits for ever is let go when the receiver stops."""
    results: list[SpanExportResult] = []
    with OtlpReceiver(lambda _: Behaviour(hang=True)) as receiver:
        client = threading.Thread(target=lambda: results.append(send_span(receiver, protocol, timeout=1)))
        client.start()
        receiver.wait_for_requests(1)
    client.join(10)
    assert results == [SpanExportResult.FAILURE]


@both_protocols
def test_a_slow_receiver_still_receives(protocol: Protocol) -> None:
    """A delay passes before the answer, and the telemetry counts."""
    with OtlpReceiver(lambda _: Behaviour(delay=0.2)) as receiver:
        started = time.monotonic()
        assert send_span(receiver, protocol) is SpanExportResult.SUCCESS
        assert time.monotonic() - started >= 0.2
    assert len(receiver.spans) == 1


def test_a_named_grpc_status_and_headers_reach_the_client() -> None:
    """Over gRPC the given status, message and trailing metadata arrive."""
    behaviour = Behaviour(status=500, grpc_status="DATA_LOSS", message="gone", headers={"X-Reason": "disk"})
    method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    with (
        OtlpReceiver(lambda _: behaviour) as receiver,
        _channel(receiver) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(method)(b"", timeout=5)
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "gone")
    assert ("x-reason", "disk") in tuple(error.trailing_metadata())


def test_status_and_headers_reach_an_http_client() -> None:
    """Over HTTP the status, the Retry-After header in whole seconds and further headers arrive."""
    behaviour = Behaviour(status=429, retry_after=1.2, headers={"X-Reason": "quota"})
    with OtlpReceiver(lambda _: behaviour) as receiver:
        status, headers = _post(receiver, "/v1/logs", b"")
    assert (status, headers["Retry-After"], headers["X-Reason"]) == (429, "2", "quota")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/traces", b"\xff\xff", {}, 400),
        ("/v1/traces", b"not gzip", {"Content-Encoding": "gzip"}, 400),
        ("/v1/traces", b"not deflate", {"Content-Encoding": "deflate"}, 400),
        ("/v1/traces", b"", {"Content-Encoding": "br"}, 400),
        ("/v1/traces", b"{}", {"Content-Type": "application/json"}, 415),
        ("/v2/traces", b"", {}, 404),
        ("/v1/metrics", gzip.compress(b"", mtime=0), {"Content-Encoding": "gzip"}, 200),
        ("/v1/metrics", zlib.compress(b""), {"Content-Encoding": "deflate"}, 200),
    ],
)
def test_what_is_not_otlp_is_refused(path: str, body: bytes, headers: dict[str, str], status: int) -> None:
    """A request that is not OTLP gets the HTTP status that says so, and nothing counts as received."""
    with OtlpReceiver() as receiver:
        assert _post(receiver, path, body, headers)[0] == status
    assert not receiver.telemetry


def test_what_is_not_otlp_is_refused_over_grpc() -> None:
    """Bytes that are no OTLP message are answered with INVALID_ARGUMENT."""
    with OtlpReceiver() as receiver, _channel(receiver) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")(b"\xff\xff", timeout=5)
        error: Any = caught.value
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_headers_are_kept() -> None:
    """What a client sends as OTLP headers can be looked up in lower case."""
    with OtlpReceiver() as receiver:
        _post(receiver, "/v1/traces", b"", {"Api-Key": "secret"})
    assert receiver.requests[0].headers["api-key"] == "secret"
    assert receiver.requests[0].protocol == "http/protobuf"


def test_waiting_in_vain_says_what_came() -> None:
    """A wait that runs out raises TimeoutError with counts of what did arrive."""
    with OtlpReceiver() as receiver:
        send_span(receiver, "http/protobuf")
        with pytest.raises(TimeoutError, match="1 requests with 1 spans, 0 log records"):
            receiver.wait_for(lambda telemetry: telemetry.log_records, timeout=0.05)
        with pytest.raises(TimeoutError, match="1 requests within"):
            receiver.wait_for_requests(2, timeout=0.05)


def test_waiting_wakes_at_the_arrival() -> None:
    """A waiter returns when another thread's export arrives."""
    with OtlpReceiver() as receiver:
        sender = threading.Thread(target=send_span, args=(receiver, "http/protobuf"))
        sender.start()
        assert receiver.wait_for(lambda telemetry: telemetry.spans_named("sent")).spans[0].name == "sent"
        sender.join()


def test_clear_forgets_what_came() -> None:
    """After clear() there are no requests and no telemetry."""
    with OtlpReceiver() as receiver:
        send_span(receiver, "http/protobuf")
        receiver.clear()
        assert not receiver.requests
        assert not receiver.telemetry


def test_take_gives_what_came_once() -> None:
    """Each item is in one answer of take() and in no later one."""
    with OtlpReceiver() as receiver:
        send_span(receiver, "http/protobuf")
        assert [span.name for span in receiver.take().spans] == ["sent"]
        assert not receiver.take()


def test_the_answer_can_be_changed_while_it_runs() -> None:
    """A new respond holds from the next request on."""
    with OtlpReceiver(lambda _: Behaviour(status=400)) as receiver:
        assert _post(receiver, "/v1/traces", b"")[0] == 400
        receiver.respond = None
        assert _post(receiver, "/v1/traces", b"")[0] == 200


def test_a_receiver_can_return_on_the_same_ports() -> None:
    """A back end that was stopped can be started again where clients look for it, on both protocols."""
    with OtlpReceiver(lambda _: OK) as first:
        ports = {protocol: int(first.endpoint(protocol).rpartition(":")[2]) for protocol in PROTOCOLS}
        assert send_span(first, "grpc") is SpanExportResult.SUCCESS
    with OtlpReceiver(grpc_port=ports["grpc"], http_port=ports["http/protobuf"]) as second:
        assert second.grpc_endpoint == first.grpc_endpoint
        for protocol in PROTOCOLS:
            assert send_span(second, protocol) is SpanExportResult.SUCCESS


def test_a_taken_port_is_an_error() -> None:
    """A second receiver on the port of a running one fails instead of sharing its connections."""
    with OtlpReceiver() as first:
        port = int(first.grpc_endpoint.rpartition(":")[2])
        with pytest.raises(RuntimeError), OtlpReceiver(grpc_port=port):
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_in_respond_reaches_the_test() -> None:
    """What respond raises in a server thread is raised when the receiver closes."""

    def respond(request: OtlpRequest) -> Behaviour:
        message = f"cannot decide on {request.signal}"
        raise LookupError(message)

    with pytest.raises(LookupError, match="cannot decide on traces"), OtlpReceiver(respond) as receiver:
        send_span(receiver, "grpc", timeout=1)


def test_no_thread_stays_behind() -> None:
    """When the block is left, every thread that the receiver started has ended."""
    before = set(threading.enumerate())
    with OtlpReceiver(lambda _: OK) as receiver:
        for protocol in PROTOCOLS:
            send_span(receiver, protocol)
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if "otlp" in thread.name or "process_request" in thread.name]


def _channel(receiver: OtlpReceiver) -> grpc.Channel:
    return grpc.insecure_channel(receiver.grpc_endpoint.removeprefix("http://"))


def _post(
    receiver: OtlpReceiver, path: str, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str]]:
    sent = {"Content-Type": "application/x-protobuf", **(headers or {})}
    request = urllib.request.Request(receiver.http_endpoint + path, body, sent)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as response:
            return response.status, dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers)
