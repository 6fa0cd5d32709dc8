"""The last word of a process: one line on stderr with what could not be delivered, and to where."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeanatomy_distro.otel.part import Part

__all__ = ["tell_losses"]

_PATIENCE: Final = 0.5  # seconds that a full pipe is given until somebody reads from it


def tell_losses(parts: Iterable[Part]) -> None:
    """Write what `parts` could not deliver to stderr, by destination and cause; nothing where all was.

    Where stderr is closed, or a pipe that nobody reads, the line is lost: it may neither keep the process from ending
    nor change its exit code.
    """
    lost: dict[str, list[str]] = {}
    for part in parts:
        if losses := part.losses:
            lost.setdefault(f"{part.destination} ({part.cause})", []).append(losses)
    if lost:
        _write("; ".join(f"{', '.join(counts)} to {where}" for where, counts in lost.items()))


def _write(line: str) -> None:
    stream: Any = sys.stderr
    if stream is None:  # under pythonw, and where it was closed
        return
    try:
        if not _is_full(stream):
            stream.write(f"codeanatomy-distro: not delivered: {line}\n")
            stream.flush()
    except (Exception, KeyboardInterrupt):  # noqa: BLE001 - see below
        # Nobody reads it, or will wait for it; a signal's handler interrupts the program in a line of its own; or the
        # program has put something there that raises what it likes: none of them may become its exit code.
        return


def _is_full(stream: Any) -> bool:  # noqa: ANN401 - whatever the program has put there
    """Return whether `stream` is a pipe that takes nothing, even after some time: a write might never end."""
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return False  # it is no file
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return not poll.poll(_PATIENCE * 1000)
