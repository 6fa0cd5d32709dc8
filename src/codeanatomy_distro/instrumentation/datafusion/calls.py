"""The user's own call: a wrapper that was called tells the engine's class, which makes the span, by which name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.query import Query

__all__ = ["QUERY", "Call", "call_under_way", "carrying_from_context", "carrying_from_frame", "keep_query", "take_call"]

Patch = Callable[[Callable[..., Any]], Callable[..., Any]]

QUERY: Final = "_codeanatomy_query"
"""Where a DataFrame of the user's keeps its query, so that its executions need not ask the engine for the plan."""

# A list costs a third of an object, on the path of every query: the method, the object it was called on, and the query
# that came of it, if one did.
Call = list[Any]

call_under_way: Final[ContextVar[Call | None]] = ContextVar("codeanatomy_datafusion_call", default=None)
"""The user's call that no span has taken yet; None for one that went past the wrappers."""


def carrying_from_frame(method: str) -> Patch:
    """Return the patch of one method of DataFrame; of nested calls the outermost is the user's."""

    def patch(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def carried(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
            if call_under_way.get() is not None:
                return original(self, *args, **kwargs)
            token = call_under_way.set([method, self, None])
            try:
                return original(self, *args, **kwargs)
            finally:
                call_under_way.reset(token)

        return carried

    return patch


def carrying_from_context(method: str) -> Patch:
    """Return the patch of one method of SessionContext; a DataFrame that comes of it keeps its query."""

    def patch(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def carried(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
            if call_under_way.get() is not None:
                return original(self, *args, **kwargs)
            call: Call = [method, self, None]
            token = call_under_way.set(call)
            try:
                result = original(self, *args, **kwargs)
            finally:
                call_under_way.reset(token)
            if call[2] is not None:
                keep_query(result, call[2])
            return result

        return carried

    return patch


def take_call() -> Call | None:
    """Return the user's call and take it: a query that this one's UDFs run is a call of its own."""
    call = call_under_way.get()
    if call is not None:
        call_under_way.set(None)
    return call


def keep_query(frame: object, query: Query) -> None:
    """Make `frame`, a DataFrame of the user's, remember its query; anything else is left alone."""
    kept = getattr(frame, "__dict__", None)
    if kept is not None and "df" in kept:
        kept[QUERY] = query
