"""Record a span, a log record and a count, then leave in the way that is asked for.

python leaving.py WAY
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from opentelemetry import metrics, trace

from codeanatomy_distro import configure_otel


def record(name: str) -> None:
    """Record one of each."""
    with trace.get_tracer("leaving").start_as_current_span(name):
        logging.getLogger("leaving").info("%s", name)
        metrics.get_meter("leaving").create_counter("leaving.count").add(1)


def kill(number: int) -> None:
    """Send this process a signal and wait for it."""
    os.kill(os.getpid(), number)
    time.sleep(5)


def earlier(number: int, _frame: Any) -> None:
    """Stand as the program's own handler: say so and leave with a code."""
    sys.stdout.write(f"handled {signal.Signals(number).name}\n")
    sys.stdout.flush()
    sys.exit(7)


def chain(number: int, frame: Any) -> None:
    """Call the handler that was there before, then go on."""
    if callable(BEFORE):
        BEFORE(number, frame)
    sys.stdout.write("goes on\n")
    sys.stdout.flush()


def slow_thread() -> None:
    """Record after the main thread is done."""
    time.sleep(0.2)
    record("late")


def wait_at_exit() -> None:
    """Hold the process in its exit handlers."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)


way = sys.argv[1]
logging.getLogger("leaving").setLevel(logging.INFO)
if way == "earlier handler":
    signal.signal(signal.SIGTERM, earlier)
if way == "interrupt without handler":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
configure_otel(service_name="leaving")
BEFORE = signal.getsignal(signal.SIGTERM)
record("work")
match way:
    case "return":
        pass
    case "exit":
        sys.exit(3)
    case "raise SystemExit":
        raise SystemExit(4)
    case "exception":
        message = "of the program"
        raise ValueError(message)
    case "terminate" | "earlier handler":
        kill(signal.SIGTERM)
    case "interrupt" | "interrupt without handler":
        kill(signal.SIGINT)
    case "chained by a later handler":
        signal.signal(signal.SIGTERM, chain)
        os.kill(os.getpid(), signal.SIGTERM)
        record("after")
    case "thread":
        threading.Thread(target=slow_thread).start()
    case "daemon thread":
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    case "at exit":
        atexit.register(record, "at exit")
    case "terminate at exit":
        atexit.register(wait_at_exit)
    case "at once":
        sys.stdin.read()  # until what was recorded has arrived
        os._exit(5)
    case "abort":
        sys.stdin.read()
        os.abort()
    case "killed":
        sys.stdin.read()
        kill(signal.SIGKILL)
    case _:
        sys.exit(f"no such way: {way}")
