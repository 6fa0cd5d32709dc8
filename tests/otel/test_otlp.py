"""OTLP senders: one attempt each, and what came of it."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.otel.exporters import create_otlp_exporter, exporter_factories
from codeanatomy_distro.otel.otlp_exporter import answer_reader
from codeanatomy_distro.otel.otlp_grpc import create_credentials
from codeanatomy_distro.otel.otlp_http import HttpSender, retry_after_seconds
from codeanatomy_distro.otel.outcome import ARRIVED, Outcome
from codeanatomy_distro.testing.otlp_behaviour import Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from codeanatomy_distro.otel.otlp_exporter import OtlpExporter
    from codeanatomy_distro.testing.otlp import Protocol

PROTOCOLS = ("grpc", "http/protobuf")
RETRYABLE = {429, 502, 503, 504}


def spans(count: int = 1) -> list[ReadableSpan]:
    """Return spans that have ended."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for number in range(count):
        provider.get_tracer("test").start_span(f"span {number}").end()
    return list(memory.get_finished_spans())


def exporter_to(endpoint: str, protocol: str, **variables: str) -> OtlpExporter:
    """Return the exporter of spans that the settings make."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **variables}
    return create_otlp_exporter(resolve_otel_config(environ), "traces")


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """Each protocol."""
    return request.param


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_a_batch_arrives_with_its_headers_however_it_is_compressed(protocol: Protocol, compression: str) -> None:
    """The receiver has the spans and the headers of the settings."""
    with OtlpReceiver() as receiver:
        exporter = exporter_to(
            receiver.endpoint(protocol),
            protocol,
            OTEL_EXPORTER_OTLP_COMPRESSION=compression,
            OTEL_EXPORTER_OTLP_HEADERS="X-Tenant=alpha",
        )
        assert exporter.export(spans(3), 10) == ARRIVED
        exporter.shutdown()
        assert [span.name for span in receiver.spans] == ["span 0", "span 1", "span 2"]
        assert receiver.requests[0].headers["x-tenant"] == "alpha"


def test_a_header_of_bytes_arrives(protocol: Protocol) -> None:
    """A name that ends in ``-bin`` stands for bytes, and gRPC takes nothing else for it: each export would fail."""
    with OtlpReceiver() as receiver:
        exporter = exporter_to(receiver.endpoint(protocol), protocol, OTEL_EXPORTER_OTLP_HEADERS="x-tenant-bin=alpha")
        assert exporter.export(spans(), 10) == ARRIVED
        exporter.shutdown()
        assert receiver.requests[0].headers["x-tenant-bin"] == "alpha"


def test_credentials_in_the_endpoint_are_no_part_of_the_host(protocol: Protocol) -> None:
    """Spans arrive where the endpoint names a user as well; over HTTP the user is told to the receiver."""
    with OtlpReceiver() as receiver:
        exporter = exporter_to(receiver.endpoint(protocol).replace("//", "//me:hunter2@"), protocol)
        assert exporter.export(spans(), 10) == ARRIVED
        exporter.shutdown()
        told = receiver.requests[0].headers.get("authorization", "")
    assert told.startswith("Basic ") == (protocol != "grpc")


@pytest.mark.parametrize(("endpoint", "port"), [("http://127.0.0.1", 80), ("https://127.0.0.1", 443)])
def test_an_endpoint_without_a_port_has_that_of_its_scheme(endpoint: str, port: int, protocol: Protocol) -> None:
    """Both protocols go to the port that the scheme stands for; gRPC alone would take 443 for both."""
    exporter = exporter_to(endpoint, protocol)
    outcome = exporter.export(spans(), 2)
    exporter.shutdown()
    assert f"127.0.0.1:{port}" in outcome.reason or f"port={port}" in outcome.reason


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
def test_an_answer_says_whether_to_try_again(protocol: Protocol, status: int) -> None:
    """Only what the OTLP specification calls retryable is; gRPC's RESOURCE_EXHAUSTED only with a RetryInfo."""
    with OtlpReceiver(lambda _: Behaviour(status=status)) as receiver:
        exporter = exporter_to(receiver.endpoint(protocol), protocol)
        outcome = exporter.export(spans(), 10)
        exporter.shutdown()
    without_retry_info = protocol == "grpc" and status == 429
    assert not outcome.arrived
    assert outcome.retryable == (status in RETRYABLE and not without_retry_info)
    assert outcome.reason


