"""What strict redaction leaves of a traceback as text."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["places_only"]

# What Python writes of an error: where it was, what it followed, its type. Behind bars where it is one of a group.
_PLACE: Final = re.compile(
    r'[ |+]*(?:File "[^"]*", line \d+.*|(?:Exception Group )?Traceback \(most recent call last\):'
    r"|During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:|-[ |+-]* \d+ -+)"
)
_ERROR: Final = re.compile(r"( *\| )?[^\W\d][\w.]*(?=:|$| \()")


def places_only(stack_trace: str) -> str:
    """Keep a traceback's places and the error's type; its source lines and message may hold anything."""
    kept: list[str] = []
    awaited = True  # the type of one error comes after its places; more lines of its message may look like another
    for line in stack_trace.splitlines():
        if _PLACE.fullmatch(line):
            kept.append(line)
            awaited = True
        elif awaited and (error := _ERROR.match(line)):
            kept.append(error.group())
            awaited = False
    return "\n".join(kept)
