"""Where in a run the program is: what another thread of this process must know to go on there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import context

from codeanatomy_distro.obs.run_context import get_context_run_id, reset_run_id, set_run_id
from codeanatomy_distro.obs.tracing import get_root_span_context, set_root_span_context

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

__all__ = ["Place", "at_place", "get_place"]


class Place(NamedTuple):
    """The current OpenTelemetry context, the run id of the context (not the process's) and the run's root span."""

    context: Context
    run_id: str | None
    root: SpanContext | None


def get_place() -> Place:
    """Return where the calling thread is."""
    return Place(context.get_current(), get_context_run_id(), get_root_span_context())


@contextmanager
def at_place(place: Place) -> Generator[None]:
    """Run the block at `place`."""
    run_token = set_run_id(place.run_id) if place.run_id else None
    if place.root is not None and get_root_span_context() != place.root:
        set_root_span_context(place.root)
    token = context.attach(place.context)
    try:
        yield
    finally:
        context.detach(token)
        if run_token is not None:
            reset_run_id(run_token)
