"""Fork many times while exports are under way; each child records and leaves by itself. Prints their exit codes."""

from __future__ import annotations

import os
import sys
import time

from opentelemetry import metrics, trace

from codeanatomy_distro import configure_otel

CHILDREN = 30

configure_otel(service_name="forking")
tracer = trace.get_tracer("forking")
counter = metrics.get_meter("forking").create_counter("forking.count")
codes: list[int] = []
for number in range(CHILDREN):
    for _ in range(20):
        tracer.start_span("parent").end()
        counter.add(1)
    time.sleep(0.002 * (number % 5))  # at every stage of an export
    pid = os.fork()
    if not pid:
        tracer.start_span("child").end()
        counter.add(1)
        sys.exit(number)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sys.stdout.write(" ".join(map(str, codes)))
