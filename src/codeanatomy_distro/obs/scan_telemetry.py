"""What scans of files read: fragments, row groups and how many of them pruning left, by dataset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.obs.logs import emit_diagnostics_event
from codeanatomy_distro.obs.metrics import set_scan_telemetry

if TYPE_CHECKING:
    from codeanatomy_distro.obs.diagnostics import DiagnosticsCollector

__all__ = ["SCAN_EVENT", "ScanTelemetry", "record_scan"]

SCAN_EVENT: Final = "datafusion.scan"
"""The name of the diagnostics event of a scan."""


@dataclass(frozen=True)
class ScanTelemetry:
    """What one scan of `dataset` read; None is what its source doesn't tell.

    `fragments` are files, or fragments of a pyarrow dataset. Of `row_groups_total`, those that could be read,
    `row_groups_matched` were left by pruning. `bytes_scanned` are the bytes that were asked for.
    """

    dataset: str
    fragments: int | None = None
    row_groups_total: int | None = None
    row_groups_matched: int | None = None
    bytes_scanned: int | None = None

    @property
    def row_groups_pruned(self) -> int | None:
        """Return how many row groups were not read, thanks to statistics; None where that is not known."""
        if self.row_groups_total is None or self.row_groups_matched is None:
            return None
        return self.row_groups_total - self.row_groups_matched

    def set_gauges(self) -> None:
        """Set ``codeanatomy.scan.row_groups`` to the row groups that were read, and ``codeanatomy.scan.fragments``."""
        set_scan_telemetry(self.dataset, row_groups=self.row_groups_matched, fragments=self.fragments)


def record_scan(scan: ScanTelemetry, collector: DiagnosticsCollector | None = None) -> None:
    """Set the gauges of `scan` and record it as the diagnostics event ``datafusion.scan``, in `collector` if given."""
    scan.set_gauges()
    payload = {
        key: value
        for key, value in {**asdict(scan), "row_groups_pruned": scan.row_groups_pruned}.items()
        if value is not None
    }
    if collector is None:
        emit_diagnostics_event(SCAN_EVENT, payload)
    else:
        collector.record_event(SCAN_EVENT, payload)
