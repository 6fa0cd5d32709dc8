"""Sends to the Hamilton UI from one daemon thread, in order, so that the program never waits for the server.

It fails open: the first failure that is the server's ends the tracking of this process, with one warning.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import Final

from codeanatomy_distro.obs.own_threads import create_thread

__all__ = ["Sender"]

_logger: Final = logging.getLogger("codeanatomy_distro.hamilton_ui")
_QUEUE_SIZE: Final = 10_000
_LONGEST_CALL_SECONDS: Final = 10.0
# At the end of the process, for one answer, for all, and with what is not the server's, as the loading of its SDK.
_LONGEST_ANSWER_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 4.0
_LONGEST_LEAVE_SECONDS: Final = 10.0

Job = Callable[[], None]


class Sender:
    """Runs jobs one after the other on its own thread, until one fails, hangs or the process ends."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._jobs: queue.Queue[Job] = queue.Queue(_QUEUE_SIZE)
        self._since = 0.0
        self._asked = 0.0
        self._lost = 0
        self._alive = True
        self._lock = threading.Lock()
        self._thread = create_thread(self._run, "codeanatomy-hamilton-ui")
        self._thread.start()
        atexit.register(self.close)

    @property
    def alive(self) -> bool:
        """Whether jobs are still run."""
        since = self._since
        if self._alive and since and time.monotonic() - since > _LONGEST_CALL_SECONDS:
            self.give_up("it does not answer")
        return self._alive

    @contextlib.contextmanager
    def calling(self) -> Generator[None]:
        """Say that the server is being asked, for as long as the block runs."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._asked += time.monotonic() - self._since
            self._since = 0.0

    def send(self, job: Job) -> None:
        """Run `job` when those before it are done; one that finds no room is counted and dropped."""
        if not self.alive or not self._thread.is_alive():  # in a forked child it is not
            return
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self._lost += 1

    def give_up(self, reason: str) -> None:
        """Send no more, and say once why not."""
        with self._lock:
            if not self._alive:
                return
            self._alive = False
        _logger.warning("Hamilton UI at %s: %s; runs are no longer recorded there", self._destination, reason)

    def close(self) -> None:
        """Send what is left, waiting a second at most for an answer of the server, and four for all."""
        atexit.unregister(self.close)
        began = time.monotonic()
        before = self._asked_for(began)
        while self._alive and self._jobs.unfinished_tasks and self._thread.is_alive():
            waited = self._asked_for(now := time.monotonic()) - before
            since = self._since
            if waited > _LONGEST_WAIT_SECONDS or (since and now - max(since, began) > _LONGEST_ANSWER_SECONDS):
                self.give_up("it does not answer in time")
            elif now - began > _LONGEST_LEAVE_SECONDS:
                self.give_up("it did not take all in time")
            time.sleep(0.005)
        if self._alive and self._lost:
            self.give_up(f"{self._lost} updates found no room in the queue")
        self._alive = False

    def _asked_for(self, now: float) -> float:
        asked, since = self._asked, self._since  # in this order: a call that ends meanwhile must not count twice
        return asked + (now - since if since else 0.0)

    def _run(self) -> None:
        with _quiet_sdk():
            while self._alive:
                job = self._jobs.get()
                try:
                    if self._alive:
                        job()
                except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
                    self.give_up(f"{type(failure).__name__}: {str(failure)[:300]}")
                finally:
                    self._jobs.task_done()


@contextlib.contextmanager
def _quiet_sdk() -> Generator[None]:
    """Keep what the UI's SDK logs on this thread from the program's own logs; we say what matters once."""
    mine = threading.get_ident()
    loggers = [logging.getLogger(f"hamilton_sdk.{name}") for name in ("api.clients", "driver", "tracking.runs")]

    def keep(record: logging.LogRecord) -> bool:
        return record.thread != mine

    for logger in loggers:
        logger.addFilter(keep)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(keep)
