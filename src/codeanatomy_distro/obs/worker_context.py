"""What work done elsewhere must know of its run, as plain text: the parent span, the root span and the run id.

A carrier crosses any border that pickles (process pools, Ray, Dask) or takes text (an environment variable).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from codeanatomy_distro.obs.run_context import get_run_id, reset_run_id, set_run_id
from codeanatomy_distro.obs.tracing import get_root_span_context, set_root_span_context

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Carrier", "attached", "capture", "create_carrier", "parent_context", "root_of"]

_W3C: Final = TraceContextTextMapPropagator()  # fixed: what we write we read, whatever propagators the user has chosen


class Carrier(NamedTuple):
    """A place in a trace and the run it belongs to; a field that does not apply is empty.

    `traceparent` and `tracestate` are those of W3C Trace Context; `root` is the traceparent of the run's root span.
    """

    traceparent: str = ""
    tracestate: str = ""
    root: str = ""
    run_id: str = ""


def create_carrier(parent: Context, root: SpanContext | None, run_id: str | None) -> Carrier:
    """Return the carrier of a place told in full; a field without a value is empty."""
    fields: dict[str, str] = {}
    _W3C.inject(fields, parent)
    return Carrier(fields.get("traceparent", ""), fields.get("tracestate", ""), _traceparent(root), run_id or "")


def capture() -> Carrier | None:
    """Return the carrier of the current place; None when there is nothing to carry."""
    carrier = create_carrier(context.get_current(), get_root_span_context(), get_run_id())
    return carrier if any(carrier) else None


def parent_context(carrier: Carrier, base: Context | None = None) -> Context:
    """Return `base`, the current context unless given, with the carrier's span as the parent of what starts in it."""
    base = context.get_current() if base is None else base
    if not carrier.traceparent:
        return base
    return _W3C.extract({"traceparent": carrier.traceparent, "tracestate": carrier.tracestate}, base)


def root_of(carrier: Carrier) -> SpanContext | None:
    """Return the root span of the carrier's run, or None when it names none (or none that can be read)."""
    if not carrier.root:
        return None
    found = trace.get_current_span(_W3C.extract({"traceparent": carrier.root}, Context())).get_span_context()
    return found if found.is_valid else None


@contextmanager
def attached(carrier: Carrier | None) -> Generator[None]:
    """Run the block at the carrier's place: its parent span, its root span and its run id are the current ones."""
    if carrier is None:
        yield
        return
    run_token = set_run_id(carrier.run_id) if carrier.run_id else None
    root_before = get_root_span_context()
    root = root_of(carrier)
    if root == root_before:  # a forked child and a thread find the root by the run id
        root = None
    if root is not None:
        set_root_span_context(root)
    token = context.attach(parent_context(carrier))
    try:
        yield
    finally:
        context.detach(token)
        if root is not None:
            set_root_span_context(root_before)
        if run_token is not None:
            reset_run_id(run_token)


def _traceparent(span_context: SpanContext | None) -> str:
    if span_context is None or not span_context.is_valid:
        return ""
    fields: dict[str, str] = {}
    _W3C.inject(fields, trace.set_span_in_context(NonRecordingSpan(span_context), Context()))
    return fields.get("traceparent", "")
