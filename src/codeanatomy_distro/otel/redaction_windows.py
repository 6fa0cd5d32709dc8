"""Replacing in long texts window by window, so that the program's threads get their turns in between.

A regular expression holds the interpreter for as long as one call takes: a quarter of a second for a megabyte, in which
no thread of the program runs. A window takes ten milliseconds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["OVERLAP", "WINDOW", "sub_in_windows", "windows"]

WINDOW: Final = 24_576
# What a pattern must find to match at all reaches across the end of a window only by so much, see `_END`: a directory
# known by name is the longest. What it takes besides, as far as it goes, is looked at again without an end.
OVERLAP: Final = 4_608
_LONGEST_STEP: Final = 64
# Where a window ends, if it can: whatever a pattern must find and may be of any length (the labels of a host, a user
# before an "@", a row of slashes) has no such place in it. Without one for half a window it ends all the same: none of
# those is longer than the overlap in a text that means something.
_END: Final = re.compile(r"[\s\"]|(?<!/)/")


def windows(text: str, overlap: int) -> Iterator[str]:
    """Return the parts of a text, each beginning with the last `overlap` characters of the one before."""
    return (text[max(0, start - overlap) : start + WINDOW] for start in range(0, len(text), WINDOW))


def sub_in_windows(
    pattern: re.Pattern[str],
    replace: Callable[[re.Match[str]], str],
    text: str,
    window: int = WINDOW,
    overlap: int = OVERLAP,
) -> str:
    """Return ``pattern.sub(replace, text)`` for a pattern of `redaction_patterns`; lengths are in characters."""
    if len(text) <= window:
        return pattern.sub(replace, text)
    pieces: list[str] = []
    done = start = 0
    while start < len(text):
        latest = min(start + window + window // 2, len(text))
        found = _END.search(text, start + window, latest)
        end = found.start() if found else latest
        # A match that begins close to the end might be another one with more of the text: the next window has it.
        goes_on = end < len(text)
        limit = end - overlap if goes_on else end
        while start < limit and (match := pattern.search(text, start, end)) and match.start() < limit:
            if goes_on and match.end() >= end - _LONGEST_STEP:
                match = pattern.match(text, match.start()) or match
            pieces += (text[done : match.start()], replace(match))
            done = start = match.end()
        start = max(start, limit)
    return "".join((*pieces, text[done:])) if pieces else text
