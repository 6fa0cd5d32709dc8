"""A bounded load on loopback: the rate and the memory are printed, and what is not delivered is counted.

`OTELCOL_LOAD=full` keeps the back end away for the whole minute, on a larger load; without it a few seconds do.
"""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from codeanatomy_distro.testing.otlp_behaviour import OK, Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector_process import Collector, StartCollector

    from codeanatomy_distro.testing.receiver import OtlpReceiver

    Eventually = Callable[[Callable[[], bool], float], None]

TOOLS = Path(__file__).parents[2] / "tools" / "otel"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FULL = os.environ.get("OTELCOL_LOAD") == "full"
BATCH, SENDERS = 500, 4
BATCHES = 400 if FULL else 80
AWAY = 60.0 if FULL else 6.0
KEEP_ALL = {"OTELCOL_TAIL_BASELINE_PERCENTAGE": "100", "OTELCOL_TAIL_DECISION_WAIT": "2s"}


def requests(count: int) -> Iterator[bytes]:
    """Export requests of `BATCH` spans of ten attributes, ten spans a trace."""
    source = random.Random(7)  # the same load in each run
    for number in range(count):
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "load"
        spans = resource.scope_spans.add().spans
        trace = root = b""
        for index in range(BATCH):
            if index % 10 == 0:
                trace, root = source.randbytes(16), source.randbytes(8)
            span = spans.add(trace_id=trace, name="hamilton.task", kind=1)
            span.span_id, span.parent_span_id = (root, b"") if index % 10 == 0 else (source.randbytes(8), root)
            span.start_time_unix_nano = time.time_ns()
            span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
            for key, value in (
                ("codeanatomy.run_id", "0192f3a1-4b5c-7d8e-9f00-112233445566"),
                ("codeanatomy.stage", "extract"),
                ("hamilton.node_name", f"node_{number}_{index}"),
                ("hamilton.module", "pipelines.extract"),
                ("task_id", f"task-{index}"),
                ("dataset", "cst_nodes"),
                ("status", "ok"),
                ("plan_kind", "select"),
                ("code.file.path", f"src/pipelines/module_{index % 50}.py"),
                ("outputs", "nodes, edges"),
            ):
                span.attributes.add(key=key).value.string_value = value
        yield request.SerializeToString()


@dataclass(frozen=True)
class Sent:
    """What the Collector said to a load: spans taken, spans refused, and seconds."""

    accepted: int
    refused: int
    seconds: float


def send(collector: Collector, bodies: list[bytes]) -> Sent:
    """Export the requests from a few senders at once; what is refused is not sent again."""
    refused = 0

    def export(body: bytes) -> bool:
        try:
            call(body, timeout=30)
        except grpc.RpcError as error:
            status = error.code()  # pyright: ignore[reportAttributeAccessIssue] - what is raised has it, the class has not
            assert status in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}, "refused for good"
            return False
        return True

    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel, ThreadPoolExecutor(SENDERS) as senders:
        call = cast("Callable[..., object]", channel.unary_unary(EXPORT))  # pyright: ignore[reportUnknownMemberType]
        started = time.monotonic()
        refused = sum(not taken for taken in senders.map(export, bodies))
        seconds = time.monotonic() - started
    return Sent((len(bodies) - refused) * BATCH, refused * BATCH, seconds)


def delivered(receiver: OtlpReceiver, refusing: set[int]) -> int:
    """Different spans in the requests that the back end took."""
    ids: set[bytes] = set()
    for request in receiver.requests:
        if request.signal == "traces" and request.index not in refusing:
            message = ExportTraceServiceRequest.FromString(request.body)
            ids.update(s.span_id for r in message.resource_spans for scope in r.scope_spans for s in scope.spans)
    return len(ids)


def given_up(counts: dict[str, float]) -> int:
    """Spans that the Collector says it could not deliver."""
    return int(
        counts.get("otelcol_exporter_send_failed_spans", 0) + counts.get("otelcol_exporter_enqueue_failed_spans", 0)
    )


