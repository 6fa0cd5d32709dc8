"""The thread of one exporter, where its end and its next start meet."""

from __future__ import annotations

import threading

from codeanatomy_distro.otel.export_thread import ExportThread, Reason


class Unparked(ExportThread):
    """A thread for which the fork is over just when it has seen that one is to come, and is about to say it ends."""

    unparks = False

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._running

    @running.setter
    def running(self, value: bool) -> None:
        if self.unparks and not value:
            self.unparks = False
            self.unpark()
            self.start()
        self._running = value


def test_a_thread_that_ends_as_the_fork_is_over_is_followed_by_another() -> None:
    """Whoever starts it finds it running still; the reader of metrics would not be started by anybody else."""
    served = threading.Event()

    def serve(reason: Reason) -> None:
        if reason == "size":
            served.set()

    thread = Unparked("test", serve, 60)
    thread.start()
    thread.unparks = True
    thread.park()
    assert thread.wait_parked(5)
    thread.wake()
    assert served.wait(5)
