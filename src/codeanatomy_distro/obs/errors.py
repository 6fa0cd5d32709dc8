"""Errors on spans: every span that an exception passes says so; the exception itself is recorded and counted once."""

from __future__ import annotations

import sys
import traceback
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import Status, StatusCode

from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.metrics import add_error
from codeanatomy_distro.obs.run_context import get_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span

__all__ = [
    "Identity",
    "error_type",
    "forget_error",
    "identify_error",
    "is_failure",
    "mark_told",
    "record_error",
    "record_exception",
    "stacktrace",
    "told_errors",
]

# An exception can't be held (its frames would live on with it), marked (its pickle would change) or weakly referred to.
# Its identity together with the place it was raised at tells it from any other that may take its address later.
Identity = tuple[int, int, int]
"""What tells one raised exception from any other."""

_MOST_TOLD: Final = 8  # errors in flight at once, one raised while another is handled
_told: ContextVar[tuple[Identity, ...]] = ContextVar("codeanatomy_told_errors", default=())

# The errors that spans have told last, each with the id of the parent span: it may get the error from a thread or task
# whose context it does not see.
_told_below: Final[deque[tuple[int, Identity]]] = deque(maxlen=256)

told_errors: Final = _told.get
"""Give the errors that spans have told here: without one, there is nothing for `forget_error` to do."""


def error_type(error: BaseException) -> str:
    """Return the name of an error's class, with its module unless it is built in (semantic conventions, error.type)."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def is_failure(error: BaseException) -> bool:
    """Return whether `error` means that work was not done: leaving with code 0, or closing a generator, does not."""
    if isinstance(error, SystemExit):
        # A code is anything: a list, an array whose truth is ambiguous. Only None and the number 0 leave with success.
        return not (error.code is None or (isinstance(error.code, int) and error.code == 0))
    return not isinstance(error, GeneratorExit)


def identify_error(error: BaseException) -> Identity:
    """Return the identity of a raised exception: the same in every thread that it passes."""
    place = error.__traceback__
    if place is None:
        return id(error), 0, 0
    while place.tb_next is not None:
        place = place.tb_next
    return id(error), id(place.tb_frame.f_code), place.tb_lineno


def forget_error() -> None:
    """Begin anew: the next error is one that no span has told. Called where a span begins.

    An error that is being handled here and now stays told: a handler may open a span of its own and raise it again.
    """
    told = _told.get()
    if told:
        handled = {identify_error(error) for error in _handled()}
        _told.set(tuple(identity for identity in told if identity in handled))


def mark_told(error: BaseException) -> None:
    """Say that a span has told and counted `error`, in another thread, task or process: here it is told no more."""
    _told.set((*_told.get(), identify_error(error))[-_MOST_TOLD:])


def record_error(span: Span, error: BaseException, *, stage: str | None = None, kind: str | None = None) -> None:
    """Tell `span` that `error` passed it: status, ``error.type``, and, on the first span that it passes, the event.

    The first span also counts it (``codeanatomy.error.count``), under `stage` or the current one; `kind` is the error's
    type where its class says too little. `KeyboardInterrupt` and `SystemExit` are told like any other error: the work
    of the span was not done. What is no failure (`is_failure`) is not told. It never raises.

    The first span is known by the context, and where a thread or a task passed the error on, by its parent if it was
    sampled.
    """
    if not is_failure(error):
        return
    named = kind or error_type(error)
    if span.is_recording():
        span.set_attribute(AttributeName.ERROR_TYPE, named)
        span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {to_text(error)}"))
    identity = identify_error(error)
    parent = getattr(span, "parent", None)  # of a span that is recorded
    if parent is not None:
        _told_below.append((parent.span_id, identity))
    if identity in _told.get():
        return
    mark_told(error)
    if (span.get_span_context().span_id, identity) in _told_below:
        return
    record_exception(span, error)
    add_error(error_type=named, stage=stage or get_stage() or "none")


def record_exception(span: Span, error: BaseException) -> None:
    """Add the event ``exception`` to `span` (semantic conventions, exceptions on spans).

    Not by the span's own method, which raises where the text of the error can't be had, and puts text into the event
    that can't be encoded.
    """
    if span.is_recording():
        attributes = {
            "exception.type": error_type(error),
            "exception.message": to_text(error),
            "exception.stacktrace": stacktrace(error),
        }
        span.add_event("exception", attributes)


def stacktrace(error: BaseException) -> str:
    """Return what the interpreter would print of `error`; empty when it can't be had."""
    try:
        return to_text("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except Exception:  # noqa: BLE001 - formatting asks the user's classes and files; their error must still be told
        return ""


def _handled() -> Iterator[BaseException]:
    """Give the error that is being handled, and those in whose handling it was raised."""
    error = sys.exc_info()[1]
    for _ in range(_MOST_TOLD):
        if error is None:
            return
        yield error
        error = error.__context__
