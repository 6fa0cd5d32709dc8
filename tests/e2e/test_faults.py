"""A back end that is down, slow, full or wrong: the program is not held up, and what is lost is counted and said."""

from __future__ import annotations

import re
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.otlp_behaviour import OK, Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeanatomy_distro.testing.otlp import Protocol
    from codeanatomy_distro.testing.otlp_behaviour import OtlpRequest

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).parent / "process_programs" / "recording.py")
PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http/protobuf")
DEADLINE = 1.0
FINAL_DEADLINE = 20.0  # a final answer makes the process wait for nothing, so that there it is but a safeguard
SHORT_DEADLINE = 0.2
SLACK = 0.3  # beyond the deadline, for the exit as a whole
ATTEMPTS = 3  # of a run that took too long: a machine may be busy, but a deadline that is not kept is never kept

FAULTS: dict[str, Behaviour | None] = {
    "refused": None,
    "unknown host": None,
    "TLS expected": OK,
    "accepts and says nothing": None,
    "never answers": Behaviour(hang=True),
    "resets": Behaviour(reset=True),
    "400": Behaviour(status=400),
    "401": Behaviour(status=401),
    "413": Behaviour(status=413),
    "429": Behaviour(status=429, retry_after=30),
    "503": Behaviour(status=503),
}
FINAL = {"400", "401", "413"}  # the same request must not be sent again
DEADLINES = {fault: FINAL_DEADLINE if fault in FINAL else DEADLINE for fault in FAULTS}
CASES = [*DEADLINES.items(), ("refused", SHORT_DEADLINE), ("never answers", SHORT_DEADLINE)]


def closed_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Result:
    """How the program ended, how long its work and its exit took, and the requests it made."""

    ended: Any
    worked: float
    leaving: float
    requests: tuple[OtlpRequest, ...]


@pytest.fixture(scope="module")
def results(run_program: Any) -> Iterator[dict[tuple[str, str, float], Future[Result]]]:
    """Each fault over each protocol, and some under a shorter deadline."""

    def run(fault: str, protocol: Protocol, deadline: float) -> Result:
        behaviour = FAULTS[fault] or OK
        with OtlpReceiver(lambda _: behaviour) as receiver, socket.create_server(("127.0.0.1", 0)) as silent:
            endpoint = {
                "accepts and says nothing": f"http://127.0.0.1:{silent.getsockname()[1]}",
                "refused": f"http://127.0.0.1:{closed_port()}",
                "unknown host": "http://no-such-host.invalid:4317",
                "TLS expected": receiver.endpoint(protocol).replace("http://", "https://"),
            }.get(fault, receiver.endpoint(protocol))
            done = run_program(
                PROGRAM,
                instrumented=False,
                environ={
                    "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                    "OTEL_TRACES_SAMPLER": "always_on",
                    "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": str(int(deadline * 1000)),
                },
            )
            worked, leaving = map(float, done.stdout.split())
            return Result(done, worked, leaving, receiver.requests)

    def best(fault: str, protocol: Protocol, deadline: float) -> Result:
        result = run(fault, protocol, deadline)
        for _ in range(1, ATTEMPTS):
            if max(result.worked, result.leaving) > deadline + SLACK:
                result = run(fault, protocol, deadline)
        return result

    combinations: list[tuple[str, Protocol, float]]
    combinations = [(fault, protocol, deadline) for fault, deadline in CASES for protocol in PROTOCOLS]
    with ThreadPoolExecutor(3) as pool:
        yield {combination: pool.submit(best, *combination) for combination in combinations}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("fault", "deadline"), CASES)
def test_the_program_is_held_up_no_longer_than_the_deadline(
    results: Any, fault: str, deadline: float, protocol: str
) -> None:
    """Its exit code is its own, its work is done at once, and leaving takes the deadline at most."""
    result = results[fault, protocol, deadline].result()
    assert result.ended.code == 0
    assert result.worked < deadline + SLACK
    assert result.leaving < deadline + SLACK


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_line_says_what_was_not_delivered_and_where_to(results: Any, fault: str, protocol: str) -> None:
    """The last line on stderr has the exact counts, the endpoint and why; no traceback of ours or of a library is
    there.
    """
    done = results[fault, protocol, DEADLINES[fault]].result().ended
    # gRPC's C library says of each TLS handshake by itself what was wrong, and is not ours to silence.
    said = [line for line in done.stderr.splitlines() if not re.match(r"[IWE]\d{4} ", line)]
    last = said[-1]
    assert last.startswith("codeanatomy-distro: not delivered: ")
    assert re.findall(r"\d+ (?:spans|log records)", last) == ["1 spans", "1 log records"]
    assert re.search(r"[1-9]\d* metric points", last)  # older SDKs measure themselves as well
    assert re.fullmatch(r"(.+ to \S+ \(.+\)(; )?)+", last)
    assert "Traceback" not in done.stderr
    assert len(said) <= 4  # one warning a signal, where the answer was final


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", sorted(FINAL))
def test_a_final_answer_ends_it(results: Any, fault: str, protocol: str) -> None:
    """A request that the receiver will never take is sent once a signal, and the process does not wait for it."""
    result = results[fault, protocol, FINAL_DEADLINE].result()
    assert sorted(request.signal for request in result.requests) == ["logs", "metrics", "traces"]
    assert result.leaving < FINAL_DEADLINE / 2
