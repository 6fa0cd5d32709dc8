"""A back end that recovers, is slow, or asks for a pause: nothing is lost without need or without a count."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.otlp_behaviour import OK, Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.testing.otlp_behaviour import OtlpRequest

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).parent / "process_programs" / "recording.py")
PROTOCOLS = ("grpc", "http/protobuf")


def run_against(
    run_program: Any, protocol: str, respond: Callable[[OtlpRequest], Behaviour], *arguments: str, **environ: str
) -> tuple[Any, OtlpReceiver]:
    """Run the recording program against a receiver that answers as `respond` says."""
    with OtlpReceiver(respond) as receiver:
        defaults = {"CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "20000"}
        done = run_program(
            PROGRAM, *arguments, receiver=receiver, protocol=protocol, instrumented=False, environ=defaults | environ
        )
        return done, receiver


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", ["503", "resets", "429"])
def test_what_is_queued_arrives_when_the_back_end_recovers(run_program: Any, protocol: str, fault: str) -> None:
    """After failures that may pass, the same request is sent again: all is delivered, once, and nothing is said."""
    failing = {
        "503": Behaviour(status=503),
        "resets": Behaviour(reset=True),
        "429": Behaviour(status=429, retry_after=0.3),
    }[fault]
    answered = dict.fromkeys(("traces", "metrics", "logs"), 0)

    def respond(request: OtlpRequest) -> Behaviour:
        answered[request.signal] += 1
        return failing if answered[request.signal] <= 2 else OK

    done, receiver = run_against(run_program, protocol, respond)
    assert [span.name for span in receiver.spans] == ["work 0"]
    assert [record.body for record in receiver.log_records if record.scope.name == "recording"] == ["work 0"]
    assert [point.value for point in receiver.telemetry.points_of("work.done")] == [1]
    assert not done.stderr


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_that_asks_for_a_pause_gets_it(run_program: Any, protocol: str) -> None:
    """No request of a signal comes sooner than Retry-After, or RetryInfo, asked for."""
    seen: list[OtlpRequest] = []

    def respond(request: OtlpRequest) -> Behaviour:
        if request.signal != "traces":
            return OK
        seen.append(request)
        return Behaviour(status=429, retry_after=1.5) if len(seen) == 1 else OK

    _, receiver = run_against(run_program, protocol, respond)
    first, second = seen
    assert second.received_at - first.received_at >= 1.5
    assert first.body == second.body
    assert len(receiver.spans) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_slow_receiver_slows_no_span(run_program: Any, protocol: str) -> None:
    """While each of ten answers takes a fifth of a second, the program's own work is done before the first, and all
    arrives.
    """
    done, receiver = run_against(
        run_program, protocol, lambda _: Behaviour(delay=0.2), "200", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="20"
    )
    requests = [request for request in receiver.requests if request.signal == "traces"]
    assert len(requests) == 10
    assert float(done.stdout.split()[0]) < requests[-1].received_at - requests[0].received_at
    assert len(receiver.spans) == len({span.span_id for span in receiver.spans}) == 200
    assert not done.stderr


def test_losses_are_logged_at_most_once_a_minute_and_never_exported(run_program: Any) -> None:
    """A back end that refuses everything is told of once a signal, on stderr, and not to itself."""
    bodies: list[bytes] = []

    def respond(request: OtlpRequest) -> Behaviour:
        if request.signal == "logs":
            bodies.append(request.body)
        return Behaviour(status=400)

    done, _ = run_against(
        run_program, "grpc", respond, "10", "0.1", OTEL_BSP_SCHEDULE_DELAY="50", OTEL_BLRP_SCHEDULE_DELAY="50"
    )
    warned = [line for line in done.stderr.splitlines() if "lost so far" in line]
    assert len(warned) <= 3
    assert len(bodies) > 1
    assert not any(b"lost so far" in body or b"codeanatomy_distro" in body for body in bodies)
    assert "10 spans" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("queue_size", ["512", ""], ids=["of the user's size", "of nobody's"])
def test_a_burst_is_delivered_or_counted(run_program: Any, protocol: str, queue_size: str) -> None:
    """Of 5,000 spans at full speed, a queue that is too small loses some, each of them counted; one whose size nobody
    set loses none.
    """
    done, receiver = run_against(
        run_program, protocol, lambda _: OK, "5000", OTEL_BSP_MAX_QUEUE_SIZE=queue_size, OTEL_LOGS_EXPORTER="none"
    )
    arrived = len({span.span_id for span in receiver.spans})
    last = done.stderr.splitlines()[-1] if done.stderr else ""
    lost = re.search(r"(\d+) spans", last)
    assert arrived + (int(lost[1]) if lost else 0) == 5000
    assert len(receiver.spans) == arrived
    assert receiver.telemetry.points_of("work.done")[-1].value == 5000
    assert arrived == 5000 or queue_size
