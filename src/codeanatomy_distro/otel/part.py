"""One end of the export, a queue or a metric reader: its thread, its deliveries, and how it goes through fork and
exit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.otel.delivery import Delivery, ExporterFactory
from codeanatomy_distro.otel.export_thread import ExportThread, Reason
from codeanatomy_distro.otel.loss_report import LossReport, in_one_line

if TYPE_CHECKING:
    from codeanatomy_distro.otel.export_thread import Waiter

__all__ = ["Part"]

_CANCELLED: Final = 0.1  # seconds in which an attempt that was cancelled comes back
_LONGEST_START: Final = 5.0  # seconds that a fork waits for the imports of an exporter that is being made


class Part(ABC):
    """Exports one `signal` ("spans") to one `destination`, on a thread of its own.

    The thread serves at the latest every `interval` seconds, every `hurried` ones after `hurry`; a batch is tried for
    `timeout` seconds, retries included.
    """

    def __init__(
        self, signal: str, create_exporter: ExporterFactory, *, interval: float, timeout: float, hurried: float
    ) -> None:
        self.signal = signal
        self.destination = create_exporter.destination
        self._hurried = hurried
        self._thread = ExportThread(f"codeanatomy-{signal.split(maxsplit=1)[0]}", self._serve, interval)
        self._delivery = Delivery(create_exporter, self._thread, timeout)
        self._report = LossReport(signal, self.destination)
        self._begin()

    def _begin(self) -> None:
        """Hold nothing, and have lost nothing."""
        self.refused = 0

    @abstractmethod
    def _serve(self, reason: Reason) -> None:
        """Export what there is; runs on the thread."""

    @property
    @abstractmethod
    def _waiting(self) -> int:
        """How many items are here that are neither delivered nor lost."""

    @property
    def _has_work(self) -> bool:
        """Whether the thread would find something to do."""
        return bool(self._waiting)

    @property
    def overflowed(self) -> int:
        """Return how many items did not fit."""
        return 0

    @property
    def undelivered(self) -> int:
        """Return how many items were dropped, refused, or are still here."""
        return self.overflowed + self.refused + self._waiting

    @property
    def losses(self) -> str:
        """Return what was not delivered, in words; empty where all was."""
        count = self.undelivered
        return f"{count} {self.signal}" if count else ""

    @property
    def cause(self) -> str:
        """Return why not, in one line: the latest reason, where there were several."""
        if self.refused or self._waiting:
            return in_one_line(self._delivery.reason) or "the time was over"
        return "more than the queue holds" if self.overflowed else "the time was over"

    @property
    def held_up(self) -> bool:
        """Return whether the export waits for what a thread that does not run may hold."""
        return self._thread.held_up

    @property
    def connecting(self) -> bool:
        """Return whether an exporter is being made, with all that it imports."""
        return self._delivery.connecting

    def start(self) -> None:
        """Have the thread ready, though there be nothing to export: near its end, an interpreter starts none."""
        self._thread.start()

    def hurry(self) -> None:
        """Export at short intervals from now on, unless a setting says how long they are."""
        self._thread.hasten(self._hurried)

    def warm(self) -> None:
        """Import what the exporter needs, ahead of the first export."""
        self._delivery.warm()

    def begin_flush(self) -> Waiter:
        """Begin to export what there is; return what waits for it."""
        return self._thread.flush() if self._has_work else lambda _: True

    def flush(self, timeout: float) -> bool:
        """Export what there is; return whether that was done within `timeout` seconds."""
        return self.begin_flush()(timeout)

    def close(self, deadline: float) -> None:
        """Begin the last export, until `deadline` (`time.monotonic()`); does not wait, and does it but once."""
        if not self._thread.stopping:
            self._thread.stop(deadline)

    def hush(self) -> None:
        """Log no more losses: the process leaves, and its last line tells of them."""
        self._report.hush()

    def join(self, timeout: float) -> bool:
        """Wait for what `close` began, at most `timeout` seconds; then release the exporter. Return whether all
        left.
        """
        ended = self._thread.finish(timeout) if self._thread.running or self._has_work else True
        cancelled = self._delivery.release()
        if cancelled and not ended:
            self._thread.finish(_CANCELLED)  # so that what the attempt was to deliver is counted, and once
        return not self._waiting

    def park(self) -> None:
        """Ask the thread to end for now: the process is about to fork."""
        self._thread.park()

    def wait_parked(self, timeout: float) -> bool:
        """Wait until the thread is gone, then let go of the connection; return whether it went."""
        self._delivery.wait_connected(_LONGEST_START)
        self.warm()
        gone = self._thread.wait_parked(timeout)
        if gone:
            self._delivery.release()
        return gone

    def cancel(self) -> bool:
        """Cancel an attempt that is under way; what it was to deliver is kept. Return whether it could be."""
        return self._delivery.release()

    def unpark(self) -> None:
        """Let the thread run again."""
        self._thread.unpark()

    def resume(self) -> None:
        """Have the thread running again if there is anything for it."""
        if self._has_work:
            self._thread.start()

    def reset(self) -> None:
        """Begin anew in a forked child: what there was is the parent's to export."""
        self._thread.reset()
        self._delivery.reset()
        self._report.reset()
        self._begin()

    def _tell_losses(self) -> None:
        if self._thread.time_left <= 0:
            return  # the last line of the process does
        self._report.tell(overflowed=self.overflowed, refused=self.refused, reason=self._delivery.reason)
