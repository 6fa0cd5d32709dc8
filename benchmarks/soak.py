"""A soak: spans and counts for minutes while the receiver is stopped and started at random.

    python benchmarks/soak.py [--seconds 600] [--spans 1000000] [--protocol grpc]

At its end every span has arrived or is in the count of what was lost, the last sum is exact, and memory has not
grown since the second fifth of the run. The spans are recorded in a process of their own.
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
from typing import TYPE_CHECKING

from codeanatomy_distro.testing.otlp_behaviour import OK, Behaviour
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Protocol, Telemetry

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
FAULTS = (
    None,  # stopped
    Behaviour(status=503),
    Behaviour(hang=True),
    Behaviour(reset=True),
    Behaviour(status=429, retry_after=1.0),
)
MOST_GROWTH = 1.10  # of resident memory, from the second fifth to the last


class Receiver:
    """A receiver that is stopped, started, and bad for a while, and keeps what any of its lives has received."""

    def __init__(self, protocol: Protocol) -> None:
        self._behaviour = OK
        self._lock = threading.Lock()
        self._earlier: list[Telemetry] = []
        self.stops = self.faults = 0
        self._ports = (0, 0)
        self._life = self._start()
        self._ports = tuple(int(one.rpartition(":")[2]) for one in (self._life.grpc_endpoint, self._life.http_endpoint))
        self.endpoint = self._life.endpoint(protocol)

    def _start(self) -> OtlpReceiver:
        grpc, http = self._ports
        return OtlpReceiver(lambda _: self._behaviour, grpc_port=grpc, http_port=http).__enter__()

    def stop(self) -> None:
        """Close the ports, with requests in hand perhaps."""
        with self._lock:
            self._life.__exit__(None, None, None)
            self._earlier.append(self._life.take())

    def misbehave(self, seconds: float) -> None:
        """Be stopped, or worse, for so many seconds."""
        fault = random.choice(FAULTS)
        self.faults += 1
        if fault is None:
            self.stops += 1
            self.stop()
            time.sleep(seconds)
            self._life = self._start()
        else:
            self._behaviour = fault
            time.sleep(seconds)
            self._behaviour = OK

    def live(self, seconds: float) -> None:
        """Misbehave at random for so many seconds; be well in the end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.misbehave(min(left, random.uniform(0.5, 6)))
            time.sleep(max(0.0, min(end - time.monotonic(), random.uniform(2, 15))))

    def take(self) -> list[Telemetry]:
        """Return what has come since the last time."""
        with self._lock:
            earlier, self._earlier = self._earlier, []
            return [*earlier, self._life.take()]


def main() -> int:
    """Run, and tell of each promise whether it was kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--protocol", default="grpc", choices=["grpc", "http/protobuf"])
    options = parser.parse_args()
    arrived: set[str] = set()
    doubled, total = 0, 0.0
    receiver = Receiver(options.protocol)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(PROGRAM, encoding="utf-8")
        environ = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": options.protocol,
            "OTEL_TRACES_SAMPLER": "always_on",
            # The default has room for a burst, which an outage would fill at random and memory grow by.
            "OTEL_BSP_MAX_QUEUE_SIZE": "2048",
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "30000",
        }
        command = [sys.executable, str(program), str(options.spans), str(options.seconds)]
        running = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        weather = threading.Thread(target=receiver.live, args=(options.seconds,), daemon=True)
        weather.start()
        ended = False
        while not ended:
            ended = running.poll() is not None
            time.sleep(0.5)
            for telemetry in receiver.take():
                doubled += sum(span.name in arrived for span in telemetry.spans)
                arrived.update(span.name for span in telemetry.spans)
                total = max([total, *(point.value or 0.0 for point in telemetry.points_of("soak.count"))])
        stdout, stderr = running.communicate()
        weather.join()
        receiver.stop()
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
        f"memory went from {memory[fifth] / 1e6:.0f} to {memory[-1] / 1e6:.0f} MB, {growth - 1:+.1%} on average": growth
        <= MOST_GROWTH,
    }
    print(f"  {receiver.faults} faults, in {receiver.stops} of them the receiver was stopped")
    for promise, is_kept in kept.items():
        print(f"  {promise}: {'kept' if is_kept else 'BROKEN'}")
    print(f"  {doubled} spans arrived twice, their answers having been lost")
    return list(kept.values()).count(False)


if __name__ == "__main__":
    sys.exit(main())
