"""A burst of 20,000 spans in a fraction of a second, default settings, healthy receiver: what arrives, what is said.

python benchmarks/burst.py [SPANS]
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from peer import OURS, Side, clean_environ, create_peer

from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Protocol

PROGRAM = """
import sys, time
from opentelemetry import trace
tracer = trace.get_tracer("burst")
def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096 / 1e6
before, started = resident(), time.perf_counter()
for _ in range(int(sys.argv[1])):
    tracer.start_span("span").end()
print(time.perf_counter() - started, resident() - before, time.time())
"""
PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http/protobuf")


def burst(side: Side, protocol: Protocol, spans: int) -> int:
    """Print what the burst took and what became of it; return how many spans were lost without a word."""
    with OtlpReceiver() as receiver:
        environ = clean_environ(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint(protocol),
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_TRACES_SAMPLER="always_on",
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="system_metrics",
        )
        done = subprocess.run(
            [*side.instrument, "-c", PROGRAM, str(spans)], env=environ, check=True, capture_output=True, text=True
        )
        left = time.time()
        seconds, memory, ended = map(float, done.stdout.split())
        said = re.search(r"not delivered: (\d+) spans", done.stderr)
        arrived, counted = len({span.span_id for span in receiver.spans}), int(said[1]) if said else 0
    unaccounted = spans - arrived - counted
    print(
        f"  {side.name:22} {protocol:14} {seconds:5.2f} s and {left - ended:.2f} s to leave, {memory:3.0f} MB more, "
        f"{arrived / spans:6.1%} delivered, {counted} counted as lost, {unaccounted} lost without a word"
    )
    return unaccounted


def main() -> int:
    """Print both sides' figures; fail when a span of ours is neither delivered nor counted."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    peer = create_peer()
    for protocol in PROTOCOLS:
        burst(peer, protocol, spans)
    unaccounted = sum([burst(OURS, protocol, spans) for protocol in PROTOCOLS])
    print(f"  bar: none without a word: {'met' if not unaccounted else 'MISSED'}")
    return bool(unaccounted)


if __name__ == "__main__":
    sys.exit(main())
