"""What the run id and the name of the sampling rule cost on a span: recorded and dropped, against a plain SDK.

Both sides sample by ``parentbased_traceidratio``, our default.

    python benchmarks/stamping.py

Each figure is the difference of two medians, in microseconds a span; the two providers take turns, so that a change of
the machine's speed meets both.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from codeanatomy_distro import settings
from codeanatomy_distro.obs.run_context import set_process_run_id
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.otel.sampling import configured_sampler

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Tracer

SPANS, ROUNDS = 4000, 25
BARS = {"recorded": 2.5, "dropped": 0.4}


class Nothing(SpanProcessor):
    """Stands where an exporting processor stands."""


def provider(sampler: Sampler, *processors: SpanProcessor) -> TracerProvider:
    """Return a provider with `processors` and one that does nothing."""
    made = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    for processor in (*processors, Nothing()):
        made.add_span_processor(processor)
    return made


def seconds(tracer: Tracer) -> float:
    """Return what one span takes."""
    started = time.perf_counter()
    for _ in range(SPANS):
        tracer.start_span("span").end()
    return (time.perf_counter() - started) / SPANS


def added(plain: TracerProvider, stamping: TracerProvider) -> float:
    """Return how many microseconds `stamping` takes beyond `plain`."""
    tracers = plain.get_tracer("plain"), stamping.get_tracer("stamping")
    differences: list[float] = []
    for _ in range(ROUNDS):
        first, second = (seconds(tracer) for tracer in tracers)
        differences.append(second - first)
    return statistics.median(differences) * 1e6


def main() -> int:
    """Print the figures and whether each meets its bar."""
    set_process_run_id("0199f3a2-7c10-7b43-9c1e-0f4be7a2d611")
    missed = 0
    for name, ratio in (("recorded", 1.0), ("dropped", 0.0)):
        config = resolve_otel_config({settings.TRACES_SAMPLER_ARG.name: str(ratio)})
        ours = provider(configured_sampler(config, []))
        figure = added(provider(ParentBased(TraceIdRatioBased(ratio))), ours)
        missed += figure > BARS[name]
        print(f"{name:9} {figure:5.2f} us, bar {BARS[name]} us: {'met' if figure <= BARS[name] else 'MISSED'}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
