"""The span of one streamed execution: it ends once, whatever ends the stream."""

from __future__ import annotations

import atexit
import gc
import os
import threading
from _thread import start_new_thread
from collections import deque
from contextlib import suppress
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context

from codeanatomy_distro.instrumentation.datafusion.errors import engine_error_type
from codeanatomy_distro.instrumentation.datafusion.finished import tell_figures
from codeanatomy_distro.instrumentation.datafusion.measurements import record_duration
from codeanatomy_distro.instrumentation.datafusion.running import Running, running
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.errors import record_error
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.operation import Operation
    from codeanatomy_distro.instrumentation.datafusion.query import Query

__all__ = ["ABANDONED", "EXHAUSTED", "EXIT", "FAILED", "StreamSpan", "part_dropped", "stop_watching", "watch"]

EXHAUSTED: Final = "exhausted"
FAILED: Final = "error"
ABANDONED: Final = "abandoned"
EXIT: Final = "interpreter_exit"
_HOW: Final = "datafusion.stream.end"
_ROWS: Final = "datafusion.stream.rows"
_BATCHES: Final = "datafusion.stream.batches"


class StreamSpan:
    """A span that has `parts` streams to outlive; threads may pull from several at once.

    `operation` opened it, and is detached by now. `rows` and `batches` are what the user pulled; the rows that the
    engine made are in its own figures, read from `plan` where the version has them.
    """

    __slots__ = ("_lock", "_open", "_worst", "batches", "counts", "operation", "plan", "process", "query", "rows")

    def __init__(self, operation: Operation, query: Query, plan: Raw, parts: int, *, counts: bool = True) -> None:
        self.operation = operation
        self.query = query
        self.plan = plan
        self.counts = counts
        self.rows = 0
        self.batches = 0
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._open = parts
        self._worst = EXHAUSTED
        running[id(self)] = Running(operation.context, operation.owner, get_run_id(), self)
        watch()

    def pulled(self, rows: int) -> None:
        """Count one batch that the user pulled."""
        with self._lock:
            self.rows += rows
            self.batches += 1

    def part_ended(self, how: str, error: BaseException | None = None) -> None:
        """Say how one of the streams ended; the last one, or the first that fails, ends the span."""
        with self._lock:
            if self._open == 0:
                return
            self._open = 0 if how in {FAILED, EXIT} else self._open - 1
            if how != EXHAUSTED:
                self._worst = how
            if self._open:
                return
        if self.process != os.getpid():
            return  # a forked copy: the parent ends it
        try:
            self._end(error)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the end of a stream", ours)

    def _end(self, error: BaseException | None) -> None:
        operation = self.operation
        seconds = (perf_counter_ns() - operation.begun) / 1e9
        now = time_ns()
        running.pop(id(self), None)
        span = operation.span
        token = context.attach(operation.context)
        try:
            kind = None
            if error is not None:
                kind = engine_error_type(error)
                record_error(span, error, kind=kind)
            query = self.query
            record_duration(
                (query, seconds, query.destination, kind, operation.context, get_run_id(), operation.options)
            )
            if operation.attached is not None and span.is_recording():
                span.set_attribute(_HOW, self._worst)
                if self.counts:
                    span.set_attributes({_ROWS: self.rows, _BATCHES: self.batches})
                if self.plan is not None:
                    rows = self.rows if self._worst == EXHAUSTED else None
                    tell_figures(operation, query, self.plan, rows)
        finally:
            context.detach(token)
            if operation.attached is not None:
                span.end(now)


# A stream that the garbage collector finds may be found anywhere, even inside a lock of the SDK that ending a span
# would take again. Such streams wait here for a thread that holds none.
_found: Final[deque[tuple[StreamSpan, str]]] = deque()


class _Collector:
    """Knows which threads are collecting garbage just now."""

    at_work: Final[set[int]] = set()
    watched = False


def _note_collection(phase: str, info: dict[str, int]) -> None:
    del info
    if phase == "start":
        _Collector.at_work.add(threading.get_ident())
    else:
        _Collector.at_work.discard(threading.get_ident())


def watch() -> None:
    """Begin to tell garbage collection from a last reference that goes, and to end what still streams at exit."""
    if not _Collector.watched:
        _Collector.watched = True
        gc.callbacks.append(_note_collection)
        atexit.register(_end_all)  # later than the SDK's own, so that it runs before it


def stop_watching() -> None:
    """Undo `watch`."""
    if _Collector.watched:
        _Collector.watched = False
        gc.callbacks.remove(_note_collection)
        atexit.unregister(_end_all)
        _Collector.at_work.clear()


def part_dropped(span: StreamSpan) -> None:
    """Say that the user's last reference to a stream of `span` went; safe wherever that happens."""
    # After `stop_watching` nobody tells whether it is the collector that has found it.
    if _Collector.watched and threading.get_ident() not in _Collector.at_work:
        span.part_ended(ABANDONED)
        return
    _found.append((span, ABANDONED))
    with suppress(RuntimeError):  # the interpreter is leaving, and `_end_all` ends them
        start_new_thread(_end_found, ())


def _end_found() -> None:
    while _found:
        try:
            span, how = _found.popleft()
        except IndexError:
            return
        span.part_ended(how)


def _end_all() -> None:
    _end_found()
    for under_way in list(running.values()):
        stream: Any = under_way.stream
        if stream is not None:
            stream.part_ended(EXIT)
