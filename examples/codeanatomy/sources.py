"""Finding the Python files of a tree, always in the same order."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

NODE_BITS = 32
"""A file's id is its place in the listing, shifted left by this much: its definitions and calls count up from there."""


@dataclass(frozen=True)
class SourceFile:
    """One file to parse: where it is (relative to the root) and the name under which other modules import it."""

    file_id: int
    path: str
    module: str
    is_package: bool


@dataclass(frozen=True)
class SourceListing:
    """Every Python file of a tree, and the directories that could not be listed (path and reason)."""

    files: tuple[SourceFile, ...]
    unlisted: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Chunk:
    """A run of neighbouring files, parsed together and written as one part of every table."""

    part: int
    files: tuple[SourceFile, ...]


def printable(text: str) -> str:
    """The text on one line and encodable: a lone surrogate or a control character becomes its escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def list_sources(root: str, on_found: Callable[[int], None] = lambda _: None) -> SourceListing:
    """List the ``.py`` files under ``root``.

    Directories are visited in the order of their names, without recursion (a tree may be deeper than Python's stack).
    A linked directory is not entered, so a loop of links ends; a linked file is listed as itself. ``on_found`` is
    called with the number of files found so far, once for each directory.
    """
    files: list[SourceFile] = []
    unlisted: list[tuple[str, str]] = []
    pending = [("", package_prefix(root))]
    while pending:
        directory, prefix = pending.pop()
        try:
            entries = sorted(os.scandir(Path(root, directory)), key=lambda entry: entry.name)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            unlisted.append((directory or ".", reason))
            logger.warning("directory not listed: %s: %s", printable(directory or "."), reason)
            continue
        if Path(directory).name == "src" and all(entry.name != "__init__.py" for entry in entries):
            prefix = ()  # the "src layout": imports start below this directory
        children: list[tuple[str, tuple[str, ...]]] = []
        for entry in entries:
            path = os.path.join(directory, entry.name)  # noqa: PTH118  a Path for each entry would cost too much
            if is_directory(entry):
                children.append((path, (*prefix, entry.name)))
            elif entry.name.endswith(".py"):
                is_package = entry.name == "__init__.py" and bool(prefix)
                parts = prefix if is_package else (*prefix, entry.name[: -len(".py")])
                files.append(SourceFile(len(files) << NODE_BITS, path, printable(".".join(parts)), is_package))
        pending.extend(reversed(children))
        on_found(len(files))
    return SourceListing(tuple(files), tuple(unlisted))


def is_directory(entry: os.DirEntry[str]) -> bool:
    """Whether to enter it: a directory that is not reached through a link."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def package_prefix(root: str) -> tuple[str, ...]:
    """The packages that ``root`` itself lies in, outermost first: empty when it holds no ``__init__.py``."""
    parts: list[str] = []
    directory = Path(os.path.abspath(root))  # noqa: PTH100  "..", but not links, must go
    while directory.name and (directory / "__init__.py").is_file():
        parts.insert(0, directory.name)
        directory = directory.parent
    return tuple(parts)


def split_into_chunks(files: tuple[SourceFile, ...], size: int) -> list[Chunk]:
    """Cut the listing into chunks of ``size`` files; an empty listing gives one empty chunk, so every table exists."""
    starts = range(0, max(len(files), 1), size)
    return [Chunk(part, files[start : start + size]) for part, start in enumerate(starts)]
