"""What the program's log is told of an export: losses, at most once a minute, and what befalls the thread."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from typing import Final

__all__ = ["LossReport", "in_one_line", "say"]

_logger = logging.getLogger("codeanatomy_distro.export")
_BETWEEN_REPORTS: Final = 60.0  # seconds
_LONGEST_REASON: Final = 300  # characters


class LossReport:
    """Says what was lost, at most once a minute."""

    def __init__(self, signal: str, destination: str) -> None:
        self._signal = signal
        self._destination = destination
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child."""
        self._told = 0
        self._last = -_BETWEEN_REPORTS

    def hush(self) -> None:
        """Say nothing from now on."""
        self._last = math.inf

    def tell(self, *, overflowed: int, refused: int, reason: str) -> None:
        """Log the losses so far, if there are new ones and the last word was long enough ago."""
        lost = overflowed + refused
        now = time.monotonic()
        self._told = min(self._told, lost)  # metric points that were refused may arrive after all
        if lost <= self._told or now - self._last < _BETWEEN_REPORTS:
            return
        self._last, self._told = now, lost
        causes = [
            f"{overflowed} did not fit the queue" if overflowed else "",
            f"{refused} could not be delivered to {self._destination} ({in_one_line(reason)})" if refused else "",
        ]
        say(logging.WARNING, "%d %s lost so far: %s", lost, self._signal, "; ".join(filter(None, causes)))


def say(level: int, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log what befalls an export. A handler of the program's that raises must not end the thread that exports."""
    with suppress(Exception):  # it is the handler's own fault, and logging's way to tell of it has had its turn
        _logger.log(level, message, *args, exc_info=error)


def in_one_line(reason: str) -> str:
    """Return what may be a receiver's own words, of any length and with any characters, as a log can take it."""
    words = "".join(character if character.isprintable() else " " for character in reason)
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]}…"
