"""What a program that allocates much pays for the collector's walks over telemetry, against `opentelemetry-distro`.

    python benchmarks/garbage.py [ROUNDS]

The program keeps 400,000 small containers, so that the collector runs again and again, and collects in the end. It
records nothing. Time is that of the processor, in the program alone; the sides take turns, and ratios are of medians,
the program without telemetry being 1.0.
"""

from __future__ import annotations

import subprocess
import sys

from peer import clean_environ, create_ours, create_peer, median, report

PROGRAM = """
import gc, time
started = time.process_time()
kept = [{"name": [number], "value": (number, [number])} for number in range(400_000)]
built = time.process_time()
gc.collect()
print(built - started, time.process_time() - built)
"""


def seconds(command: list[str], *, off: bool) -> tuple[float, float]:
    """Return what building takes, and one full collection."""
    environ = clean_environ(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="system_metrics",
        OTEL_SDK_DISABLED=str(off).lower(),
    )
    done = subprocess.run([*command, "-c", PROGRAM], env=environ, check=True, capture_output=True, text=True)
    built, collected = map(float, done.stdout.split())
    return built, collected


def main() -> int:
    """Print the ratios, and whether ours is within two in a hundred of the program without telemetry."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    peer, ours = create_peer(), create_ours()
    cases = {"without": [ours.python], "peer": peer.instrument, "ours": ours.instrument, "ours off": ours.instrument}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, command in cases.items():
            times[name].append(seconds(command, off=name.endswith("off")))
    medians = {name: tuple(median(list(part)) for part in zip(*found, strict=True)) for name, found in times.items()}
    for name, (built, collected) in medians.items():
        print(f"  {name:10} {built * 1000:6.0f} ms to build, {collected * 1000:6.1f} ms to collect")
    base = medians["without"]
    print(f"  the peer's: {medians['peer'][0] / base[0]:.2f} to build, {medians['peer'][1] / base[1]:.2f} to collect")
    met = [
        report("building", medians["ours"][0] / base[0], 1.02),
        report("one full collection", medians["ours"][1] / base[1], 1.02),
        report("building, switched off", medians["ours off"][0] / base[0], 1.02),
        report("one full collection, switched off", medians["ours off"][1] / base[1], 1.02),
    ]
    return met.count(False)


if __name__ == "__main__":
    sys.exit(main())
