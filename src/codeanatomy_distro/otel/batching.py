"""The queue between the program and an exporter: bounded, counted, emptied by one thread.

The SDK's batch processor drops without a count, ignores the timeout of a flush, hands its locks to a forked child and
gives each signal its own ten seconds at exit. This one is small enough to be exact about all four.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from codeanatomy_distro import settings
from codeanatomy_distro.otel.part import Part
from codeanatomy_distro.setting import Origin

if TYPE_CHECKING:
    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.otel.delivery import ExporterFactory
    from codeanatomy_distro.otel.export_thread import Reason

__all__ = ["BatchLimits", "BatchQueue", "batch_limits"]

_BURST_SIZE: Final = 10 * settings.BSP_MAX_QUEUE_SIZE.default
"""Items that a queue may hold for a moment, where nobody has set its size: a program that records in a tight loop is
faster than any exporter that shares one interpreter lock with it, and loses most of what it records otherwise."""
_HURRIED: Final = 0.1  # seconds between two exports of a process that may be killed, where nothing says how many
_NOT_SET: Final = frozenset({Origin.DEFAULT, Origin.PROFILE})

T = TypeVar("T")


class BatchLimits(NamedTuple):
    """How a queue is emptied: sizes in items, times in seconds; `timeout` is for one batch, retries included.

    `burst_size`, where it is larger than `queue_size`, holds as long as the back end takes what it is sent. `hurried`
    is the delay after `BatchQueue.hurry`, where that is shorter.
    """

    queue_size: int = 2048
    batch_size: int = 512
    delay: float = 5.0
    timeout: float = 30.0
    burst_size: int = 0
    hurried: float = _HURRIED


def batch_limits(config: OtelConfig, signal: str) -> BatchLimits:
    """Return what the settings say of the queue of `signal`, traces or logs."""
    if signal == "traces":
        queue, batch = settings.BSP_MAX_QUEUE_SIZE, settings.BSP_MAX_EXPORT_BATCH_SIZE
        delay, timeout = settings.BSP_SCHEDULE_DELAY, settings.BSP_EXPORT_TIMEOUT
    else:
        queue, batch = settings.BLRP_MAX_QUEUE_SIZE, settings.BLRP_MAX_EXPORT_BATCH_SIZE
        delay, timeout = settings.BLRP_SCHEDULE_DELAY, settings.BLRP_EXPORT_TIMEOUT
    return BatchLimits(
        queue_size=config[queue],
        batch_size=config[batch],
        delay=config[delay] / 1000,
        timeout=config[timeout] / 1000,
        burst_size=_BURST_SIZE if config.resolved(queue).origin in _NOT_SET else 0,
        hurried=_HURRIED if config.resolved(delay).origin == Origin.DEFAULT else config[delay] / 1000,
    )


class BatchQueue(Part, Generic[T]):
    """Takes items from any thread without waiting, and exports them in batches on a thread of its own.

    What does not fit is dropped and counted (`overflowed`), as is what can't be delivered (`refused`).
    """

    def __init__(self, signal: str, create_exporter: ExporterFactory, limits: BatchLimits) -> None:
        self._limits = limits
        super().__init__(signal, create_exporter, interval=limits.delay, timeout=limits.timeout, hurried=limits.hurried)

    def _begin(self) -> None:
        super()._begin()
        self._items: deque[T] = deque()
        self._batch: list[T] = []
        self._overflows: dict[int, int] = {}  # by thread: each writes its own, so that none needs a lock
        self._woken = False
        self._closed = False

    def put(self, item: T) -> None:
        """Queue `item`; drop and count it when the queue is full or closed. Never waits, never raises."""
        items, limits = self._items, self._limits
        size = len(items)
        full = size >= limits.queue_size and (size >= limits.burst_size or self._delivery.failing)
        if full or self._closed:
            thread = threading.get_ident()
            self._overflows[thread] = self._overflows.get(thread, 0) + 1
            return
        items.append(item)
        if size + 1 >= limits.batch_size and not self._woken:
            self._woken = True
            self._thread.wake()
        if not self._thread.running:
            self._thread.start()

    @property
    def overflowed(self) -> int:
        """Return how many items did not fit."""
        return sum(list(self._overflows.values()))

    @property
    def _waiting(self) -> int:
        return len(self._items) + len(self._batch)

    def close(self, deadline: float) -> None:
        """Take nothing more and begin to export what is left, until `deadline` (`time.monotonic()`); does not wait."""
        self._closed = True
        super().close(deadline)

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
        self._tell_losses()

    def _next(self, *, only_full: bool) -> bool:
        items, size = self._items, self._limits.batch_size
        if not items or (only_full and len(items) < size and not self._thread.stopping):
            return False
        self._batch = [items.popleft() for _ in range(min(len(items), size))]
        return True
