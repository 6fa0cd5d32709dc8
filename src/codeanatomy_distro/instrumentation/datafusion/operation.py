"""One observed call of the engine: its span is opened before, told how the call ended, and closed after."""

from __future__ import annotations

import functools
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from codeanatomy_distro.instrumentation.datafusion.errors import engine_error_type
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.errors import forget_error, record_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options
    from codeanatomy_distro.instrumentation.datafusion.query import Attributes

__all__ = ["Operation", "observing", "observing_static"]

# This is the path of every query. It is kept short and flat, for what it costs is less its own time than the caches
# that it takes from the engine: a call saved here is worth several microseconds there.


class Operation:
    """A span that is current while the engine is called; one that is sampled out for certain is not even made.

    What a subclass adds in `told_result` and `told_error` may fail: it is said once, and the user's call goes on.
    """

    __slots__ = ("attached", "begun", "context", "ended", "options", "owner", "span", "started")

    def __init__(
        self, name: str, options: Options, attributes: Attributes, owner: Raw, started: int | None = None
    ) -> None:
        forget_error()
        self.options = options
        self.owner = owner
        self.ended: int | None = None
        self.started = time_ns() if started is None else started
        source = options.spans
        current = context.get_current()
        if source.starts_unsampled(current):
            self.span = trace.get_current_span(current)
            self.context = current
            self.attached = None
        else:
            self.span = source.tracer.start_span(name, current, attributes=attributes, start_time=self.started)
            self.context = trace.set_span_in_context(self.span, current)
            self.attached = context.attach(self.context)
        self.begun = perf_counter_ns()

    def finish(self, result: Raw) -> Raw:
        """Tell what came of the call, close the span, and return what the user gets."""
        seconds = (perf_counter_ns() - self.begun) / 1e9
        try:
            result = self.told_result(result, seconds)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure(type(self).__name__, ours)
        finally:
            self.close()
        return result

    def fail(self, error: BaseException) -> None:
        """Tell the error that the call ended with, and close the span."""
        seconds = (perf_counter_ns() - self.begun) / 1e9
        self.ended = time_ns()
        try:
            kind = engine_error_type(error)
            record_error(self.span, error, kind=kind)
            self.told_error(kind, seconds)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure(type(self).__name__, ours)
        finally:
            self.close()

    def leave(self) -> None:
        """Put the context back."""
        if self.attached is not None:
            context.detach(self.attached)

    def close(self) -> None:
        """Put the context back and end the span."""
        if self.attached is not None:
            context.detach(self.attached)
            self.span.end(self.ended)

    def told_result(self, result: Raw, seconds: float) -> Raw:
        """Record what a call that succeeded tells; return what the user gets."""
        del seconds
        return result

    def told_error(self, kind: str, seconds: float) -> None:
        """Record what a call that failed tells beside its error."""


def observing(begin: Callable[..., Operation | None], where: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the patch of one method of the engine: ``begin(owner, args, kwargs)`` opens the operation, or gives None.

    The engine is called on the operation's `owner`, which may be another object for the same query.
    """

    def patch(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def observed(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
            try:
                # An empty context, which is false, suppresses nothing.
                silent = context.get_current() and not is_instrumentation_enabled()
                operation = None if silent else begin(self, args, kwargs)
            except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
                report_failure(where, ours)
                operation = None
            if operation is None:
                return original(self, *args, **kwargs)
            try:
                result = original(operation.owner, *args, **kwargs)
            except BaseException as error:
                operation.fail(error)
                raise
            return operation.finish(result)

        # What pickles a method of the engine's finds it by its class.
        observed.__module__ = getattr(original, "__module__", None) or "datafusion._internal"
        return observed

    return patch


def observing_static(begin: Callable[..., Operation | None], where: str) -> Callable[[Any], Any]:
    """Return the patch of a static method, as `observing` does; `begin` is given its first argument as the owner."""

    def patch(original: Raw) -> Raw:
        return staticmethod(
            observing(begin, where)(original.__func__ if isinstance(original, staticmethod) else original)
        )

    return patch
