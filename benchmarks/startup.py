"""What starting and ending a program costs under `opentelemetry-instrument`, against `opentelemetry-distro`.

    python benchmarks/startup.py [ROUNDS]

Both sides have OTLP over gRPC and the logging instrumentor; nobody listens, for nothing is recorded. The sides
take turns.
Time is that of the processor, user and system, for the whole command: it waits for nothing, and other programs of the
machine spoil the wall's time, which is printed beside it. Ratios are of medians, the peer's plain start being 1.0.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

from peer import Side, clean_environ, create_ours, create_peer, median, report


def seconds(side: Side, **variables: str) -> tuple[float, float]:
    """Return what one start takes: by the processor, by the wall."""
    environ = clean_environ(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="system_metrics",
        **variables,
    )
    started, used = time.perf_counter(), processor_seconds()
    subprocess.run([*side.instrument, "-c", "pass"], env=environ, check=True, capture_output=True)
    return processor_seconds() - used, time.perf_counter() - started


def processor_seconds() -> float:
    """Return what the children of this process have used so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Print the ratios and whether each meets its bar."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    peer, ours = create_peer(), create_ours()
    on: dict[str, str] = {}
    off = {"OTEL_SDK_DISABLED": "true"}
    cases = {"peer": (peer, on), "ours": (ours, on), "peer off": (peer, off), "ours off": (ours, off)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, (side, variables) in cases.items():
            times[name].append(seconds(side, **variables))
    medians = {name: median([used for used, _ in found[1:]]) for name, found in times.items()}
    for name, found in medians.items():
        wall = median([wall for _, wall in times[name][1:]])
        print(f"  {name:10} {found * 1000:6.0f} ms of the processor, {wall * 1000:6.0f} ms by the wall")
    base = medians["peer"]
    met = [
        report("start", medians["ours"] / base, 0.88),
        report("start, switched off", medians["ours off"] / base, 0.68),
    ]
    return met.count(False)


if __name__ == "__main__":
    sys.exit(main())
