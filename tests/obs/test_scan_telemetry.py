"""Scans are told by dataset: gauges, and a diagnostics event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeanatomy_distro.obs.diagnostics import DiagnosticsCollector
from codeanatomy_distro.obs.scan_telemetry import SCAN_EVENT, ScanTelemetry, record_scan

if TYPE_CHECKING:
    from codeanatomy_distro.testing import Telemetry


def test_a_scan_sets_its_gauges_and_is_recorded(telemetry: Telemetry) -> None:
    """A recorded scan sets both gauges of its dataset and is an event with what pruning saved."""
    collector = DiagnosticsCollector()
    record_scan(ScanTelemetry("items", 8, 64, 16, 4096), collector)
    values = {
        point.name: point.data.value for point in telemetry.metrics() if point.attributes.get("dataset") == "items"
    }
    assert values == {"codeanatomy.scan.row_groups": 16, "codeanatomy.scan.fragments": 8}
    (event,) = collector.events()
    assert event.name == SCAN_EVENT
    assert event.payload["row_groups_pruned"] == 48


def test_what_is_not_known_is_not_told(telemetry: Telemetry) -> None:
    """A source without row groups sets no gauge of them, and its event leaves them out."""
    record_scan(ScanTelemetry("rows", fragments=3))
    assert [point.name for point in telemetry.metrics() if point.attributes.get("dataset") == "rows"] == [
        "codeanatomy.scan.fragments"
    ]
    attributes = telemetry.logs()[-1].log_record.attributes or {}
    assert attributes["fragments"] == 3
    assert "row_groups_total" not in attributes
    assert ScanTelemetry("rows").row_groups_pruned is None