@pytest.mark.timeout(240)
def test_nothing_is_lost_while_the_back_end_is_away(
    start_collector: StartCollector,
    receiver: OtlpReceiver,
    eventually: Eventually,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every span that the Collector took arrives once the back end is back; rate and memory are printed."""
    collector = start_collector(receiver=receiver, environ=KEEP_ALL)
    refusing: set[int] = set()
    until = [0.0]

    def respond(request: object) -> Behaviour:
        if time.monotonic() < until[0]:
            refusing.add(request.index)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
            return Behaviour(status=503)
        return OK

    receiver.respond = respond
    bodies = list(requests(BATCHES))
    idle = collector.memory_mib()
    half = len(bodies) // 2
    first = send(collector, bodies[:half])
    until[0] = time.monotonic() + AWAY
    second = send(collector, bodies[half:])
    time.sleep(max(0.0, until[0] - time.monotonic()))
    peak = collector.memory_mib()
    accepted = first.accepted + second.accepted
    assert first.refused == second.refused == 0
    eventually(lambda: collector.counts().get("otelcol_exporter_sent_spans", 0) >= accepted, 60)
    assert refusing, "the back end was away while something was to be delivered"
    assert delivered(receiver, refusing) == accepted == BATCHES * BATCH
    counts = collector.counts()
    assert counts["otelcol_receiver_accepted_spans"] == accepted
    assert given_up(counts) == 0
    with capsys.disabled():
        rate = accepted / (first.seconds + second.seconds)
        cost = counts["otelcol_process_cpu_seconds"] / accepted * 1e6
        print(  # noqa: T201 - the figures are for people
            f"\nload: {accepted} spans of ten attributes taken at {rate:,.0f} a second, back end away for {AWAY:g} s;"
            f" {cost:.0f} µs of processor time a span;"
            f" memory {idle:.0f} MiB idle, {peak:.0f} MiB with all of them held"
        )


@pytest.mark.timeout(120)
def test_what_a_full_collector_refuses_or_gives_up_is_counted(
    start_collector: StartCollector,
    receiver: OtlpReceiver,
    eventually: Eventually,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Beyond its memory the Collector refuses, and the sender knows; sent = delivered + refused + given up."""
    overlay = tmp_path / "small.yaml"
    small = {"limit_mib": 80, "spike_limit_mib": 20, "check_interval": "100ms"}
    overlay.write_text(yaml.safe_dump({"processors": {"memory_limiter": small}}), encoding="utf-8")
    environ = {
        **KEEP_ALL,
        "OTELCOL_TAIL_DECISION_WAIT": "10s",
        "OTELCOL_QUEUE_SIZE": "2000",
        "OTELCOL_RETRY_FOR": "10s",
    }
    receiver.respond = lambda _: Behaviour(status=503)
    collector = start_collector(TOOLS / "collector.yaml", overlay, receiver=receiver, environ=environ)
    sent = send(collector, list(requests(80)))
    assert sent.refused > 0
    receiver.respond = None
    seen = len(receiver.requests)

    def all_accounted_for() -> bool:
        counts = collector.counts()
        return counts.get("otelcol_exporter_sent_spans", 0) + given_up(counts) >= sent.accepted

    eventually(all_accounted_for, 40)
    counts = collector.counts()
    assert counts["otelcol_receiver_accepted_spans"] == sent.accepted
    assert counts["otelcol_receiver_refused_spans"] == sent.refused
    arrived = delivered(receiver, set(range(seen)))
    assert arrived + given_up(counts) == sent.accepted
    with capsys.disabled():
        print(  # noqa: T201 - as above
            f"\nfull: of {80 * BATCH} spans {sent.refused} refused to the sender, {arrived} delivered,"
            f" {given_up(counts)} given up and counted; memory {collector.memory_mib():.0f} MiB"
        )
