"""Text for terminals of any kind."""

from __future__ import annotations

import io
import sys

__all__ = ["printable", "tolerate_any_text"]


def printable(text: str) -> str:
    """Return `text` with what would steer a terminal, or is no character, written as Python would write it."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def tolerate_any_text() -> None:
    """Have what the terminal's encoding lacks printed as an escape, in place of ending the command with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where the command was started without
            stream.reconfigure(errors="backslashreplace")
