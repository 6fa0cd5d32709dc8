"""Processes that fork by themselves, in the midst of exports."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).parent / "process_programs" / "forking.py")
OF_THREADS = str(Path(__file__).parent / "process_programs" / "forking_threads.py")
PROTOCOLS = ("grpc", "http/protobuf")
# What becomes of a child that a thread forked, and the spans of all its processes.
WAYS = {
    "returns": ["child", "parent"],
    "raises SystemExit": ["child", "parent"],
    "leaves a thread": ["child", "left", "parent"],
    "forks again": ["child", "child", "parent"],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_fork_hangs_a_child_or_loses_a_span_or_makes_python_warn(
    run_program: Any, receiver: OtlpReceiver, protocol: str
) -> None:
    """Thirty forks in the midst of exports: each child ends with its code, all spans arrive, and nothing warns."""
    done = run_program(
        "-W",
        "error::DeprecationWarning:__main__",
        PROGRAM,
        receiver=receiver,
        protocol=protocol,
        instrumented=False,
        environ={
            "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "20000",
            "OTEL_BSP_SCHEDULE_DELAY": "1",
            "OTEL_METRIC_EXPORT_INTERVAL": "20",
        },
    )
    assert done.code == 0, done.stderr
    assert done.stdout.split() == [str(number) for number in range(30)]
    assert len(receiver.telemetry.spans_named("child")) == 30
    assert len(receiver.telemetry.spans_named("parent")) == 600
    assert not done.stderr
    last = {
        point.resource.attributes["process.pid"]: point.value for point in receiver.telemetry.points_of("forking.count")
    }
    assert sorted(last.values(), key=str) == [1] * 30 + [600]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("way", WAYS)
def test_a_child_that_a_thread_forked_ends_with_that_thread_and_loses_nothing(
    run_program: Any, receiver: OtlpReceiver, protocol: str, way: str
) -> None:
    """It has no interpreter's exit: its status is 0, as without us, and all that it recorded arrives, once."""
    done = run_program(
        OF_THREADS,
        way,
        receiver=receiver,
        protocol=protocol,
        instrumented=False,
        environ={"CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "20000"},
        limit=50,
    )
    assert (done.code, done.stdout) == (0, "[0]"), done.stderr
    assert sorted(span.name for span in receiver.spans) == WAYS[way]
    last = {
        point.resource.attributes["process.pid"]: int(point.value or 0)
        for point in receiver.telemetry.points_of("forking.count")
    }
    assert sum(last.values()) == len(WAYS[way])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_child_that_a_thread_forked_ends_though_nobody_answers(run_program: Any, protocol: str) -> None:
    """An export that hangs, for an hour by the settings, keeps no process alive beyond the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = run_program(
            OF_THREADS,
            "returns",
            instrumented=False,
            environ={
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_EXPORTER_OTLP_TIMEOUT": "3600000",
                "OTEL_BSP_SCHEDULE_DELAY": "1",
                "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "200",
            },
            limit=50,
        )
    assert (done.code, done.stdout) == (0, "[0]"), done.stderr
