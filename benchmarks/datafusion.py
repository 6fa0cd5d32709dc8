"""What the instrumentation of DataFusion costs: bare against instrumented, interleaved in one run, against its bars.

Each round runs every variant once, in another order each time; what is compared is a variant's median in a round with
the bare median of that very round, so that a machine that slows down slows both. For scale there is also what naive
wrapping costs on the same machine: a span and a histogram around two methods by the book, and nothing else; the ratio
to it is what can be compared between machines, and so is what a bar comes to at the speed of the machine it was set
for. Means stand beside the medians, for what is done once in many queries shows in them alone, and a second bare
variant, which tells what difference means nothing. Of a query of milliseconds, whose own time varies by more than its
bars, what is compared is the time outside the engine's two calls. Spans go through the batch processor to an exporter
that drops them. Exit code 1 tells of a missed bar.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import wrapt
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# This file bears the name of what it measures, which Python would otherwise find here.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

datafusion: Any = import_module("datafusion")
pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")

Raw: TypeAlias = Any
_LEVEL = "CODEANATOMY_OTEL_DATAFUSION_METRICS"
_ROWS_A_FILE = 65_536
_BARE_OF_BARS = 130.0
"""How long `select 1` takes, in microseconds, on the machine that the absolute bars were set for."""


class _DropSpans(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS


@dataclass(frozen=True)
class Variant:
    """One way to run: with which level of the engine's figures, and sampled or not; None for bare."""

    name: str
    level: str | None
    sampled: bool = True


_BARE = Variant("bare", None)
_NAIVE = Variant("naive", "naive")
_VARIANTS = (
    _BARE,
    Variant("bare again", None),
    _NAIVE,
    Variant("recorded", "off"),
    Variant("+ summary", "summary"),
    Variant("+ operators", "full"),
    Variant("sampled out", "summary", sampled=False),
)


@dataclass(frozen=True)
class Work:
    """One thing to time: `bars` in microseconds (absolute) or in per cent of the bare time (relative), by variant."""

    name: str
    run: Callable[[], object]
    repeats: int
    rounds: int
    relative: bool
    bars: dict[str, float]


def _make_files(folder: Path) -> None:
    generator = random.Random(7)
    for number in range(8):
        table = pa.table(
            {
                "id": pa.array(range(number * _ROWS_A_FILE, (number + 1) * _ROWS_A_FILE)),
                "kind": pa.array([f"kind-{value % 25}" for value in range(_ROWS_A_FILE)]),
                "amount": pa.array([generator.random() for _ in range(_ROWS_A_FILE)]),
            }
        )
        pq.write_table(table, folder / f"part-{number}.parquet")


