"""A back end that is down, slow, full or wrong: the program is not held up, and what is lost is counted and said."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.otlp_behaviour import OK, Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codeanatomy_distro.testing.otlp_behaviour import OtlpRequest

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).parent / "process_programs" / "recording.py")
PROTOCOLS = ("grpc", "http/protobuf")
DEADLINE = 1.5
SECONDS_TO_LEAVE = DEADLINE + 3  # an interpreter's end on a busy machine; every fault would take ten seconds by itself

FAULTS: dict[str, Behaviour | None] = {
    "refused": None,
    "unknown host": None,
    "TLS expected": OK,
    "never answers": Behaviour(hang=True),
    "resets": Behaviour(reset=True),
    "400": Behaviour(status=400),
    "401": Behaviour(status=401),
    "413": Behaviour(status=413),
    "429": Behaviour(status=429, retry_after=30),
    "503": Behaviour(status=503),
}
FINAL = {"400", "401", "413"}  # the same request must not be sent again


def closed_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def results(run_program: Any) -> Iterator[dict[tuple[str, str], Future[Any]]]:
    """Each fault over each protocol: how the program ended, how long it took to leave, and the requests it made."""

    def run(combination: tuple[str, str]) -> tuple[Any, float, tuple[OtlpRequest, ...]]:
        fault, protocol = combination
        behaviour = FAULTS[fault] or OK
        with OtlpReceiver(lambda _: behaviour) as receiver:
            endpoint = {
                "refused": f"http://127.0.0.1:{closed_port()}",
                "unknown host": "http://no-such-host.invalid:4317",
                "TLS expected": receiver.endpoint(protocol).replace("http://", "https://"),  # pyright: ignore[reportArgumentType]
            }.get(fault, receiver.endpoint(protocol))  # pyright: ignore[reportArgumentType]
            done = run_program(
                PROGRAM,
                instrumented=False,
                environ={
                    "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                    "OTEL_TRACES_SAMPLER": "always_on",
                    # A final answer makes the process wait for nothing, so that there the deadline is but a safeguard.
                    "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "20000" if fault in FINAL else str(int(DEADLINE * 1000)),
                },
            )
            return done, time.time() - float(done.stdout.split()[1]), receiver.requests

    combinations = [(fault, protocol) for fault in FAULTS for protocol in PROTOCOLS]
    with ThreadPoolExecutor(2) as pool:
        yield {combination: pool.submit(run, combination) for combination in combinations}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_program_is_held_up_no_longer_than_the_deadline(results: Any, fault: str, protocol: str) -> None:
    """Its exit code is its own, its work is done at once, and leaving takes the deadline at most."""
    done, leaving, _ = results[fault, protocol].result()
    assert done.code == 0
    assert float(done.stdout.split()[0]) < 0.5
    assert leaving < SECONDS_TO_LEAVE


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_line_says_what_was_not_delivered_and_where_to(results: Any, fault: str, protocol: str) -> None:
    """The last line on stderr has the exact counts and the endpoint; no traceback of ours or of a library is there."""
    done, _, _ = results[fault, protocol].result()
    last = done.stderr.splitlines()[-1]
    assert last.startswith("codeanatomy-distro: not delivered: ")
    assert re.findall(r"\d+ (?:spans|log records)", last) == ["1 spans", "1 log records"]
    assert re.search(r"[1-9]\d* metric points", last)  # older SDKs measure themselves as well
    assert "Traceback" not in done.stderr
    # gRPC's C library says of each TLS handshake by itself what was wrong, and is not ours to silence.
    said = [line for line in done.stderr.splitlines() if not re.match(r"[IWE]\d{4} ", line)]
    assert len(said) <= 4  # one warning a signal, where the answer was final


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", sorted(FINAL))
def test_a_final_answer_ends_it(results: Any, fault: str, protocol: str) -> None:
    """A request that the receiver will never take is sent once a signal, and the process does not wait for it."""
    _, _, requests = results[fault, protocol].result()
    assert sorted(request.signal for request in requests) == ["logs", "metrics", "traces"]


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
    """With half a second to each answer, the program's own work takes what it always takes, and all arrives."""
    done, receiver = run_against(
        run_program, protocol, lambda _: Behaviour(delay=0.5), "200", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="20"
    )
    assert float(done.stdout.split()[0]) < 0.5
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
def test_a_burst_is_delivered_or_counted(run_program: Any, protocol: str) -> None:
    """Of 20,000 spans at full speed with default settings, each arrives or is in the count of the last line."""
    done, receiver = run_against(run_program, protocol, lambda _: OK, "20000")
    arrived = len({span.span_id for span in receiver.spans})
    last = done.stderr.splitlines()[-1] if done.stderr else ""
    lost = re.search(r"(\d+) spans", last)
    assert arrived + (int(lost[1]) if lost else 0) == 20000
    assert len(receiver.spans) == arrived
    assert receiver.telemetry.points_of("work.done")[-1].value == 20000
