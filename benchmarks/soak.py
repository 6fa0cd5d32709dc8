"""A soak: spans and counts for minutes while the receiver is stopped and started at random.

    python benchmarks/soak.py [--seconds 600] [--spans 1000000] [--protocol grpc]

At its end every span has arrived or is in the count of what was lost, the last sum is exact, and memory has not
grown since
the first fifth of the run. The spans are recorded in a process of their own, in batches that a default queue can hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from codeanatomy_distro.testing.otlp_behaviour import OK, Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

PROGRAM = """
import json, sys, time
from opentelemetry import metrics, trace
from codeanatomy_distro import configure_otel

providers = configure_otel(service_name="soak")
tracer, counter = trace.get_tracer("soak"), metrics.get_meter("soak").create_counter("soak.count")
spans, seconds = int(sys.argv[1]), float(sys.argv[2])
began, memory = time.monotonic(), []
def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096
for number in range(spans):
    tracer.start_span(str(number)).end()
    counter.add(1)
    if number % 500 == 0:
        ahead = number / spans * seconds - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
        memory.append(resident())
print(json.dumps(memory))
"""
FAULTS = (Behaviour(status=503), Behaviour(hang=True), Behaviour(reset=True), Behaviour(status=429, retry_after=1.0))
MOST_GROWTH = 1.10  # of resident memory, from the first fifth to the last


class Weather:
    """How the receiver behaves at the moment: well, or badly for a while."""

    def __init__(self, seconds: float) -> None:
        self.behaviour = OK
        self._ends = time.monotonic() + seconds

    def change(self) -> None:
        """Change it at random until the end, which is fair."""
        while (left := self._ends - time.monotonic()) > 0:
            self.behaviour = random.choice(FAULTS)
            time.sleep(min(left, random.uniform(0.5, 6)))
            self.behaviour = OK
            time.sleep(max(0.0, min(self._ends - time.monotonic(), random.uniform(2, 15))))


def main() -> int:
    """Run, and tell of each promise whether it was kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--protocol", default="grpc", choices=["grpc", "http/protobuf"])
    options = parser.parse_args()
    arrived: set[str] = set()
    doubled, total = 0, 0.0
    weather = Weather(options.seconds)
    with OtlpReceiver(lambda _: weather.behaviour) as receiver, tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(PROGRAM, encoding="utf-8")
        environ = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint(options.protocol),
            "OTEL_EXPORTER_OTLP_PROTOCOL": options.protocol,
            "OTEL_TRACES_SAMPLER": "always_on",
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "30000",
        }
        command = [sys.executable, str(program), str(options.spans), str(options.seconds)]
        running = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=weather.change, daemon=True).start()
        ended = False
        while not ended:
            ended = running.poll() is not None
            time.sleep(0.5)
            telemetry = receiver.telemetry
            receiver.clear()
            doubled += sum(span.name in arrived for span in telemetry.spans)
            arrived.update(span.name for span in telemetry.spans)
            total = max([total, *(point.value or 0.0 for point in telemetry.points_of("soak.count"))])
        stdout, stderr = running.communicate()
    memory: list[int] = json.loads(stdout)
    fifth = len(memory) // 5
    growth = (sum(memory[-fifth:]) / fifth) / (sum(memory[fifth : 2 * fifth]) / fifth)
    said = next((line for line in reversed(stderr.splitlines()) if "not delivered" in line), "")
    lost = next(
        (int(word) for word, kind in zip(said.split(), said.split()[1:], strict=False) if kind.startswith("spans")), 0
    )
    kept = {
        f"{len(arrived)} arrived + {lost} counted = {options.spans} spans": len(arrived) + lost == options.spans,
        f"the sum is {total:.0f}": total == options.spans,
        f"memory grew by {growth - 1:.1%}": growth <= MOST_GROWTH,
    }
    for promise, is_kept in kept.items():
        print(f"  {promise}: {'kept' if is_kept else 'BROKEN'}")
    print(f"  {doubled} spans arrived twice, their answers having been lost")
    return list(kept.values()).count(False)


if __name__ == "__main__":
    sys.exit(main())
