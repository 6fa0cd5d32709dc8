"""Record a span, a log record and a count, perhaps several times over; print how long the program's own work took, and
how long its exit handlers.

python recording.py [TIMES [SECONDS_BETWEEN]]
"""

from __future__ import annotations

import atexit
import logging
import sys
import time

from opentelemetry import metrics, trace

from codeanatomy_distro import configure_otel

ended = 0.0
atexit.register(lambda: sys.stdout.write(f" {time.perf_counter() - ended:.6f}\n"))  # the first is called last
configure_otel(service_name="recording")
times = int(sys.argv[1]) if len(sys.argv) > 1 else 1
between = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
counter = metrics.get_meter("recording").create_counter("work.done")
logger = logging.getLogger("recording")
logger.setLevel(logging.INFO)
worked = 0.0
for number in range(times):
    started = time.perf_counter()
    with trace.get_tracer("recording").start_as_current_span(f"work {number}"):
        logger.info("work %d", number)
        counter.add(1)
    worked += time.perf_counter() - started
    time.sleep(between)
sys.stdout.write(f"{worked:.6f}")
ended = time.perf_counter()
