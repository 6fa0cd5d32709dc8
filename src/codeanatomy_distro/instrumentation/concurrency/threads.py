"""Threads go on where they were started, tasks of a thread pool where they were submitted.

Only OpenTelemetry's context and the run are carried, never the program's own context variables: those are not ours to
move into another thread.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.place import Place, at_place, get_place

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

__all__ = ["carry_to_thread", "carry_to_thread_pool", "pool_machinery"]

_machinery: Final[ContextVar[bool]] = ContextVar("codeanatomy_pool_machinery", default=False)


class pool_machinery:  # noqa: N801 - a context manager, used like a function
    """Marks a block in which a pool may start threads of its own: they serve many tasks and belong to no place."""

    def __enter__(self) -> None:
        self._token = _machinery.set(True)

    def __exit__(self, *_: object) -> None:
        _machinery.reset(self._token)


def carry_to_thread(original: Callable[..., None]) -> Callable[..., None]:
    """Return a replacement of `Thread.start` after which the thread runs where it was started."""

    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        try:
            if not _machinery.get():
                _carry(self, get_place())
        except Exception as error:  # noqa: BLE001 - the program's thread must start
            report_failure("carrying context to a thread", error)
        return original(self)

    return start


def _carry(thread: threading.Thread, place: Place) -> None:
    if not place.context and place.run_id is None:
        return  # nowhere in particular
    run = thread.run  # of whatever class; an override that never calls the base class's is carried too

    def run_at_place() -> None:
        thread.__dict__.pop("run", None)
        with at_place(place):
            run()

    thread.run = run_at_place


def carry_to_thread_pool(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a replacement of `ThreadPoolExecutor.submit` that runs each task where it was submitted."""

    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original
        with pool_machinery():
            return original(self, _at, get_place(), fn, *args, **kwargs)

    return submit


def _at(place: Place, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the program's own function
    with at_place(place):
        return fn(*args, **kwargs)
