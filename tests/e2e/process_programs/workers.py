"""Work in worker processes of every kind, under one start method; prints how each ended.

    python workers.py METHOD [--configure]
    python workers.py [--configure] --child KIND

Each kind runs under a span of its own name; each piece of work makes a span, a log record and a count in its worker.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from codeanatomy_distro import configure_otel, root_span

if TYPE_CHECKING:
    from collections.abc import Callable


def work(kind: str) -> int:
    """Do one piece of work, and tell in which process."""
    with trace.get_tracer("workers").start_as_current_span("work", attributes={"kind": kind, "pid": os.getpid()}):
        logging.getLogger("workers").warning("%s", kind)
        metrics.get_meter("workers").create_counter("work.done").add(1, {"kind": kind})
    return os.getpid()


def work_and_raise(kind: str) -> None:
    """Work, then fail."""
    work(kind)
    raise ValueError(kind)


def work_and_exit(kind: str) -> None:
    """Work, then leave with code 3."""
    work(kind)
    sys.exit(3)


def work_and_wait(kind: str, ready: Any) -> None:
    """Work, say so, then wait to be ended."""
    work(kind)
    ready.set()
    time.sleep(60)


def process(context: Any, kind: str, target: Callable[[str], Any]) -> int:
    """Run one process; return its exit code."""
    child = context.Process(target=target, args=(kind,))
    child.start()
    child.join()
    return child.exitcode


def terminated(context: Any, kind: str) -> int:
    """End a process that waits; return its exit code."""
    ready = context.Event()
    child = context.Process(target=work_and_wait, args=(kind, ready))
    child.start()
    ready.wait()
    child.terminate()
    child.join()
    return child.exitcode


def pool_left(context: Any, kind: str) -> int:
    """Use a pool that is terminated when its block is left."""
    with context.Pool(2) as pool:
        return len(pool.map(work, [kind] * 4, chunksize=1))


def pool_closed(context: Any, kind: str) -> int:
    """Use a pool that is closed and joined, in each of its ways, with workers that serve two tasks each."""
    pool = context.Pool(1, maxtasksperchild=2)
    tasks = [pool.apply(work, (kind,)), pool.apply_async(work, (kind,)).get(), *pool.starmap(work, [(kind,)])]
    tasks += [*pool.imap(work, [kind]), *pool.imap_unordered(work, [kind])]
    pool.close()
    pool.join()
    return len(tasks)


def executor(context: Any, kind: str) -> int:
    """Use an executor whose workers were started before the span of this kind."""
    tasks = list(EXECUTOR.map(work, [kind] * 3))
    return len(tasks)


def renewed(context: Any, kind: str) -> int:
    """Use an executor whose worker serves one task, where Python has such."""
    once = sys.version_info >= (3, 11) and context.get_start_method() != "fork"
    options: dict[str, Any] = {"max_tasks_per_child": 1} if once else {}
    with ProcessPoolExecutor(1, mp_context=context, **options) as pool:
        return len(list(pool.map(work, [kind] * 2)))


def program(_: Any, kind: str) -> int:
    """Run this file as a program of its own."""
    flags = [flag for flag in sys.argv if flag == "--configure"]
    return subprocess.run([sys.executable, __file__, *flags, "--child", kind], check=True).returncode


def threads(_: Any, kind: str) -> int:
    """Work in a thread and in a thread pool."""
    thread = Thread(target=work, args=(kind,))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(2) as pool:
        return 1 + len(list(pool.map(work, [kind] * 2)))


KINDS: dict[str, Callable[[Any, str], int]] = {
    "process": lambda context, kind: process(context, kind, work),
    "raising": lambda context, kind: process(context, kind, work_and_raise),
    "exiting": lambda context, kind: process(context, kind, work_and_exit),
    "terminated": terminated,
    "pool left": pool_left,
    "pool closed": pool_closed,
    "executor": executor,
    "renewed": renewed,
    "program": program,
    "threads": threads,
}


def main() -> None:
    """Run every kind."""
    global EXECUTOR
    if "--configure" in sys.argv:
        configure_otel(service_name="workers")
    if "--child" in sys.argv:
        work(sys.argv[-1])
        return
    context = multiprocessing.get_context(sys.argv[1])
    metrics.get_meter("workers").create_counter("parent.calls").add(5)
    with ProcessPoolExecutor(1, mp_context=context) as EXECUTOR:
        ended: dict[str, int] = {"pid": os.getpid()}
        with root_span("warm up"):
            EXECUTOR.submit(work, "warm up").result()
        for kind, run in KINDS.items():
            with root_span(kind):
                ended[kind] = run(context, kind)
    sys.stdout.write(json.dumps(ended))


if __name__ == "__main__":
    main()
