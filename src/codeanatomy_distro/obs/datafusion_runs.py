"""One run of DataFusion work: ids that correlate what it did, its life cycle, and its scans, told as diagnostics."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from codeanatomy_distro.obs.errors import error_type
from codeanatomy_distro.obs.logs import emit_diagnostics_event
from codeanatomy_distro.obs.run_context import get_run_id
from codeanatomy_distro.obs.scan_telemetry import ScanTelemetry, record_scan

if TYPE_CHECKING:
    from collections.abc import Generator

    from codeanatomy_distro.obs.diagnostics import DiagnosticsCollector

__all__ = ["RUN_FINISHED", "RUN_STARTED", "DataFusionRun", "current_run", "datafusion_run", "finish_run", "start_run"]

RUN_STARTED: Final = "datafusion.run.start"
RUN_FINISHED: Final = "datafusion.run.finish"

_current: ContextVar[DataFusionRun | None] = ContextVar("codeanatomy_datafusion_run", default=None)


@dataclass
class DataFusionRun:
    """One run: `correlation_id` is its own, `run_id` that of the pipeline it is part of, if it has one.

    Times are nanoseconds since the epoch; `outcome` is None while the run goes on.
    """

    correlation_id: str
    label: str
    run_id: str | None
    started: int
    collector: DiagnosticsCollector | None = field(default=None, repr=False)
    finished: int | None = None
    outcome: Literal["ok", "error"] | None = None
    error: str | None = None
    scans: int = 0

    @property
    def seconds(self) -> float | None:
        """Return how long the run took; None while it goes on."""
        return None if self.finished is None else (self.finished - self.started) / 1e9

    def add_scan(self, scan: ScanTelemetry) -> None:
        """Record a scan of this run."""
        self.scans += 1
        record_scan(scan, self.collector)

    def record(self, name: str, payload: dict[str, object]) -> None:
        """Record the diagnostics event `name` of this run, with the ids that correlate it."""
        told = {"correlation_id": self.correlation_id, "label": self.label, "run_id": self.run_id, **payload}
        if self.collector is None:
            emit_diagnostics_event(name, told)
        else:
            self.collector.record_event(name, told)


def current_run() -> DataFusionRun | None:
    """Return the run that the current context is in, or None."""
    return _current.get()


def start_run(
    label: str = "datafusion", *, correlation_id: str | None = None, collector: DiagnosticsCollector | None = None
) -> DataFusionRun:
    """Return a run that starts now, with a correlation id of its own unless one is given; told as an event."""
    run = DataFusionRun(
        correlation_id=correlation_id or uuid.uuid4().hex,
        label=label,
        run_id=get_run_id(),
        started=time.time_ns(),
        collector=collector,
    )
    run.record(RUN_STARTED, {"started_unix_ns": run.started})
    return run


def finish_run(run: DataFusionRun, error: BaseException | None = None) -> None:
    """Finish `run`, once: it went well unless `error` ended it. Told as an event with its duration in seconds."""
    if run.finished is not None:
        return
    run.finished = time.time_ns()
    run.outcome = "ok" if error is None else "error"
    run.error = None if error is None else error_type(error)
    payload: dict[str, object] = {"outcome": run.outcome, "seconds": run.seconds, "scans": run.scans}
    if run.error is not None:
        payload["error_type"] = run.error
    run.record(RUN_FINISHED, payload)


@contextmanager
def datafusion_run(
    label: str = "datafusion", *, correlation_id: str | None = None, collector: DiagnosticsCollector | None = None
) -> Generator[DataFusionRun]:
    """Make the block a run: DataFusion's scans inside are recorded as its diagnostics; an error passes unchanged."""
    run = start_run(label, correlation_id=correlation_id, collector=collector)
    token = _current.set(run)
    try:
        yield run
    except BaseException as error:
        finish_run(run, error)
        raise
    else:
        finish_run(run)
    finally:
        _current.reset(token)
