"""What a Hamilton node costs under observation: a thousand trivial ones, bare, with us and with Hamilton's own tracer.

``python benchmarks/hamilton.py`` prints, in microseconds a node over no adapters, the lower quartile of interleaved
rounds in one process (what disturbs a round only adds to it), once sampled and once not; it exits with 1 when a bar is
missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

# This file bears the name of what it measures, which Python would otherwise find here.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

NODES = 1000
ROUNDS = 30

BARS = {
    ("on", "ours, nodes"): 25.0,
    ("on", "ours, tasks with their histogram"): 35.0,
    ("off", "ours, nodes"): 2.0,
    ("off", "ours, tasks with their histogram"): 18.0,
}


def write_modules(folder: Path) -> None:
    """Write two modules of a thousand functions, each taking the one before: plain nodes and tasks."""
    for name, tags in (("bench_nodes", "layer='execution'"), ("bench_tasks", "layer='execution', kind='task'")):
        lines = [
            "from hamilton.function_modifiers import tag",
            f"@tag({tags})",
            "def n0(x: int) -> int:",
            "    return x",
        ]
        for number in range(1, NODES):
            lines += [f"@tag({tags})", f"def n{number}(n{number - 1}: int) -> int:", f"    return n{number - 1}"]
        (folder / f"{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")


def set_up_telemetry(sampling: str) -> None:
    """Set providers that do all the work but sending: a batch processor over an exporter that drops what it gets."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:  # noqa: ANN401
            del spans
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ALWAYS_ON if sampling == "on" else ALWAYS_OFF)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider(metric_readers=[InMemoryMetricReader()]))


def measure(sampling: str) -> dict[str, float]:
    """Return the microseconds a node of each case."""
    set_up_telemetry(sampling)
    from hamilton import driver

    from codeanatomy_distro.instrumentation.hamilton import HamiltonInstrumentor

    outputs: list[Any] = [f"n{number}" for number in range(NODES)]  # each asked for, so that no recursion grows deep

    def build(module: str, *adapters: Any) -> Any:  # noqa: ANN401
        return driver.Builder().with_modules(__import__(module)).with_adapters(*adapters).build()

    def time_one(built: Any, *, observed: bool) -> float:  # noqa: ANN401
        if observed:
            instrumentor.instrument()
        gc.collect()
        gc.disable()
        began = time.perf_counter()
        built.execute(outputs, inputs={"x": 1})
        seconds = time.perf_counter() - began
        gc.enable()
        if observed:
            instrumentor.uninstrument()
        return seconds / NODES * 1e6

    instrumentor = HamiltonInstrumentor()
    cases: dict[str, tuple[Any, bool]] = {
        "no adapters": (build("bench_nodes"), False),
        "no adapters, tasks": (build("bench_tasks"), False),
        "ours, nodes": (build("bench_nodes"), True),
        "ours, tasks with their histogram": (build("bench_tasks"), True),
    }
    try:
        from hamilton.plugins.h_opentelemetry import OpenTelemetryTracer
    except ImportError:
        pass
    else:
        cases["Hamilton's own tracer"] = (build("bench_nodes", OpenTelemetryTracer()), False)
    times: dict[str, list[float]] = {name: [] for name in cases}
    for round_number in range(ROUNDS + 2):
        for name, (built, observed) in cases.items():
            taken = time_one(built, observed=observed)
            if round_number >= 2:
                times[name].append(taken)
    return {name: statistics.quantiles(taken, n=4)[0] for name, taken in times.items()}


def measure_memory() -> tuple[float, float]:
    """Return the kibibytes that are held after 2,000 and after 10,000 runs of a small graph."""
    set_up_telemetry("off")
    from hamilton import driver

    from codeanatomy_distro.instrumentation.hamilton import HamiltonInstrumentor

    HamiltonInstrumentor().instrument()
    built: Any = driver.Builder().with_modules(__import__("bench_tasks")).build()
    tracemalloc.start()
    held: list[float] = []
    for number in range(1, 10_001):
        built.execute(["n1"], inputs={"x": 1})
        if number in {2_000, 10_000}:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0] / 1024)
    return held[0], held[1]


def run_child(what: str, folder: str) -> Any:  # noqa: ANN401
    """Return what this program measures in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, "--modules", folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> int:
    """Print every figure with its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", choices=("on", "off", "memory"))
    parser.add_argument("--modules", type=Path)
    options = parser.parse_args()
    if options.measure:
        sys.path.insert(0, str(options.modules))
        print(json.dumps(measure_memory() if options.measure == "memory" else measure(options.measure)))
        return 0
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        write_modules(Path(folder))
        for sampling in ("on", "off"):
            figures: dict[str, float] = run_child(sampling, folder)
            print(f"sampled {sampling}: {figures['no adapters']:.2f} us a node with no adapters")
            for name, figure in figures.items():
                bare = figures["no adapters, tasks" if "tasks" in name else "no adapters"]
                bar = BARS.get((sampling, name))
                if name.startswith("no adapters"):
                    continue
                verdict = "" if bar is None else f"  bar {bar:g}: {'met' if figure - bare <= bar else 'MISSED'}"
                missed |= "MISSED" in verdict
                print(f"  {name:34} +{figure - bare:7.2f} us a node{verdict}")
        early, late = run_child("memory", folder)
        flat = late - early <= 64
        missed |= not flat
        print(f"memory: {early:.0f} KiB after 2,000 runs, {late:.0f} KiB after 10,000: {'flat' if flat else 'GROWING'}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
