"""A run of DataFusion work has ids, a beginning, an end and an outcome, told as diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codeanatomy_distro.obs.datafusion_runs import (
    RUN_FINISHED,
    RUN_STARTED,
    current_run,
    datafusion_run,
    finish_run,
    start_run,
)
from codeanatomy_distro.obs.diagnostics import DiagnosticsCollector
from codeanatomy_distro.obs.scan_telemetry import SCAN_EVENT, ScanTelemetry

if TYPE_CHECKING:
    from codeanatomy_distro.testing import Telemetry


def test_a_run_tells_its_life_and_its_scans(telemetry: Telemetry) -> None:
    """Start, scans and finish are events with the run's correlation id; within the block the run is the current one."""
    collector = DiagnosticsCollector()
    with datafusion_run("nightly", correlation_id="abc", collector=collector) as run:
        assert current_run() is run
        run.add_scan(ScanTelemetry("items", 2))
    assert current_run() is None
    assert [event.name for event in collector.events()] == [RUN_STARTED, SCAN_EVENT, RUN_FINISHED]
    last = collector.events()[-1].payload
    assert (last["correlation_id"], last["outcome"], last["scans"]) == ("abc", "ok", 1)
    assert last["run_id"] == telemetry.run_id
    assert run.seconds is not None
    assert run.seconds >= 0


def test_a_failed_run_says_so_and_the_error_passes(telemetry: Telemetry) -> None:
    """An error ends the run with its type and reaches the caller unchanged."""
    del telemetry
    collector = DiagnosticsCollector()
    error = LookupError("gone")
    with pytest.raises(LookupError) as caught, datafusion_run(collector=collector):
        raise error
    assert caught.value is error
    payload = collector.events()[-1].payload
    assert (payload["outcome"], payload["error_type"]) == ("error", "LookupError")


def test_a_run_finishes_once(telemetry: Telemetry) -> None:
    """Runs have ids of their own, and finishing one again changes and tells nothing."""
    first, second = start_run(), start_run()
    assert first.correlation_id != second.correlation_id
    finish_run(first)
    before = first.finished
    told = len(telemetry.logs())
    finish_run(first, ValueError("late"))
    assert (first.finished, first.outcome, len(telemetry.logs())) == (before, "ok", told)
