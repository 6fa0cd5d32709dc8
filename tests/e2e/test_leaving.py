"""However a process leaves, what it recorded arrives, and it leaves as it would have without telemetry."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeanatomy_distro.testing.otlp import Telemetry

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).parent / "process_programs" / "leaving.py")
WAYS = {
    "return": 0,
    "exit": 3,
    "raise SystemExit": 4,
    "exception": 1,
    "terminate": -15,
    "earlier handler": 7,
    "interrupt": -2,
    "interrupt without handler": -2,
    "chained by a later handler": 0,
    "thread": 0,
    "daemon thread": 0,
    "at exit": 0,
    "terminate at exit": -15,
    "at once": 5,
    "abort": -6,
    "killed": -9,
}
MORE = {"thread": "late", "at exit": "at exit", "chained by a later handler": "after"}
SAID_BY_PYTHON = {
    "exception": "raise ValueError(message)\nValueError: of the program\n",
    "interrupt": "KeyboardInterrupt\n",
}
INTERVALS = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "50"}
LOSES_WHAT_IS_YOUNGER_THAN_THE_INTERVAL = {"at once", "abort", "killed"}


@pytest.fixture(scope="module")
def left(run_program: Any) -> Iterator[dict[tuple[str, str], Future[tuple[Any, Telemetry]]]]:
    """Each way over each protocol: how the program ended, and what arrived."""

    def run(combination: tuple[str, str]) -> tuple[Any, Telemetry]:
        way, protocol = combination
        # Nothing of what is tested here depends on a quick machine.
        environ = {"CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "20000"}
        options: dict[str, Any] = {"protocol": protocol, "instrumented": False}
        with OtlpReceiver() as receiver:
            if way in LOSES_WHAT_IS_YOUNGER_THAN_THE_INTERVAL:
                environ |= INTERVALS
                options["meanwhile"] = lambda: receiver.wait_for(
                    lambda got: got.spans and got.log_records and got.points_of("leaving.count"), timeout=60
                )
            done = run_program(PROGRAM, way, receiver=receiver, environ=environ, **options)
            return done, receiver.telemetry

    combinations = [(way, protocol) for way in WAYS for protocol in ("grpc", "http/protobuf")]
    with ThreadPoolExecutor(3) as pool:
        yield {combination: pool.submit(run, combination) for combination in combinations}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_recorded_arrives(left: Any, way: str, protocol: str) -> None:
    """Span, log record and count are there once, and so is what was recorded on the way out."""
    _, telemetry = left[way, protocol].result()
    expected = ["work", *([MORE[way]] if way in MORE else [])]
    assert sorted(span.name for span in telemetry.spans) == sorted(expected)
    assert sorted(record.body for record in telemetry.log_records if record.scope.name == "leaving") == sorted(expected)
    assert telemetry.points_of("leaving.count")[-1].value == len(expected)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("way", WAYS)
def test_the_program_ends_as_it_would_have(left: Any, way: str, protocol: str) -> None:
    """The exit status is the program's own, its handlers have run, and stderr holds nothing of ours."""
    done, _ = left[way, protocol].result()
    assert done.code == WAYS[way]
    assert done.stdout == {"earlier handler": "handled SIGTERM\n", "chained by a later handler": "goes on\n"}.get(
        way, ""
    )
    assert done.stderr.endswith(SAID_BY_PYTHON.get(way, ""))
    assert way in SAID_BY_PYTHON or not done.stderr
    assert done.stderr.count("Traceback") == (way in SAID_BY_PYTHON)
