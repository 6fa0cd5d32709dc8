"""What the start has loaded, kept out of the garbage collector's rounds: they belong to the program.

The command, the SDK, what they import and ours are some 35,000 objects that live as long as the process. Each full
collection of the program's would walk them, which costs one that allocates much some 9 %, and 7 % where telemetry is
off, for the command is there all the same. The interpreter's end walks them again.
"""

from __future__ import annotations

import gc
import inspect

from codeanatomy_distro.configurator import CodeAnatomyConfigurator

__all__ = ["freeze_start"]


def freeze_start() -> None:
    """Have the collector leave alone what exists by now (`gc.freeze`), once the start is over.

    `opentelemetry-instrument` calls it after the last instrumentor, before the program's first line. Nothing is frozen
    where another configurator was chosen, nor where a program that runs already calls for the start: what is the
    program's own must stay in the rounds.
    """
    if CodeAnatomyConfigurator.has_run and _is_before_program():
        gc.freeze()


def _is_before_program() -> bool:
    """Return whether the interpreter is still at `site`, which runs before all code of the program."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") != "site":
        frame = frame.f_back
    return frame is not None
