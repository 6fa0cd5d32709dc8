"""What the instrumentation of DataFusion costs: bare against instrumented, interleaved in one run, against its bars.

Each round runs every variant once, in another order each time; what is compared is a variant's median in a round with
the bare median of that very round, so that a machine that slows down slows both. The peer is naive wrapping, which
tells the same by the book (`datafusion_peer.py`): what carries over between machines is the ratio to it, level by
level. "SDK alone" is the floor: two spans that hold nothing. Behind a query that has emptied the processor's caches any
Python costs a multiple of what it does in a loop; a bar below the floor there can't be met by anyone. Means stand
beside the medians, for what is done once in many queries shows in them alone, and a second bare variant, which tells
what difference means nothing. Of a query of milliseconds, whose own time varies by more than its bars, what is compared
is the time outside the engine's two calls, and the noise is what whole runs differ by. Spans go through the batch
processor to an exporter that drops them. Exit code 1 tells of a missed bar.
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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from datafusion_peer import Peer
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


class _DropSpans(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS


@dataclass(frozen=True)
class Variant:
    """One way to run: with which level of the engine's figures, sampled or not, ours or the peer's; None for bare."""

    name: str
    level: str | None
    sampled: bool = True
    naive: bool = False


_BARE = Variant("bare", None)
_AGAIN = Variant("bare again", None)
_FLOOR = Variant("SDK alone", "floor", naive=True)
_OURS = (
    Variant("recorded", "off"),
    Variant("+ summary", "summary"),
    Variant("+ operators", "full"),
    Variant("sampled out", "summary", sampled=False),
)
_PEERS = {ours.name: Variant(f"naive {ours.name}", ours.level, sampled=ours.sampled, naive=True) for ours in _OURS}
_VARIANTS = (_BARE, _AGAIN, _FLOOR, *_PEERS.values(), *_OURS)


@dataclass(frozen=True)
class Work:
    """One thing to time: `bars` in microseconds (absolute) or in per cent of the bare time (relative), by variant.

    A variant without a bar is to stay within the noise.
    """

    name: str
    run: Callable[[], object]
    repeats: int
    rounds: int
    relative: bool
    bars: dict[str, float]


class Round(NamedTuple):
    """What one variant took in one round, in microseconds: of what is compared median and mean, and the whole."""

    median: float
    mean: float
    whole: float


Rounds: TypeAlias = "dict[str, list[Round]]"


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


def _switch(variant: Variant, providers: dict[bool, TracerProvider], peer: Peer) -> None:
    instrumentor = DataFusionInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    peer.unwrap()
    if variant.level is None:
        return
    if variant.naive:
        peer.wrap(providers[variant.sampled], variant.level)
    else:
        os.environ[_LEVEL] = variant.level
        instrumentor.instrument(tracer_provider=providers[variant.sampled])


def _time(work: Work, providers: dict[bool, TracerProvider], peer: Peer) -> Rounds:
    """Return each round by variant; what is compared is without the engine's own time if the bars are relative."""
    rounds: Rounds = {variant.name: [] for variant in _VARIANTS}
    order = list(_VARIANTS)
    for _ in range(work.rounds):
        random.shuffle(order)
        for variant in order:
            _switch(variant, providers, peer)
            work.run()
            whole: list[float] = []
            outside: list[float] = []
            gc.collect()
            gc.disable()
            for _ in range(work.repeats):
                _Engine.taken = 0
                started = time.perf_counter_ns()
                work.run()
                taken = time.perf_counter_ns() - started
                whole.append(taken / 1000)
                outside.append((taken - _Engine.taken) / 1000)
            gc.enable()
            compared = outside if work.relative else whole
            rounds[variant.name].append(
                Round(statistics.median(compared), statistics.mean(compared), statistics.median(whole))
            )
    _switch(_BARE, providers, peer)
    return rounds


def _added(rounds: Rounds, name: str) -> tuple[float, float]:
    """Return by how much the median and the mean of `name` exceed the bare ones: the median over the rounds."""
    pairs = list(zip(rounds[name], rounds["bare"], strict=True))
    return (
        statistics.median(there.median - here.median for there, here in pairs),
        statistics.median(there.mean - here.mean for there, here in pairs),
    )


def _noise(rounds: Rounds) -> float:
    """Return by how many microseconds a round of whole runs differs from another by itself: half of them by more."""
    pairs = zip(rounds[_AGAIN.name], rounds["bare"], strict=True)
    return statistics.median(abs(there.whole - here.whole) for there, here in pairs)


def _report(work: Work, rounds: Rounds) -> bool:
    bare = statistics.median(each.whole for each in rounds["bare"])
    of = "in all, of which what is added outside the engine is compared" if work.relative else "bare"
    print(f"\n{work.name}: {bare:,.0f} µs {of} (medians of {work.rounds} rounds of {work.repeats})")
    scale, unit = (100 / bare, "%") if work.relative else (1.0, "µs")
    noise, (floor, _) = _noise(rounds), _added(rounds, _FLOOR.name)
    print(f"  {'noise':18s} {noise:+9.1f} µs {100 * noise / bare:+7.2f} %  of whole runs, round by round")
    met = True
    for variant in _VARIANTS[1:]:
        added, mean = _added(rounds, variant.name)
        told = f"  {variant.name:18s} {added:+9.1f} µs {100 * added / bare:+7.2f} %  mean {mean:+9.1f} µs"
        if variant.name in _PEERS:
            naive, _ = _added(rounds, _PEERS[variant.name].name)
            bar = work.bars.get(variant.name, noise * scale)
            good = added * scale <= bar
            met = met and good
            told += f"  {added / naive:5.2f} of naive   bar {bar:.3g} {unit}: {added * scale / bar:5.2f} of it  "
            told += "ok" if good else "MISSED"
            if variant.sampled and floor * scale > bar:
                told += " (below the SDK alone)"
        print(told)
    return met


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
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
                bars={"recorded": 1, "+ summary": 2, "+ operators": 4},
            ),
        )  # fmt: skip
        peer = Peer(datafusion)
        _Engine.probe(datafusion._internal.SessionContext, "sql_with_options")  # noqa: SLF001 - it has no public name
        _Engine.probe(datafusion._internal.DataFrame, "collect")  # noqa: SLF001 - as above
        met = [_report(work, _time(work, providers, peer)) for work in works]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
