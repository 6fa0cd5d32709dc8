"""How a program ended: the exception that nobody caught, or the code it left with.

Python tells neither at exit: exit handlers run after the exception is gone. An uncaught exception passes
`sys.excepthook`; a `SystemExit` passes nothing, so that it has to be seen where it is raised: by the interpreter's own
monitoring from 3.12 on, and before that by `sys.exit`, which is how programs leave.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Leaving", "keep_interrupt", "watch_leaving"]


class Leaving:
    """What is known of how the program ends: the `error` that nobody caught, or the `code` it leaves with."""

    def __init__(self) -> None:
        self.told: BaseException | None = None
        self.hook: object = None
        self._system_exit: int | None = None
        self.signal: int | None = None
        self.exact = False
        """Whether every `SystemExit` is seen, so that none heard of means 0."""
        self.stop: Callable[[], None] = lambda: None
        """Ends the watching; called once how the program ended has been told."""

    @property
    def error(self) -> BaseException | None:
        """Return the exception that nobody caught, or None."""
        if self.told is None and sys.excepthook is not self.hook:
            # The program has set a hook of its own; what the interpreter handed to it is kept for debuggers.
            return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        return self.told

    @property
    def signal_name(self) -> str:
        """Return the name of the signal that ends the process; empty without one."""
        return "" if self.signal is None else signal.Signals(self.signal).name

    @property
    def code(self) -> int | None:
        """Return the exit code, or None where Python does not tell: a bare ``raise SystemExit`` before 3.12."""
        if self.signal is not None:
            return 128 + self.signal
        if self.error is not None:
            return 130 if isinstance(self.error, KeyboardInterrupt) else 1
        return self._system_exit if self._system_exit is not None else 0 if self.exact else None

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


def keep_interrupt() -> None:
    """Let a process that a KeyboardInterrupt ends still end by SIGINT, as its parent expects.

    The interpreter remembers the interrupt in a flag that any evaluation of source text clears, and the last export may
    import modules that evaluate some (named tuples, protocol buffers). Raising the interrupt once more sets the flag.
    """
    if getattr(sys, "last_type", None) is not KeyboardInterrupt:
        return
    try:
        exec("raise KeyboardInterrupt")  # noqa: S102 - source text is the point, see above
    except KeyboardInterrupt:
        return


def _watch_excepthook(leaving: Leaving) -> None:
    before = sys.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> Any:  # noqa: ANN401 - as the one before
        leaving.told = error
        return before(kind, error, traceback)

    # A program that sets its own hook replaces this one; sys.last_value, which the interpreter sets, is asked then.
    sys.excepthook = leaving.hook = excepthook


if sys.version_info >= (3, 12):

    def _monitor(leaving: Leaving) -> None:
        monitoring = sys.monitoring
        tool = next((number for number in (4, 3) if monitoring.get_tool(number) is None), None)
        if tool is None:  # two other tools watch already; the exit code is then not known
            return

        is_main = _is_main(threading.get_ident, threading.main_thread().ident)

        # Callbacks outlive the names of their module when the interpreter ends, and one that raises then is called for
        # its own exception, for ever: everything that they need is bound, and `stop` ends them before it comes to that.
        def raised(
            _code: object,
            _offset: int,
            error: BaseException,
            is_main: Callable[[], bool] = is_main,
            kind: Callable[[object], type] = type,
            wanted: type = SystemExit,
            note: Callable[[object], None] = leaving.system_exit,
        ) -> None:
            if kind(error) is wanted and is_main():
                note(error.code)  # pyright: ignore[reportAttributeAccessIssue] - it is a SystemExit

        def handled(
            _code: object,
            _offset: int,
            error: BaseException,
            is_main: Callable[[], bool] = is_main,
            kind: Callable[[object], type] = type,
            wanted: type = SystemExit,
            note: Callable[[], None] = leaving.stayed,
        ) -> None:
            if kind(error) is wanted and is_main():
                note()

        def stop() -> None:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)

        events = monitoring.events
        monitoring.use_tool_id(tool, "codeanatomy-distro")
        monitoring.register_callback(tool, events.RAISE, raised)
        monitoring.register_callback(tool, events.RERAISE, raised)
        monitoring.register_callback(tool, events.EXCEPTION_HANDLED, handled)
        leaving.exact = True
        leaving.stop = stop
        monitoring.set_events(tool, events.RAISE | events.RERAISE | events.EXCEPTION_HANDLED)

    def _is_main(get_ident: Callable[[], int], main: int | None) -> Callable[[], bool]:
        return lambda: get_ident() == main


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
        given = cast("tuple[Any, ...]", code) if isinstance(code, tuple) else () if code is None else (code,)
        # Not by way of a name: its traceback leads to this frame, and the two would keep each other alive.
        raise _watched(SystemExit(*given), leaving)

    sys.exit = exit


def _watched(error: SystemExit, leaving: Leaving) -> SystemExit:
    error.__dict__["_codeanatomy_watched"] = _Watched(leaving, error.code)
    return error
