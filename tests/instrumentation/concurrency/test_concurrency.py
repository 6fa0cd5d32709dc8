"""Context goes with work that goes elsewhere, and everything can be put back."""

from __future__ import annotations

import asyncio
import json
import multiprocessing.pool
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from codeanatomy_distro import settings
from codeanatomy_distro.instrumentation.concurrency import hooks
from codeanatomy_distro.instrumentation.concurrency.tasks import call_at
from codeanatomy_distro.obs.run_context import get_run_id, run_context
from codeanatomy_distro.obs.tracing import get_root_span_context, set_root_span_context

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE, SPAN = 0x1234, 0x5678
OURS = (
    (threading.Thread, "start"),
    (ThreadPoolExecutor, "submit"),
    (ProcessPoolExecutor, "submit"),
    (multiprocessing.pool.Pool, "map"),
    (multiprocessing.pool.Pool, "imap"),
    (subprocess.Popen, "__init__"),
    (os, "putenv"),
    (os, "unsetenv"),
)
USERS: ContextVar[str] = ContextVar("of the program", default="unset")


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    """Install the hooks for one test."""
    hooks.install()
    yield
    hooks.uninstall()


@pytest.fixture
def span() -> Iterator[SpanContext]:
    """Be below a span, in a run, with a root."""
    place = SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1))
    before = get_root_span_context()
    with run_context("run-9"), trace.use_span(NonRecordingSpan(place)):
        set_root_span_context(place)
        yield place
        set_root_span_context(before)


def here(*_: Any) -> tuple[int, str | None]:
    """Return the current span and run, whatever it is called with."""
    return trace.get_current_span().get_span_context().span_id, get_run_id()


def test_a_thread_runs_where_it_was_started(span: SpanContext) -> None:
    """Span and run are those of the starter, also for a class that overrides `run`; the program's own variables
    are not.
    """
    seen: list[Any] = []

    class Own(threading.Thread):
        """A thread class that never calls the base class's `run`."""

        def run(self) -> None:
            seen.append((here(), USERS.get()))

    USERS.set("set")
    for thread in (threading.Thread(target=lambda: seen.append((here(), USERS.get()))), Own()):
        thread.start()
        thread.join()
        assert "run" not in vars(thread)
    assert seen == [((SPAN, "run-9"), "unset")] * 2


def test_a_task_of_a_thread_pool_runs_where_it_was_submitted(span: SpanContext) -> None:
    """Each task has its own place, though one thread serves them all; a task from nowhere is nowhere."""
    with ThreadPoolExecutor(1) as pool:
        below = pool.submit(here).result()
        with trace.use_span(trace.INVALID_SPAN):
            nowhere = pool.submit(here).result()
        assert list(pool.map(here, range(2))) == [(SPAN, "run-9")] * 2
    assert below == (SPAN, "run-9")
    assert nowhere[0] == 0


def test_a_pool_of_threads_from_multiprocessing_does_too(span: SpanContext) -> None:
    """`ThreadPool` has the methods of `Pool`."""
    with multiprocessing.pool.ThreadPool(1) as pool:
        assert pool.apply(here) == (SPAN, "run-9")
        assert pool.map(here, [1]) == [(SPAN, "run-9")]
        assert pool.starmap(here, [(1,)]) == [(SPAN, "run-9")]
        assert list(pool.imap(here, [1])) == [(SPAN, "run-9")]
        assert pool.map_async(here, [1]).get() == [(SPAN, "run-9")]


def test_asyncio_carries_context_by_itself_and_to_its_executor(span: SpanContext) -> None:
    """Tasks and `run_in_executor` are below the span that awaits them."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        return [
            await asyncio.create_task(task()),
            await loop.run_in_executor(None, here),
            await asyncio.to_thread(here),
        ]

    async def task() -> Any:
        return here()

    assert asyncio.run(main()) == [(SPAN, "run-9")] * 3


def test_a_child_program_finds_its_place_in_its_environment(span: SpanContext) -> None:
    """`subprocess` adds parent, root and run id; an environment that the program made itself stays as it is."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    names = ("TRACEPARENT", settings.ROOT_CONTEXT.name, settings.RUN_ID.name)

    def carried(env: dict[str, str] | None = None) -> list[str | None]:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, env=env)
        found = json.loads(done.stdout)
        return [found.get(name) for name in names]

    expected = f"00-{TRACE:032x}-{SPAN:016x}-01"
    plain = {name: value for name, value in os.environ.items() if name not in names}
    assert carried() == [expected, expected, "run-9"]
    assert carried(env=plain) == [None] * 3
    assert carried(env={**plain, settings.RUN_ID.name: "run-9"}) == [expected, expected, "run-9"]


def test_a_child_program_finds_what_was_set_past_the_environment_mapping(
    span: SpanContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`os.putenv` and `os.unsetenv` change what a child inherits and leave `os.environ` alone; a later word wins."""
    for name in ("GONE", "AGAIN"):
        monkeypatch.setenv(name, "1")
    os.putenv("PUT", "1")
    os.putenv(b"BYTES", b"\xff")
    for name in ("GONE", "AGAIN"):
        os.unsetenv(name)
    os.environ["AGAIN"] = "2"
    try:
        names = ("PUT", "BYTES", "GONE", "AGAIN")
        code = f"import json, os; print(json.dumps({{name: os.environ.get(name) for name in {names}}}))"
        printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        assert json.loads(printed) == {"PUT": "1", "BYTES": "\udcff", "GONE": None, "AGAIN": "2"}
    finally:
        os.unsetenv("PUT")
        os.unsetenv("BYTES")


def test_a_task_of_a_process_runs_at_the_place_it_brings() -> None:
    """What is pickled with a task is text, and it holds for that task alone."""
    place = f"00-{TRACE:032x}-{SPAN:016x}-01", "", "", "run-9"
    before = here()
    assert call_at(place, here) == (SPAN, "run-9")
    assert call_at((), here)[0] == 0
    assert here() == before


def test_an_exception_of_a_task_passes_unchanged(span: SpanContext) -> None:
    """The very same exception comes out of a thread pool's future."""
    error = ValueError("of the program")

    def fail() -> None:
        raise error

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(fail).exception() is error


def test_everything_can_be_put_back() -> None:
    """After `uninstall` the very same functions are there as before."""
    wrapped = [vars(owner)[name] for owner, name in OURS]
    hooks.uninstall()
    originals = [vars(owner)[name] for owner, name in OURS]
    assert all(function.__wrapped__ is original for function, original in zip(wrapped, originals, strict=True))
    hooks.install()
    hooks.uninstall()
    assert [vars(owner)[name] for owner, name in OURS] == originals
