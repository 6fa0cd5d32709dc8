"""Workers that Dask and Ray start, set up by one line or by none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = [pytest.mark.e2e, pytest.mark.distributed]

PROGRAM = str(Path(__file__).parent / "process_programs" / "clusters.py")


# On a busy machine nothing that these clusters do is quick: neither their start nor the export at their end may fail
# for that.
PATIENT = {
    "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "60000",
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_AUTH_MODE": "disabled",
}
NEVER_BY_THE_CLOCK = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_METRIC_EXPORT_INTERVAL": "600000"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cluster", ["dask", "preloaded", "ray", "instrumented-ray"])
def test_what_workers_record_arrives_under_their_own_name(
    run_program: Any, receiver: OtlpReceiver, cluster: str
) -> None:
    """Each piece of work's span and count is there once, from the process that did it, in the run that asked for it.

    On Ray nothing but the flush that the driver asks for can be the cause: the clock would export in ten minutes.
    """
    pytest.importorskip("ray" if cluster.endswith("ray") else "distributed")
    done = run_program(
        PROGRAM,
        cluster,
        receiver=receiver,
        instrumented=cluster.startswith("instrumented"),
        environ={**PATIENT, **(NEVER_BY_THE_CLOCK if cluster.endswith("ray") else {}), "CODEANATOMY_RUN_ID": "run-1"},
        limit=280,
    )
    assert done.code == 0, done.stderr
    work = receiver.telemetry.spans_named("work")
    assert sorted(str(span.attributes["number"]) for span in work) == ["0", "1", "2", "3"]
    assert {str(span.attributes["pid"]) for span in work} == set(done.stdout.split())
    for span in work:
        assert span.attributes["had_exporter"] is True
        assert span.resource.attributes["process.pid"] == span.attributes["pid"]
        assert span.attributes["codeanatomy.run_id"] == "run-1"
    # Cumulative sums by the process that made them: the last of each counts.
    counted = [point for point in receiver.metric_points if point.name == "pieces"]
    assert sum({point.resource.attributes["process.pid"]: int(point.value or 0) for point in counted}.values()) == 4
