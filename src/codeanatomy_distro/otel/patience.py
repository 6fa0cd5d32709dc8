"""How long a forked worker waits at its end for a back end that others of its program have waited for in vain.

A program that runs a thousand workers, one after another, must not wait for the deadline a thousand times when the
Collector is down. What one of them has learnt the next can't be told by way of the parent, which only waits for them: a
page of memory is shared by all processes that one has forked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mmap import mmap

__all__ = ["Patience"]

_SHORTEST: Final = 0.1  # seconds, in which a back end that is there again is found, over a new connection
_MOST: Final = 30


class Patience:
    """Halves the time of a worker with each one before it that left without having delivered, until one delivers."""

    def __init__(self) -> None:
        self._in_vain: mmap | None = None
        self._worker = False

    def share(self) -> None:
        """Have the page, for a child that is about to be forked."""
        if self._in_vain is None:
            from mmap import mmap  # start-up cost: of programs that fork

            self._in_vain = mmap(-1, 1)

    def become_worker(self) -> None:
        """Be that of a process that was forked: the first one's own deadline is always kept."""
        self._worker = self._in_vain is not None

    def of(self, seconds: float) -> float:
        """Return how many of the `seconds` that leaving may take it is to take."""
        if self._in_vain is None or not self._worker or not self._in_vain[0]:
            return seconds
        return min(seconds, max(_SHORTEST, seconds / 2 ** self._in_vain[0]))

    def waited_in_vain(self) -> None:
        """Tell the others that this process left without having delivered."""
        if self._in_vain is not None:
            self._in_vain[0] = min(self._in_vain[0] + 1, _MOST)

    def delivered(self) -> None:
        """Tell the others that the back end takes what it is sent."""
        if self._in_vain is not None and self._in_vain[0]:
            self._in_vain[0] = 0