class _Engine:
    """The engine's two methods, below all patches: how long they took, in nanoseconds."""

    taken = 0

    @classmethod
    def probe(cls, owner: Raw, name: str) -> None:
        """Have the method `name` of `owner`, a class of ``datafusion._internal``, add up its time."""
        original = getattr(owner, name)

        def probed(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
            started = time.perf_counter_ns()
            try:
                return original(self, *args, **kwargs)
            finally:
                cls.taken += time.perf_counter_ns() - started

        setattr(owner, name, probed)


class _Naive:
    """What one would write first: a current span a call, and a histogram with attributes made each time."""

    def __init__(self) -> None:
        self.originals: dict[str, Any] = {}

    def wrap(self, provider: TracerProvider) -> None:
        """Wrap the two methods that the works call."""
        tracer = provider.get_tracer("naive")
        histogram = metrics.get_meter("naive").create_histogram("naive.duration", "s")

        def around(span: str, **attributes: str) -> Callable[..., Raw]:
            def wrapper(wrapped: Raw, instance: object, args: Raw, kwargs: Raw) -> Raw:
                del instance
                started = time.perf_counter()
                with tracer.start_as_current_span(span, attributes=attributes):
                    result = wrapped(*args, **kwargs)
                    if span == "execute":
                        histogram.record(time.perf_counter() - started, {"status": "ok", "plan_kind": "sql"})
                return result

            return wrapper

        self.originals = {"sql": datafusion.SessionContext.sql, "collect": datafusion.DataFrame.collect}
        described = {"db.system.name": "datafusion", "db.operation.name": "SELECT"}
        cast("Any", wrapt).wrap_function_wrapper(datafusion.SessionContext, "sql", around("compile", **described))
        cast("Any", wrapt).wrap_function_wrapper(
            datafusion.DataFrame, "collect", around("execute", **described, plan_kind="sql")
        )

    def unwrap(self) -> None:
        """Put the originals back, if they were wrapped."""
        if self.originals:
            datafusion.SessionContext.sql = self.originals["sql"]
            datafusion.DataFrame.collect = self.originals["collect"]
            self.originals = {}


_naive = _Naive()


def _switch(variant: Variant, providers: dict[bool, TracerProvider]) -> None:
    instrumentor = DataFusionInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    _naive.unwrap()
    if variant is _NAIVE:
        _naive.wrap(providers[True])
    elif variant.level is not None:
        os.environ[_LEVEL] = variant.level
        instrumentor.instrument(tracer_provider=providers[variant.sampled])


def _time(work: Work, providers: dict[bool, TracerProvider]) -> tuple[float, dict[str, list[tuple[float, float]]]]:
    """Return the median of all, and median and mean of each round by variant, in microseconds.

    The latter are without the engine's own time if the bars are relative.
    """
    rounds: dict[str, list[tuple[float, float]]] = {variant.name: [] for variant in _VARIANTS}
    order = list(_VARIANTS)
    whole: list[float] = []
    for _ in range(work.rounds):
        random.shuffle(order)
        for variant in order:
            _switch(variant, providers)
            work.run()
            taken: list[float] = []
            gc.collect()
            gc.disable()
            for _ in range(work.repeats):
                _Engine.taken = 0
                started = time.perf_counter_ns()
                work.run()
                all_in_all = time.perf_counter_ns() - started
                taken.append((all_in_all - _Engine.taken if work.relative else all_in_all) / 1000)
                whole.append(all_in_all / 1000)
            gc.enable()
            rounds[variant.name].append((statistics.median(taken), statistics.mean(taken)))
    _switch(_BARE, providers)
    return statistics.median(whole), rounds


def _added(rounds: dict[str, list[tuple[float, float]]], name: str) -> tuple[float, float]:
    """Return by how much the median and the mean of `name` exceed the bare ones: the median over the rounds."""
    pairs = list(zip(rounds[name], rounds["bare"], strict=True))
    return (
        statistics.median(there[0] - here[0] for there, here in pairs),
        statistics.median(there[1] - here[1] for there, here in pairs),
    )


def _report(work: Work, whole: float, rounds: dict[str, list[tuple[float, float]]]) -> bool:
    bare = whole if work.relative else statistics.median(median for median, _ in rounds["bare"])
    naive, _ = _added(rounds, _NAIVE.name)
    of = "in all, of which what is added outside the engine is compared" if work.relative else "bare"
    print(f"\n{work.name}: {bare:,.0f} µs {of} (medians of {work.rounds} rounds of {work.repeats})")
    met = True
    for variant in _VARIANTS[1:]:
        added, mean = _added(rounds, variant.name)
        percent = 100 * added / bare
        told = f"  {variant.name:12s} {added:+9.1f} µs {percent:+7.2f} %  mean {mean:+9.1f} µs"
        told += f"  {added / naive:5.2f} of naive"
        bar = work.bars.get(variant.name)
        if bar is not None:
            measured, unit = (percent, "%") if work.relative else (added, "µs")
            good = measured <= bar
            met = met and good
            told += f"   bar {bar:g} {unit} {measured / bar:5.2f} of it  {'ok' if good else 'MISSED'}"
            if not work.relative:
                told += f"  ({measured / bar * _BARE_OF_BARS / bare:.2f} at {_BARE_OF_BARS:g} µs bare)"
        print(told)
    return met


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--noise", type=float, default=0.5, help="what counts as noise, in per cent of the bare time")
    arguments = parser.parse_args()
    exporter = _DropSpans()
    providers = {sampled: TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF) for sampled in (True, False)}
    for provider in providers.values():
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(providers[True])
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    with tempfile.TemporaryDirectory() as folder:
        _make_files(Path(folder))
        context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(2))
        context.register_parquet("events", folder)
        query = "select kind, sum(amount) as total, count(*) as n from events where id > 1000 group by kind"
        works = (
            Work(
                "select 1", lambda: context.sql("select 1").collect(), 60, arguments.rounds, relative=False,
                bars={"recorded": 110, "+ summary": 150, "+ operators": 220, "sampled out": 35},
            ),
            Work(
                "8 Parquet files", lambda: context.sql(query).collect(), 12, arguments.rounds, relative=True,
                bars={"recorded": 1, "+ summary": 2, "+ operators": 4, "sampled out": arguments.noise},
            ),
        )  # fmt: skip
        _Engine.probe(datafusion._internal.SessionContext, "sql_with_options")  # noqa: SLF001 - it has no public name
        _Engine.probe(datafusion._internal.DataFrame, "collect")  # noqa: SLF001 - as above
        met = [_report(work, *_time(work, providers)) for work in works]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
