"""One observed call of the engine: its span is opened before, told how the call ended, and closed after."""

from __future__ import annotations

import functools
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from opentelemetry import trace
from opentelemetry.context import attach, detach, get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from codeanatomy_distro.instrumentation.datafusion.errors import engine_error_type
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.errors import forget_error, record_error, told_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options
    from codeanatomy_distro.instrumentation.datafusion.query import Attributes

__all__ = ["Begin", "Operation", "is_suppressed", "observing", "observing_static"]

# This is the path of every query. It is kept short and flat, for what it costs is less its own time than the caches
# that it takes from the engine: a call saved here is worth several microseconds there.


Begin: TypeAlias = "Callable[[Raw, tuple[Any, ...], dict[str, Any], Context], Operation | None]"
"""What opens the operation of a call: of (owner, args, kwargs, current context)."""


def is_suppressed(current: Context) -> bool:
    """Return whether code in the context `current`, which is the current one, is not to be traced."""
    if not current or (len(current) == 1 and trace.get_current_span(current) is not trace.INVALID_SPAN):
        return False  # nothing is in it, or a span and nothing else
    return not is_instrumentation_enabled()


class Operation:
    """A span that is current while the engine is called; one that is sampled out for certain is not even made.

    It is the child of the span in `current`. What a subclass adds in `told_result` and `told_error` may fail: it is
    said once, and the user's call goes on.
    """

    __slots__ = ("attached", "begun", "context", "ended", "options", "owner", "span", "started")

    def __init__(  # noqa: PLR0913, PLR0917 - the path of every query: names given would cost more
        self,
        name: str,
        options: Options,
        attributes: Attributes,
        owner: Raw,
        current: Context,
        started: int | None = None,
    ) -> None:
        if told_errors():
            forget_error()
        self.options = options
        self.owner = owner
        self.ended: int | None = None
        self.started = started = started or time_ns()
        tracer = options.spans.tracer_in(current)
        if tracer is None:
            self.span = trace.get_current_span(current)
            self.context = current
            self.attached = None
        else:
            self.span = span = tracer.start_span(name, current, attributes=attributes, start_time=started)
            self.context = inside = trace.set_span_in_context(span, current)
            self.attached = attach(inside)
        self.begun = perf_counter_ns()

    def finish(self, result: Raw) -> Raw:
        """Tell what came of the call, close the span, and return what the user gets."""
        seconds = (perf_counter_ns() - self.begun) / 1e9
        try:
            result = self.told_result(result, seconds)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure(type(self).__name__, ours)
        finally:
            try:
                self.close()
            except Exception as ours:  # noqa: BLE001 - a span processor's failure, which the SDK lets through
                report_failure("the end of a span", ours)
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
            try:
                self.close()
            except Exception as ours:  # noqa: BLE001 - as above
                report_failure("the end of a span", ours)

    def leave(self) -> None:
        """Put the context back."""
        if self.attached is not None:
            detach(self.attached)

    def close(self) -> None:
        """Put the context back and end the span."""
        if self.attached is not None:
            detach(self.attached)
            self.span.end(self.ended)

    def told_result(self, result: Raw, seconds: float) -> Raw:
        """Record what a call that succeeded tells; return what the user gets."""
        del seconds
        return result

    def told_error(self, kind: str, seconds: float) -> None:
        """Record what a call that failed tells beside its error."""


def observing(begin: Begin, where: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the patch of one method of the engine: ``begin(owner, args, kwargs, current)`` opens the operation.

    It may give None instead. The engine is called on the operation's `owner`, which may be another object for the same
    query.
    """

    def patch(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def observed(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
            try:
                current = get_current()
                operation = None if current and is_suppressed(current) else begin(self, args, kwargs, current)
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


def observing_static(begin: Begin, where: str) -> Callable[[Any], Any]:
    """Return the patch of a static method, as `observing` does; `begin` is given its first argument as the owner."""

    def patch(original: Raw) -> Raw:
        return staticmethod(
            observing(begin, where)(original.__func__ if isinstance(original, staticmethod) else original)
        )

    return patch
