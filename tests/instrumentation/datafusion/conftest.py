"""DataFusion under our instrumentor, with tables whose real executions can be counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor

if TYPE_CHECKING:
    from pathlib import Path

    from codeanatomy_distro.testing import Telemetry

datafusion: Any = pytest.importorskip("datafusion")
pa: Any = pytest.importorskip("pyarrow")

ROWS = 100
Instrument = Callable[..., DataFusionInstrumentor]


@dataclass
class Tally:
    """Counts the batches that a volatile function was called with: at least one an execution, none without one."""

    calls: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def __call__(self, values: Any) -> Any:
        """Count one batch and keep all of its rows."""
        with self.lock:
            self.calls += 1
        return pa.array([True] * len(values))


@dataclass
class Case:
    """A context with one small table, a DataFrame over it that can't be read without being counted, and a folder."""

    context: Any
    frame: Any
    tally: Tally
    folder: Path


@pytest.fixture
def instrument(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instrument]:
    """Give what instruments DataFusion with settings of its own, undone after the test."""
    del telemetry  # it has set the providers by now
    instrumentor = DataFusionInstrumentor()

    def begin(level: str = "summary", **settings: str) -> DataFusionInstrumentor:
        monkeypatch.setenv("CODEANATOMY_OTEL_DATAFUSION_METRICS", level)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        instrumentor.instrument()
        return instrumentor

    yield begin
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def instrumented(instrument: Instrument) -> DataFusionInstrumentor:
    """Instrument DataFusion with the default settings."""
    return instrument()


@pytest.fixture
def case(instrumented: DataFusionInstrumentor, tmp_path: Path) -> Case:
    """Give a case under instrumentation."""
    del instrumented
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(2))
    context.register_record_batches("numbers", [[pa.record_batch({"a": list(range(ROWS)), "b": ["x"] * ROWS})]])
    tally = Tally()
    context.register_udf(datafusion.udf(tally, [pa.int64()], pa.bool_(), "volatile", name="tally"))
    frame = context.sql("select a, b from numbers where tally(a)")
    return Case(context, frame, tally, tmp_path)


@pytest.fixture
def executions(telemetry: Telemetry) -> Callable[[], list[str]]:
    """Give what tells the methods of the executions and writes since the last time it was asked."""

    def told() -> list[str]:
        names = {"datafusion.execute", "datafusion.write"}
        found = [str((span.attributes or {})["datafusion.method"]) for span in telemetry.spans() if span.name in names]
        telemetry.reset()
        return found

    return told
