"""How a program ended, as it is known to an exit handler."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

WATCHED = """
import atexit, sys, threading
from codeanatomy_distro.otel.leaving import keep_interrupt, watch_leaving
leaving = watch_leaving()
def tell():
    print(leaving.code, type(leaving.error).__name__)
    leaving.stop()
    eval("1")  # source text makes the interpreter forget an interrupt
    keep_interrupt()
atexit.register(tell)
"""
SEES_ALL = sys.version_info >= (3, 12)
NOUGHT = "0" if SEES_ALL else "None"  # before, a bare SystemExit is not seen, so that nothing tells of no code


@pytest.mark.parametrize(
    ("way", "told", "code"),
    [
        ("pass", f"{NOUGHT} NoneType", 0),
        ("sys.exit(3)", "3 NoneType", 3),
        ("sys.exit('a message')", "1 NoneType", 1),
        ("sys.exit()", "0 NoneType", 0),
        ("def main():\n    try: sys.exit(2)\n    finally: print(end='')\nmain()", "2 NoneType", 2),
        ("raise SystemExit(4)", f"{'4' if SEES_ALL else 'None'} NoneType", 4),
        ("raise ValueError('of the program')", "1 ValueError", 1),
        ("raise KeyboardInterrupt", "130 KeyboardInterrupt", -2),
        ("try: sys.exit(3)\nexcept SystemExit: pass", f"{NOUGHT} NoneType", 0),
        ("threading.Thread(target=sys.exit, args=(5,)).start()", f"{NOUGHT} NoneType", 0),
        ("sys.excepthook = lambda *_: None\nraise ValueError", "1 ValueError", 1),
    ],
)
def test_how_it_ended_is_known_and_stays_as_it_is(
    run_alone: Callable[..., Any], way: str, told: str, code: int
) -> None:
    """An exit handler learns the code and the exception that nobody caught; the process ends with that code."""
    ended = run_alone(WATCHED + way)
    assert (ended.stdout, ended.code) == (f"{told}\n", code)


@pytest.mark.skipif(not SEES_ALL, reason="sys.monitoring is new in 3.12")
def test_watching_takes_one_tool_and_gives_it_back(run_alone: Callable[..., Any]) -> None:
    """A debugger's, coverage's and profiler's numbers stay free; after the end ours is free too."""
    ended = run_alone("""
        import sys
        from codeanatomy_distro.otel.leaving import watch_leaving
        leaving = watch_leaving()
        print([sys.monitoring.get_tool(number) for number in range(6)])
        leaving.stop()
        print([sys.monitoring.get_tool(number) for number in range(6)])
    """)
    assert ended.stdout.splitlines() == [str([None, None, None, None, "codeanatomy-distro", None]), str([None] * 6)]