def test_the_pause_that_is_asked_for_is_told(protocol: Protocol) -> None:
    """`Retry-After` and `RetryInfo` come through in seconds."""
    with OtlpReceiver(lambda _: Behaviour(status=429, retry_after=7)) as receiver:
        exporter = exporter_to(receiver.endpoint(protocol), protocol)
        outcome = exporter.export(spans(), 10)
        exporter.shutdown()
    assert (outcome.retryable, outcome.retry_after) == (True, 7)


def test_an_attempt_takes_no_longer_than_it_may(protocol: Protocol) -> None:
    """A receiver that never answers costs the timeout; the batch may be sent again."""
    with OtlpReceiver(lambda _: Behaviour(hang=True)) as receiver:
        exporter = exporter_to(receiver.endpoint(protocol), protocol)
        outcome = exporter.export(spans(), 0.3)
        exporter.shutdown()
    assert (outcome.arrived, outcome.retryable) == (False, True)


def test_a_connection_that_fails_may_be_tried_again(protocol: Protocol) -> None:
    """Where nobody listens the reason is short and says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    exporter = exporter_to(endpoint, protocol)
    outcome = exporter.export(spans(), 2)
    exporter.shutdown()
    assert (outcome.arrived, outcome.retryable) == (False, True)
    assert "refused" in outcome.reason.lower()
    assert "\n" not in outcome.reason


def test_a_connection_that_the_receiver_has_closed_is_made_anew(protocol: Protocol) -> None:
    """A second batch over a connection that was reset meanwhile arrives, in the same attempt or a later one."""
    answers = iter([Behaviour(), Behaviour(reset=True)])
    with OtlpReceiver(lambda _: next(answers, Behaviour())) as receiver:
        exporter = exporter_to(receiver.endpoint(protocol), protocol)
        assert exporter.export(spans(), 10) == ARRIVED
        batch = spans()
        outcome = exporter.export(batch, 10)
        for _ in range(20):
            if outcome.arrived:
                break
            assert outcome.retryable
            time.sleep(0.2)  # gRPC connects again when it thinks fit
            outcome = exporter.export(batch, 10)
        exporter.shutdown()
        assert outcome == ARRIVED
        assert len(receiver.spans) == 2


ANSWERS = {
    "cut off": b"HTTP/1.1 %d X\r\nRetry-After: 7\r\nContent-Length: 100\r\n\r\nhalf",
    "with a broken chunk": b"HTTP/1.1 %d X\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
    "that can't be unpacked": (
        b"HTTP/1.1 %d X\r\nRetry-After: 7\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf"
    ),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_status_counts_of_an_answer_whose_body_cannot_be_read(answer: bytes) -> None:
    """What the receiver has taken is not counted as lost, and what it refused for now is sent again."""
    assert outcome_of([answer % 200]) == ARRIVED
    refused = outcome_of([answer % 503])
    assert (refused.arrived, refused.retryable, refused.retry_after) == (False, True, 7)


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    """Its body costs neither memory nor more time than the attempt may take; the batch has arrived."""
    begin = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    assert outcome_of(chain([begin], repeat(bytes(1 << 20)))) == ARRIVED
    assert outcome_of(chain([begin], every(0.05, b" ")), timeout=0.3) == ARRIVED


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_authorities_of_the_settings_win_over_those_of_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A receiver whose certificate is of the authority that the settings name is trusted, and is told who asks.

    The program's own requests may know other authorities, by a variable of the environment.
    """
    named, other = trustme.CA(), trustme.CA()
    files = {name: str(tmp_path / f"{name}.pem") for name in ("named", "other", "client")}
    named.cert_pem.write_to_path(files["named"])
    other.cert_pem.write_to_path(files["other"])
    named.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(files["client"])
    monkeypatch.setenv(variable, files["other"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    named.issue_cert("127.0.0.1").configure_cert(context)
    named.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    assert outcome_of(answer, tls=context, certificate=files["named"], client=files["client"]) == ARRIVED


def outcome_of(
    answer: Iterable[bytes], timeout: float = 10, tls: ssl.SSLContext | None = None, **options: Any
) -> Outcome:
    """Return what an attempt comes to that is answered with these bytes; over `tls`, if it is given."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            with suppress(OSError):  # it hangs up when it has heard enough
                plain, _ = server.accept()
                with plain if tls is None else tls.wrap_socket(plain, server_side=True) as connection:
                    received = b""
                    while not received.endswith(b"\r\n\r\nbatch"):
                        received += connection.recv(1 << 16)
                    for piece in answer:
                        connection.sendall(piece)

        serving = pool.submit(serve)
        scheme = "http" if tls is None else "https"
        sender = HttpSender("traces", f"{scheme}://127.0.0.1:{server.getsockname()[1]}/v1/traces", **options)
        outcome = sender.send(b"batch", timeout)
        sender.close()
        serving.result()
        return outcome


def every(seconds: float, piece: bytes) -> Iterator[bytes]:
    """Yield `piece` again and again, with a pause before each."""
    while True:
        time.sleep(seconds)
        yield piece


def test_the_programs_debug_log_holds_nothing_of_our_connections(
    protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    """At level DEBUG the root logger hears nothing of urllib3 or gRPC from an export."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    caplog.set_level(logging.DEBUG)
    with OtlpReceiver() as receiver, suppress_instrumentation():
        exporter = exporter_to(receiver.endpoint(protocol), protocol)
        exporter.export(spans(), 10)
        exporter.shutdown()
    assert not [record for record in caplog.records if record.name.startswith(("urllib3", "grpc", "requests"))]


def test_a_partial_success_counts_what_was_rejected() -> None:
    """The receiver's count of rejected spans becomes the outcome's, with its message."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    answer.partial_success.error_message = "too old"
    outcome = answer_reader("traces")(answer.SerializeToString())
    assert (outcome.arrived, outcome.rejected, outcome.reason) == (True, 3, "too old")


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_answer_can_be_read(body: bytes) -> None:
    """Whatever bytes a receiver answers with, the batch counts as arrived, for it said so."""
    assert answer_reader("logs")(body).arrived


@settings(deadline=None)
@given(st.one_of(st.none(), st.text(max_size=30), st.floats().map(str), st.integers().map(str)))
def test_any_retry_after_can_be_read(value: str | None) -> None:
    """A header is seconds from now, never negative or endless, or nothing."""
    seconds = retry_after_seconds(value)
    assert seconds is None or 0 <= seconds < float("inf")


def test_a_retry_after_may_be_a_date() -> None:
    """An HTTP date is the time until then."""
    then = datetime.now(timezone.utc) + timedelta(seconds=30)
    seconds = retry_after_seconds(format_datetime(then, usegmt=True))
    assert seconds is not None
    assert 25 < seconds <= 30


def test_a_certificate_that_is_not_there_makes_no_exporter(tmp_path: Path) -> None:
    """A wrong path raises, and the error names the file."""
    with pytest.raises(OSError, match="absent"):
        create_credentials(str(tmp_path / "absent.pem"), None, None)


def test_the_query_of_an_endpoint_stays_behind_its_path() -> None:
    """A back end that is told who sends by its query is found, and the query, a secret perhaps, is told nobody else."""
    with OtlpReceiver() as receiver:
        exporter = exporter_to(f"{receiver.http_endpoint}/?key=hunter2#top", "http/protobuf")
        assert exporter.export(spans(), 10) == ARRIVED
        exporter.shutdown()
    config = resolve_otel_config(
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://host/otlp?key=hunter2"}
    )
    (factory,) = exporter_factories(config, "traces", [])
    assert factory.destination == "http://host/otlp/v1/traces"


def test_destinations_are_those_of_the_settings() -> None:
    """Each factory knows where it sends, also where one signal has an endpoint of its own; credentials are masked."""
    config = resolve_otel_config(
        {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://me:hunter2@logs:1/here",
            "OTEL_METRICS_EXPORTER": "console",
        }
    )
    problems: list[Any] = []
    found = {
        signal: [f.destination for f in exporter_factories(config, signal, problems)]
        for signal in ("traces", "logs", "metrics")
    }
    assert found == {
        "traces": ["http://collector:4318/v1/traces"],
        "logs": ["http://****@logs:1/here"],
        "metrics": ["the exporter console"],
    }
    assert not problems
