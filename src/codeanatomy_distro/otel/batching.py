"""The queue between the program and an exporter: bounded, counted, emptied by one thread.

The SDK's batch processor drops without a count, ignores the timeout of a flush, hands its locks to a forked child and
gives each signal its own ten seconds at exit. This one is small enough to be exact about all four.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

__all__ = ["BatchLimits", "BatchQueue", "Exporter", "delivered"]

T = TypeVar("T")

_logger = logging.getLogger("codeanatomy_distro.export")


class Exporter(Protocol):
    """What the exporters of all three signals have in common."""

    def export(self, batch: Any, /) -> Any:  # noqa: ANN401 - each signal has its own batch and result
        """Deliver a batch."""
        ...

    def shutdown(self) -> None:
        """Release what the exporter holds; cancels what is under way."""
        ...


@dataclass(frozen=True)
class BatchLimits:
    """How a queue is emptied: sizes in items, times in seconds."""

    queue_size: int = 2048
    batch_size: int = 512
    delay: float = 5.0


def delivered(result: object) -> bool:
    """Return whether an exporter's result says that the batch arrived; the three signals each have their own enum."""
    return getattr(result, "name", "") == "SUCCESS"


class BatchQueue(Generic[T]):
    """Takes items from any thread without waiting, and exports them in batches on a thread of its own.

    The exporter is made on that thread when the first batch is due, so that a program pays for gRPC or HTTP neither at
    its start nor on its own thread. What does not fit is dropped and counted, as is what an exporter refuses.
    """

    def __init__(self, signal: str, create_exporter: Callable[[], Exporter], limits: BatchLimits) -> None:
        self.signal = signal
        self._create_exporter = create_exporter
        self._limits = limits
        self.dropped = 0
        self.refused = 0
        self._begin()

    def _begin(self) -> None:
        """Set what must be new in a new process: locks, thread, exporter, and the items, which are the parent's to send."""
        self._items: deque[T] = deque()
        self._in_flight = 0
        self._lock = threading.Lock()
        self._exporting = threading.Lock()
        self._due = threading.Event()
        self._idle = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._exporter: Exporter | None = None
        self._closed = False

    def put(self, item: T) -> None:
        """Queue `item`; drop and count it when the queue is full or closed. Never waits, never raises."""
        items = self._items
        if self._closed or len(items) >= self._limits.queue_size:
            with self._lock:
                self.dropped += 1
            return
        items.append(item)
        if self._thread is None:
            self._start()
        if len(items) >= self._limits.batch_size and not self._due.is_set():
            self._due.set()

    @property
    def undelivered(self) -> int:
        """Return how many items were dropped, refused, or are still here."""
        return self.dropped + self.refused + len(self._items) + self._in_flight

    def flush(self, timeout: float) -> bool:
        """Export what is queued; return whether that was done within `timeout` seconds."""
        if self._thread is None:
            return True
        end = time.monotonic() + timeout
        with self._idle:
            self._due.set()
            while self._items or self._in_flight:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._due.set()
                self._idle.wait(left)
        return True

    def close(self) -> None:
        """Take nothing more and begin to export what is left; does not wait."""
        self._closed = True
        self._due.set()

    def join(self, timeout: float) -> bool:
        """Wait for what `close` began, at most `timeout` seconds; then release the exporter. Return whether all left."""
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, timeout))
        exporter = self._exporter
        if exporter is not None:
            try:
                exporter.shutdown()  # cancels an export that is under way, so it stands after the wait
            except Exception as error:  # noqa: BLE001 - somebody else's exporter must not fail the program's exit
                _logger.debug("the %s exporter failed to shut down: %s", self.signal, error)
        return not self._items and not self._in_flight

    def hold(self, timeout: float = 1.0) -> bool:
        """Keep exports from running until `release`: a fork in the middle of one leaves the child a broken channel."""
        return self._exporting.acquire(timeout=timeout)

    def release(self) -> None:
        """Let exports run again."""
        self._exporting.release()

    def reset(self) -> None:
        """Begin anew in a forked child."""
        self.dropped = self.refused = 0
        self._begin()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"codeanatomy-{self.signal}", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        with suppress_instrumentation():  # an exporter's own calls make no telemetry
            self._serve()

    def _serve(self) -> None:
        while True:
            self._due.wait(self._limits.delay)
            self._due.clear()
            closed = self._closed  # read after the clear, so that a close in between wakes the next round
            while batch := self._take():
                self._export(batch)
            with self._idle:
                self._idle.notify_all()
            if closed:
                return

    def _take(self) -> list[T]:
        items = self._items
        with self._lock:
            batch = [items.popleft() for _ in range(min(len(items), self._limits.batch_size))]
            self._in_flight = len(batch)
        return batch

    def _export(self, batch: Sequence[T]) -> None:
        arrived = False
        try:
            with self._exporting:
                if self._exporter is None:
                    self._exporter = self._create_exporter()
                arrived = delivered(self._exporter.export(batch))
        except Exception as error:  # noqa: BLE001 - somebody else's exporter; the queue goes on
            _logger.warning("exporting %s failed: %s: %s", self.signal, type(error).__name__, error)
        with self._idle:
            self._in_flight = 0
            if not arrived:
                self.refused += len(batch)
            self._idle.notify_all()
