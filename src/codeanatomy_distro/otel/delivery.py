"""Delivering one batch: attempts until it arrives, is refused for good, or its time is over."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from codeanatomy_distro.otel.loss_report import say
from codeanatomy_distro.otel.outcome import Outcome
from codeanatomy_distro.otel.patience import Patience
from codeanatomy_distro.setting_kinds import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.export_thread import ExportThread

__all__ = ["Delivery", "Exporter", "ExporterFactory"]

_FIRST_WAIT: Final = 0.2  # seconds between the first attempts; it doubles up to the longest
_SHORTEST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0
_LONGEST_WAIT_LEAVING: Final = 0.25
_LONGEST_PAUSE: Final = 600.0  # that a receiver may ask for: a clock that is wrong must not end the export for good
# Spreads the retries of many processes. It is our own: a program that seeds the shared one must draw from it what it
# would draw without us.
_RANDOM: Final = random.Random()  # noqa: S311 - it hides nothing


class Exporter(Protocol):
    """What delivers batches of one signal."""

    def export(self, batch: Any, timeout: float, /) -> Outcome:  # noqa: ANN401 - each signal has its own kind of batch
        """Try once to deliver `batch`, for at most `timeout` seconds."""
        ...

    def shutdown(self) -> object:
        """Release what the exporter holds."""
        ...

    @property
    def cancels(self) -> bool:
        """Return whether `shutdown` ends an attempt that is under way."""
        ...


class ExporterFactory:
    """Makes an exporter when it is called: not before there is something to export.

    `destination` tells people where it sends things, without credentials. `warm` imports what making one needs, and no
    more.
    """

    def __init__(
        self,
        create: Callable[[], Exporter],
        destination: str = "the exporter",
        warm: Callable[[], object] | None = None,
    ) -> None:
        self._create = create
        self._warm = warm
        self.destination = without_credentials(destination)

    def __call__(self) -> Exporter:
        """Return a new exporter."""
        return self._create()

    def warm(self) -> None:
        """Import what an exporter needs."""
        if self._warm is not None:
            self._warm()


class Delivery:
    """Delivers the batches of one signal, one at a time, on `thread`.

    The exporter is made with the first batch, so that a program pays for gRPC or HTTP neither at its start nor on its
    own thread. `timeout` is how many seconds a batch may take, retries included.
    """

    def __init__(self, create_exporter: ExporterFactory, thread: ExportThread, timeout: float) -> None:
        self._create_exporter = create_exporter
        self._thread = thread
        self._timeout = timeout
        self._warm = False
        self._patience = Patience()
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child: what the parent holds of a connection is not the child's to use or to end."""
        self._patience.become_worker()
        self._leaves = False
        self._exporter: Exporter | None = None
        self._batch: object = None
        self._batch_ends = 0.0
        self._attempts = 0
        self._failed_at = 0.0
        self._retry_after: float | None = None
        self._spread = 1.0
        self.connecting = False
        self.reason = ""

    @property
    def failing(self) -> bool:
        """Return whether the last attempt failed in a way that may pass."""
        return self._attempts > 0

    def send(self, batch: object, count: int) -> int | None:
        """Deliver `batch` of `count` items; return how many did not arrive, or None to be called again with it
        later.
        """
        if batch is not self._batch:
            self._batch = batch
            self._batch_ends = time.monotonic() + self._timeout
        missing = self._send(batch, count)
        if missing is not None:
            self._batch = None
        return missing

    def _send(self, batch: object, count: int) -> int | None:
        while True:
            self._shorten_deadline()
            left = self._time_left()
            if left <= 0:
                if self.failing and self._thread.stopping:
                    self._patience.waited_in_vain()
                self.reason = self.reason or "there was no time left"
                return count
            wait = self._failed_at + self._wait() - time.monotonic()
            if wait > 0:
                too_long = wait >= left
                asked_for = self._retry_after is not None
                if too_long and asked_for and self._thread.stopping:
                    return count  # the receiver asked to be left alone for longer than the process may wait
                # However long the receiver has failed, each batch has an attempt while there is time.
                sooner = too_long and not asked_for and left > _SHORTEST_WAIT
                if not self._thread.pause(left / 2 if sooner else min(wait, left)):
                    return None
                if not sooner:
                    continue  # the exit may have come meanwhile
            outcome = self._attempt(batch, max(0.001, self._time_left()))
            self._retry_after = outcome.retry_after
            if outcome.arrived:
                self._patience.delivered()
            if outcome.arrived or not outcome.retryable:
                self._attempts = 0
                self.reason = outcome.reason or self.reason
                return min(outcome.rejected, count) if outcome.arrived else count
            self.reason = outcome.reason
            self._attempts += 1
            self._failed_at = time.monotonic()
            self._spread = _RANDOM.uniform(0.8, 1.2)
            say(logging.DEBUG, "an export failed and is tried again: %s", outcome.reason)

    def _shorten_deadline(self) -> None:
        """Leave sooner, where others of the program have waited in vain for the same back end."""
        deadline = self._thread.deadline
        if deadline is not None and not self._leaves:
            self._leaves, now = True, time.monotonic()
            self._thread.deadline = now + self._patience.of(deadline - now)

    def _time_left(self) -> float:
        return min(self._batch_ends - time.monotonic(), self._thread.time_left)

    def _wait(self) -> float:
        """Return how long to wait after the last failed attempt, in seconds."""
        if self._retry_after is not None:
            # A receiver that asks for no pause at all must not be asked again without one.
            return min(max(self._retry_after, _FIRST_WAIT * self._spread), _LONGEST_PAUSE)
        if not self._attempts:
            return 0.0
        longest = _LONGEST_WAIT_LEAVING if self._thread.stopping else _LONGEST_WAIT
        return min(_FIRST_WAIT * 2 ** min(self._attempts - 1, 10), longest) * self._spread

    def _attempt(self, batch: object, timeout: float) -> Outcome:
        try:
            exporter = self._exporter
            if exporter is None:
                self.connecting = True
                try:
                    exporter = self._exporter = self._create_exporter()
                    self._warm = True
                finally:
                    self.connecting = False
            return exporter.export(batch, timeout)
        except Exception as error:  # noqa: BLE001 - somebody else's exporter; the queue goes on
            return Outcome(arrived=False, reason=f"{type(error).__name__}: {error}")

    def release(self) -> bool:
        """Let go of the connection; a later batch makes a new one. Return whether that cancels an attempt under way."""
        exporter, self._exporter = self._exporter, None
        if exporter is None:
            return False
        try:
            exporter.shutdown()
        except Exception as error:  # noqa: BLE001 - somebody else's exporter must not fail a fork or the exit
            say(logging.DEBUG, "an exporter failed to shut down: %s", error)
        return exporter.cancels

    def warm(self) -> None:
        """Import what an exporter needs, once: a child that is about to be forked has it then, and so have all
        after it.
        """
        self._patience.share()
        if self._warm or self.connecting:
            return
        self._warm = self.connecting = True
        try:
            self._create_exporter.warm()
        except Exception as error:  # noqa: BLE001 - it will be told when an export fails for it
            say(logging.DEBUG, "an exporter can't be imported: %s", error)
        finally:
            self.connecting = False

    def wait_connected(self, timeout: float) -> None:
        """Wait while an exporter is being made: a fork in the midst of its imports leaves the child locks without
        owner.
        """
        end = time.monotonic() + timeout
        while self.connecting and time.monotonic() < end:
            time.sleep(0.005)
