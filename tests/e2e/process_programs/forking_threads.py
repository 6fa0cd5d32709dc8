"""Fork from a thread; the child, which is that thread alone, ends with it in the way told. Prints the child's status.

python forking_threads.py WAY
"""

from __future__ import annotations

import os
import sys
import threading

from opentelemetry import metrics, trace

from codeanatomy_distro import configure_otel

configure_otel(service_name="forking")
tracer = trace.get_tracer("forking")
counter = metrics.get_meter("forking").create_counter("forking.count")
statuses: list[int] = []


def record(name: str) -> None:
    """Make a span and count it."""
    tracer.start_span(name).end()
    counter.add(1)


def fork(way: str) -> None:
    """Fork, record in the child and let it end."""
    child = os.fork()
    if child:
        statuses.append(os.waitpid(child, 0)[1])
        return
    record("child")
    if way == "raises SystemExit":
        sys.exit(3)
    if way == "leaves a thread":
        threading.Thread(target=record, args=("left",), daemon=True).start()
    if way == "forks again":
        fork("returns")


record("parent")
thread = threading.Thread(target=fork, args=(sys.argv[1],))
thread.start()
thread.join()
sys.stdout.write(str(statuses))
