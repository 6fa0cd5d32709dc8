"""The queue between the program and an exporter: bounded, counted, emptied by one thread.

The SDK's batch processor drops without a count, ignores the timeout of a flush, hands its locks to a forked child and
gives each signal its own ten seconds at exit. This one is small enough to be exact about all four.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from codeanatomy_distro.otel.delivery import Delivery, ExporterFactory, LossReport
from codeanatomy_distro.otel.export_thread import ExportThread, Reason, Waiter

__all__ = ["BatchLimits", "BatchQueue"]

_LONGEST_START: Final = 5.0  # seconds that a fork waits for the imports of an exporter that is being made

T = TypeVar("T")


@dataclass(frozen=True)
class BatchLimits:
    """How a queue is emptied: sizes in items, times in seconds; `timeout` is for one batch, retries included."""

    queue_size: int = 2048
    batch_size: int = 512
    delay: float = 5.0
    timeout: float = 30.0


class BatchQueue(Generic[T]):
    """Takes items from any thread without waiting, and exports them in batches on a thread of its own.

    What does not fit is dropped and counted (`overflowed`), as is what can't be delivered (`refused`).
    """

    def __init__(self, signal: str, create_exporter: ExporterFactory, limits: BatchLimits) -> None:
        self.signal = signal
        self.destination = create_exporter.destination
        self._limits = limits
        self._thread = ExportThread(f"codeanatomy-{signal.split(maxsplit=1)[0]}", self._serve, limits.delay)
        self._delivery = Delivery(create_exporter, self._thread, limits.timeout)
        self._report = LossReport(signal, self.destination)
        self._begin()

    def _begin(self) -> None:
        self._items: deque[T] = deque()
        self._batch: list[T] = []
        self._overflows: dict[int, int] = {}  # by thread: each writes its own, so that none needs a lock
        self.refused = 0
        self._woken = False
        self._closed = False

    def put(self, item: T) -> None:
        """Queue `item`; drop and count it when the queue is full or closed. Never waits, never raises."""
        items = self._items
        if self._closed or len(items) >= self._limits.queue_size:
            thread = threading.get_ident()
            self._overflows[thread] = self._overflows.get(thread, 0) + 1
            return
        items.append(item)
        if len(items) >= self._limits.batch_size and not self._woken:
            self._woken = True
            self._thread.wake()
        if not self._thread.running:
            self._thread.start()

    @property
    def overflowed(self) -> int:
        """Return how many items did not fit."""
        return sum(list(self._overflows.values()))

    @property
    def undelivered(self) -> int:
        """Return how many items were dropped, refused, or are still here."""
        return self.overflowed + self.refused + len(self._items) + len(self._batch)

    def start(self) -> None:
        """Have the thread ready before there is anything to export: near its end, an interpreter starts none."""
        self._thread.start()

    def begin_flush(self) -> Waiter:
        """Begin to export what is queued; return what waits for it."""
        return self._thread.flush() if self._items or self._batch else lambda _: True

    def flush(self, timeout: float) -> bool:
        """Export what is queued; return whether that was done within `timeout` seconds."""
        return self.begin_flush()(timeout)

    def close(self, deadline: float) -> None:
        """Take nothing more and begin to export what is left, until `deadline` (`time.monotonic()`); does not wait."""
        self._closed = True
        self._thread.stop(deadline)

    def join(self, timeout: float) -> bool:
        """Wait for what `close` began, at most `timeout` seconds; then release the exporter. Return whether all
        left.
        """
        if self._thread.running or self._items or self._batch:
            self._thread.finish(timeout)
        self._delivery.release()
        return not self._items and not self._batch

    def park(self) -> None:
        """Ask the thread to end for now: the process is about to fork."""
        self._thread.park()

    def wait_parked(self, timeout: float) -> bool:
        """Wait until the thread is gone, then let go of the connection; return whether it went."""
        self._delivery.wait_connected(_LONGEST_START)
        self._delivery.warm()
        gone = self._thread.wait_parked(timeout)
        if gone:
            self._delivery.release()
        return gone

    def cancel(self) -> bool:
        """Cancel an attempt that is under way; its batch is kept. Return whether it could be."""
        return self._delivery.release()

    def unpark(self) -> None:
        """Let the thread run again."""
        self._thread.unpark()

    def resume(self) -> None:
        """Have the thread running again if there is anything for it."""
        if self._items or self._batch:
            self._thread.start()

    def reset(self) -> None:
        """Begin anew in a forked child: what was queued is the parent's to send."""
        self._thread.reset()
        self._delivery.reset()
        self._report.reset()
        self._begin()

    def _serve(self, reason: Reason) -> None:
        while True:
            self._woken = False  # before the look at the queue, so that what comes after it wakes the thread again
            if not self._batch and not self._next(only_full=reason == "size"):
                break
            missing = self._delivery.send(self._batch, len(self._batch))
            if missing is None or self._thread.time_left <= 0 < missing:
                break
            self.refused += missing
            self._batch = []
        self._report.tell(overflowed=self.overflowed, refused=self.refused, reason=self._delivery.reason)

    def _next(self, *, only_full: bool) -> bool:
        items, size = self._items, self._limits.batch_size
        if not items or (only_full and len(items) < size and not self._thread.stopping):
            return False
        self._batch = [items.popleft() for _ in range(min(len(items), size))]
        return True
