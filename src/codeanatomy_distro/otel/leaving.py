"""How a program ended: the exception that nobody caught, or the code it left with.

Python tells neither at exit: exit handlers run after the exception is gone. An uncaught exception passes
`sys.excepthook`; a `SystemExit` passes nothing, so that it has to be seen where it is raised: by the interpreter's own
monitoring from 3.12 on, and before that by `sys.exit`, which is how programs leave.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Leaving", "watch_leaving"]


class Leaving:
    """What is known of how the program ends: `error` nobody caught, or `code` it leaves with; 0 if neither is heard of."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._system_exit: int | None = None
        self.signal: int | None = None

    @property
    def code(self) -> int | None:
        """Return the exit code as far as it is known."""
        if self.signal is not None:
            return 128 + self.signal
        if self.error is not None:
            return 130 if isinstance(self.error, KeyboardInterrupt) else 1
        return self._system_exit or 0

    def system_exit(self, code: object) -> None:
        """Note that the program is about to leave with `code`, as `sys.exit` takes it."""
        self._system_exit = code if isinstance(code, int) else 0 if code is None else 1

    def stayed(self) -> None:
        """Note that it did not leave after all: the `SystemExit` was caught."""
        self._system_exit = None


def watch_leaving() -> Leaving:
    """Begin to watch how this program ends."""
    leaving = Leaving()
    _watch_excepthook(leaving)
    if sys.version_info >= (3, 12):
        _monitor(leaving)
    else:
        _wrap_exit(leaving)
    return leaving


def _watch_excepthook(leaving: Leaving) -> None:
    before = sys.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> Any:  # noqa: ANN401 - as the one before
        leaving.error = error
        return before(kind, error, traceback)

    # A program that sets its own hook replaces this one; sys.last_value, which the interpreter sets, is asked then.
    sys.excepthook = excepthook


if sys.version_info >= (3, 12):

    def _monitor(leaving: Leaving) -> None:
        monitoring = sys.monitoring
        tool = next((number for number in (4, 3) if monitoring.get_tool(number) is None), None)
        if tool is None:  # two other tools watch already; the exit code is then not known
            return
        main: Final = threading.main_thread().ident

        def raised(_code: object, _offset: int, error: BaseException) -> None:
            if type(error) is SystemExit and threading.get_ident() == main:
                leaving.system_exit(error.code)

        def handled(_code: object, _offset: int, error: BaseException) -> None:
            if type(error) is SystemExit and threading.get_ident() == main:
                leaving.stayed()

        events = monitoring.events
        monitoring.use_tool_id(tool, "codeanatomy-distro")
        monitoring.register_callback(tool, events.RAISE, raised)
        monitoring.register_callback(tool, events.RERAISE, raised)
        monitoring.register_callback(tool, events.EXCEPTION_HANDLED, handled)
        monitoring.set_events(tool, events.RAISE | events.RERAISE | events.EXCEPTION_HANDLED)


class _Watched:
    """Lives as long as the `SystemExit` that it hangs on; where no frame is left when that goes, nobody caught it."""

    def __init__(self, leaving: Leaving, code: object) -> None:
        self._leaving = leaving
        self._code = code

    def __del__(self) -> None:
        try:
            sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the documented way to look at the caller
        except ValueError:
            self._leaving.system_exit(self._code)


def _wrap_exit(leaving: Leaving) -> None:  # pyright: ignore[reportUnusedFunction] - used before 3.12
    original: Callable[..., Any] = sys.exit

    def exit(code: object = None, /) -> Any:  # noqa: A001, ANN401 - as the original
        if threading.current_thread() is not threading.main_thread():
            return original(code)
        error = SystemExit(*code) if isinstance(code, tuple) else SystemExit() if code is None else SystemExit(code)
        error.__dict__["_codeanatomy_watched"] = _Watched(leaving, error.code)
        raise error

    sys.exit = exit
