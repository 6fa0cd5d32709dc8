"""Run a program as if we were not there: its own standard streams, its signals, its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

__all__ = ["run_child"]

_FORWARDED = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if name in signal.Signals.__members__
)
_FROM_KEYBOARD = frozenset({"SIGINT", "SIGQUIT"})
_KILLED = 128
"""Shells report a program killed by signal N with this plus N."""


def run_child(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command until it ends and return its exit code, 128 + N when signal N killed it.

    Signals sent to us go on to it; we live on to report, whatever they are. Call from the main thread. Raises
    ``OSError`` when the program cannot be started.
    """
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        elif signal.Signals(number).name not in _FROM_KEYBOARD or not _typed():
            child.send_signal(number)

    # A signal that we were started to ignore (nohup) stays ignored, for us and for the child.
    ours = [number for number in _FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, forward) for number in ours}
    try:
        with subprocess.Popen(command, env=dict(environ)) as child:  # noqa: S603 - running it is the command's purpose
            for number in early:
                child.send_signal(number)
            code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else _KILLED - code


def _typed() -> bool:
    """Return whether a keyboard signal came from our terminal, which has then sent it to the child as well.

    That is so when we are the terminal's foreground group: the child is in it with us. A second one from us would kill
    a program that is tidying up after the first.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
