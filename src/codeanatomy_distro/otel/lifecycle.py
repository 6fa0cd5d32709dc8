"""From the first export to the last: every part that exports, flushed together, left together, forked together."""

from __future__ import annotations

import atexit
import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.obs.own_threads import create_thread
from codeanatomy_distro.otel import fork, last_word, leaving
from codeanatomy_distro.otel.part import Part
from codeanatomy_distro.otel.signals import SignalWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codeanatomy_distro.otel.identity import Identity

__all__ = ["Lifecycle", "Part"]

_logger = logging.getLogger("codeanatomy_distro.export")
_PARK_SECONDS: Final = 0.25  # what a fork waits for exports that are under way, all together, before it cancels them
_CANCEL_SECONDS: Final = 1.0
_STAYS_BEHIND: Final = 0.5  # seconds past the deadline that another thread's last export is waited for
_MARGIN: Final = 0.05  # seconds past the deadline in which the last attempt, that ends with it, may still be counted


class Lifecycle:
    """Holds what exports, and sees it through fork, signal and exit.

    `deadline` is in seconds and for all parts together (``CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT``).
    """

    def __init__(self, parts: Sequence[Part], *, deadline: float, identity: Identity | None = None) -> None:
        self._parts = list(parts)
        self._deadline = deadline
        self._identity = identity
        self._before_exit: list[Callable[[int | None], None]] = []
        self._begun: dict[str, list[int]] = {}
        self._left = False
        self._ends = math.inf
        self._paused = False
        self._expects_kill = False
        self._signals = SignalWatch(self)

    @property
    def deadline(self) -> float:
        """Return how many seconds leaving may take."""
        return self._deadline

    def before_exit(self, action: Callable[[int | None], None]) -> None:
        """Run `action` before the last export, with the number of the signal that ends the process, or None."""
        self._before_exit.append(action)

    def install(self) -> None:
        """Take part in this process's exit, its forks and its signals."""
        atexit.register(self._at_exit)
        fork.watch(self)
        self._signals.install()

    def prepare(self) -> None:
        """Have the threads ready, for something that is sure to come at the very end."""
        for part in self._parts:
            part.start()

    def expect_kill(self) -> None:
        """Export soon after each event, for the process may be killed at any time: it is a cluster's worker.

        Exporters are imported now, on a thread: on a busy machine that takes longer than the end of a worker may.
        """
        if self._expects_kill:
            return
        self._expects_kill = True
        for part in self._parts:
            part.hurry()
        create_thread(self._warm, "codeanatomy-warming").start()

    def _warm(self) -> None:
        for part in self._parts:
            part.warm()

    def flush(self, timeout: float) -> bool:
        """Export what is there now, all parts at once; return whether that was done in `timeout` seconds."""
        end = time.monotonic() + timeout
        waiters = [part.begin_flush() for part in self._parts]
        return all(waiter(end - time.monotonic()) for waiter in waiters)

    def shutdown(self, ended_by: int | None = None) -> None:
        """Export what is left, all parts at once under one deadline, and say what could not be delivered. Once only.

        `ended_by` is the number of the signal that ends the process, if one does. Where another thread is at it, that
        is waited for: the caller may be about to end the process.
        """
        if self._begin("leaving"):
            self._leave(ended_by)
        else:
            self._wait_left()
        self._signals.act_on_pending()

    def _leave(self, ended_by: int | None) -> None:
        try:
            end = self._ends = time.monotonic() + self._deadline
            for action in self._before_exit:
                self._attempt(action, ended_by)
            for part in self._parts:
                part.hush()
                part.close(end)
            for part in self._parts:
                part.join(end + _MARGIN - time.monotonic())
        except KeyboardInterrupt:
            _logger.debug("somebody does not want to wait for the last export")
        self.tell_losses()
        self._left = True  # not before: a signal's handler may wait for it, to end the process

    def _attempt(self, action: Callable[[int | None], None], ended_by: int | None) -> None:
        try:
            action(ended_by)
        except Exception as error:  # noqa: BLE001 - a span that ends calls the program's own processors
            _logger.warning("what ends with the process failed: %s: %s", type(error).__name__, to_text(error))

    def _wait_left(self) -> None:
        end = time.monotonic() + self._deadline + _STAYS_BEHIND
        while self.leaving and not self.leaves_on_this_thread:
            if time.monotonic() > end:
                self.tell_losses()  # in its place: the process may end any moment
                return
            time.sleep(0.005)

    @property
    def leaving(self) -> bool:
        """Return whether `shutdown` is under way."""
        return "leaving" in self._begun and not self._left

    @property
    def left(self) -> bool:
        """Return whether `shutdown` is over."""
        return self._left

    @property
    def leaves_on_this_thread(self) -> bool:
        """Return whether it is the calling thread, further down its stack, that is in `shutdown`."""
        return self.leaving and self._begun["leaving"] == [threading.get_ident()]

    @property
    def held_up(self) -> bool:
        """Return whether the export seems to wait for what a thread that does not run holds.

        That is the lock of a meter; or that of an import, which takes its time anyway, so that half of the deadline is
        given to it.
        """
        long = self._ends - time.monotonic() < self._deadline / 2
        return any(part.held_up or (long and part.connecting) for part in self._parts)

    def _begin(self, what: str) -> bool:
        """Return whether `what`, that is done once only, is the calling thread's to do.

        Whose it is becomes known with its being taken, in one step. A signal's handler that ran between two would stand
        on top of the last export, take it for another thread's, and wait for it until the deadline is over.
        """
        claim = [threading.get_ident()]
        return self._begun.setdefault(what, claim) is claim

    def _at_exit(self) -> None:
        self.shutdown()
        self._signals.uninstall()
        leaving.keep_interrupt()

    def tell_losses(self) -> None:
        """Say what could not be delivered, in one line on stderr. Once only."""
        if self._begin("telling"):
            last_word.tell_losses(self._parts)

    def become_worker(self) -> None:
        """Take on an identity of its own, in a new interpreter that finds in its environment what its parent found."""
        if self._identity is not None and self._identity.shared:
            self._identity.renew()

    def before_fork(self) -> None:
        """Bring the process to a state that a child can inherit: none of our threads, no connection, no lock held.

        Threads make Python 3.12 warn of the fork, and a gRPC channel that is inherited in the middle of a call hangs
        the child; a closed one costs its next export some milliseconds.
        """
        self._signals.park()
        for part in self._parts:
            part.park()
        end = time.monotonic() + _PARK_SECONDS
        late = [part for part in self._parts if not part.wait_parked(end - time.monotonic())]
        cancelled = [part for part in late if part.cancel()]
        end = time.monotonic() + _CANCEL_SECONDS
        for part in cancelled:
            part.wait_parked(end - time.monotonic())

    def after_fork_in_parent(self, *, later: bool) -> None:
        """Go on; with `later`, the threads start with the next telemetry or `resume` (see `fork`)."""
        for part in self._parts:
            part.unpark()
        self._paused = True
        if not later:
            self.resume()

    def resume(self) -> None:
        """Start the threads that a fork has ended, if it was put off until now."""
        if self._paused:
            self._paused = False
            self._signals.resume()
            for part in self._parts:
                part.resume()

    def after_fork_in_child(self) -> None:
        """Begin anew: nothing of the parent's is this process's to export."""
        self._begun = {}
        self._left = self._paused = False
        self._before_exit.clear()
        if self._identity is not None:
            self._identity.renew()
        for part in self._parts:
            part.reset()
            part.resume()
        self._signals.renew()
