"""Errors on spans: every span that an exception passes says so; the exception itself is recorded and counted once."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry.trace import Status, StatusCode

from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.metrics import add_error
from codeanatomy_distro.obs.run_context import get_stage

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["error_type", "forget_error", "record_error"]

# An exception can't be held (its frames would live on with it), marked (its pickle would change) or weakly referred to.
# Its identity together with the place it was raised at tells it from any other that may take its address later.
_Seen = tuple[int, int, int]
_seen: ContextVar[_Seen | None] = ContextVar("codeanatomy_seen_error", default=None)


def error_type(error: BaseException) -> str:
    """Return the name of an error's class, with its module unless it is built in (semantic conventions, error.type)."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _identity(error: BaseException) -> _Seen:
    traceback = error.__traceback__
    if traceback is None:
        return id(error), 0, 0
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return id(error), id(traceback.tb_frame.f_code), traceback.tb_lineno


def forget_error() -> None:
    """Begin anew: the next error is one that no span has seen. Called where a span begins."""
    if _seen.get() is not None:
        _seen.set(None)


def record_error(span: Span, error: BaseException, *, stage: str | None = None, kind: str | None = None) -> None:
    """Tell `span` that `error` passed it: status, ``error.type``, and, on the first span that it passes, the event.

    The first span also counts it (``codeanatomy.error.count``), under `stage` or the current one; `kind` is the error's
    type where its class says too little. `KeyboardInterrupt` and `SystemExit` are told like any other error: the work
    of the span was not done. A `SystemExit` of 0 is no error.
    """
    if isinstance(error, SystemExit) and error.code in {None, 0}:
        return
    named = kind or error_type(error)
    if span.is_recording():
        span.set_attribute(AttributeName.ERROR_TYPE, named)
        span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {_text(error)}"))
    identity = _identity(error)
    if _seen.get() == identity:
        return
    _seen.set(identity)
    if span.is_recording():
        span.record_exception(error)
    add_error(error_type=named, stage=stage or get_stage() or "none")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything; their own error must still be told
        return "(its text could not be had)"
