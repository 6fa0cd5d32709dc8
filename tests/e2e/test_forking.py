"""Processes that fork by themselves, in the midst of exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).parent / "process_programs" / "forking.py")
PROTOCOLS = ("grpc", "http/protobuf")


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
