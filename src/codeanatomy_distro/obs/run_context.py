"""The run that the telemetry of this moment belongs to: its id, and the stage it is in.

The run id of a context wins over the run id of the process (which `CODEANATOMY_RUN_ID` seeds), so that a program may
run several pipelines at once and a thread that was given no context still names the run of its process.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "clear_run_id",
    "get_context_run_id",
    "get_process_run_id",
    "get_run_id",
    "get_stage",
    "new_run_id",
    "reset_run_id",
    "run_context",
    "set_process_run_id",
    "set_run_id",
    "stage_context",
]

_run_id: ContextVar[str | None] = ContextVar("codeanatomy_run_id", default=None)
_stage: ContextVar[str | None] = ContextVar("codeanatomy_stage", default=None)


class _Process:
    """What holds for the whole process; a forked child inherits it, which is what it should do."""

    run_id: str | None = None


def set_run_id(run_id: str) -> Token[str | None]:
    """Make `run_id` the run id of the current context and return a token for `reset_run_id`."""
    return _run_id.set(run_id)


def get_run_id() -> str | None:
    """Return the run id of the current context, else the process's, else None."""
    return _run_id.get() or _Process.run_id


def get_context_run_id() -> str | None:
    """Return the run id of the current context alone, or None where the process's holds."""
    return _run_id.get()


def reset_run_id(token: Token[str | None]) -> None:
    """Restore the run id that was current before the `set_run_id` that returned `token`."""
    _run_id.reset(token)


def clear_run_id() -> None:
    """Take the run id off the current context; the process's own, if it has one, holds again."""
    _run_id.set(None)


def set_process_run_id(run_id: str | None) -> None:
    """Make `run_id` the run id of every context of this process that has none of its own."""
    _Process.run_id = run_id


def get_process_run_id() -> str | None:
    """Return the run id of this process, or None."""
    return _Process.run_id


@contextmanager
def run_context(run_id: str | None = None) -> Generator[str]:
    """Give the block a run id, a new one unless `run_id` is given, and yield it."""
    chosen = run_id or new_run_id()
    token = _run_id.set(chosen)
    try:
        yield chosen
    finally:
        _run_id.reset(token)


def new_run_id() -> str:
    """Return a new UUIDv7 (RFC 9562, section 5.7): unique, and ordered by the time the run began."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | noise
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def get_stage() -> str | None:
    """Return the innermost stage that the current context is in, or None."""
    return _stage.get()


@contextmanager
def stage_context(stage: str) -> Generator[None]:
    """Make `stage` the current stage of the block."""
    token = _stage.set(stage)
    try:
        yield
    finally:
        _stage.reset(token)
