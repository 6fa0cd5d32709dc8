"""A burst of 20,000 spans in a fraction of a second, default settings, healthy receiver: what arrives, what is said.

python benchmarks/burst.py [SPANS]
"""

from __future__ import annotations

import re
import subprocess
import sys

from peer import OURS, Side, clean_environ, create_peer

from codeanatomy_distro.testing.receiver import OtlpReceiver

PROGRAM = """
import sys, time
from opentelemetry import trace
tracer = trace.get_tracer("burst")
started = time.perf_counter()
for _ in range(int(sys.argv[1])):
    tracer.start_span("span").end()
print(time.perf_counter() - started)
"""


def burst(side: Side, spans: int) -> tuple[float, int, int]:
    """Return the seconds that the program took, the spans that arrived, and those that were said to be lost."""
    with OtlpReceiver() as receiver:
        environ = clean_environ(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint,
            OTEL_TRACES_SAMPLER="always_on",
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="system_metrics",
        )
        done = subprocess.run(
            [*side.instrument, "-c", PROGRAM, str(spans)], env=environ, check=True, capture_output=True, text=True
        )
        said = re.search(r"not delivered: (\d+) spans", done.stderr)
        return float(done.stdout), len({span.span_id for span in receiver.spans}), int(said[1]) if said else 0


def main() -> int:
    """Print both sides' figures; fail when a span of ours is neither delivered nor counted."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    unaccounted = 0
    for side in (create_peer(), OURS):
        seconds, arrived, said = burst(side, spans)
        unaccounted = spans - arrived - said
        print(
            f"  {side.name:22} {seconds:5.2f} s, {arrived / spans:6.1%} delivered, {said} counted as lost, "
            f"{unaccounted} lost without a word"
        )
    print(f"  bar: none without a word: {'met' if not unaccounted else 'MISSED'}")
    return bool(unaccounted)


if __name__ == "__main__":
    sys.exit(main())
