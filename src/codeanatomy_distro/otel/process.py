"""This process's place in the run: its run id, the span around it, and what it took over from the process that began it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from codeanatomy_distro import settings
from codeanatomy_distro.obs.constants import AttributeName, ScopeName
from codeanatomy_distro.obs.errors import record_error
from codeanatomy_distro.obs.run_context import get_process_run_id, new_run_id, set_process_run_id
from codeanatomy_distro.obs.scopes import get_tracer
from codeanatomy_distro.obs.tracing import set_root_span_context
from codeanatomy_distro.otel.leaving import Leaving, watch_leaving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.otel.bootstrap import OtelProviders

__all__ = ["enter_run"]

_CARRIED: Final = ("traceparent", "tracestate", "baggage")
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def enter_run(providers: OtelProviders) -> None:
    """Give this process its run id and parent context, and open the span around it if the settings name one.

    A process that another of the same run began takes over its root span (``CODEANATOMY_OTEL_ROOT_CONTEXT``), and
    ``TRACEPARENT`` and its companions from whoever set them.
    """
    config = providers.config
    if get_process_run_id() is None:
        set_process_run_id(config[settings.RUN_ID] or new_run_id())
    parent = _inherited(config.environ)
    if parent is not None:
        context.attach(parent)
    root = _parse(config[settings.ROOT_CONTEXT])
    if root is not None:
        set_root_span_context(root)
        if parent is None:
            context.attach(trace.set_span_in_context(trace.NonRecordingSpan(root)))
        return
    name = config[settings.ROOT_SPAN]
    if name is not None and providers.tracer_provider is not None:
        _open_process_span(name, providers)


def _inherited(environ: Mapping[str, str]) -> context.Context | None:
    carrier = {key: environ[key.upper()] for key in _CARRIED if environ.get(key.upper())}
    if not carrier:
        return None
    found = propagate.extract(carrier)
    return found if found else None


def _parse(traceparent: str | None) -> SpanContext | None:
    if not traceparent:
        return None
    found = trace.get_current_span(_PROPAGATOR.extract({"traceparent": traceparent})).get_span_context()
    return found if found.is_valid else None


def _open_process_span(name: str, providers: OtelProviders) -> None:
    span = get_tracer(ScopeName.PIPELINE).start_span(name)
    context.attach(trace.set_span_in_context(span))  # for the life of the main thread: there is nothing to go back to
    set_root_span_context(span.get_span_context())
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    if "traceparent" in carrier:
        # The one place beside the distro that sets a variable, for it can only be known here: a child process that
        # found none would open a root span of its own.
        os.environ[settings.ROOT_CONTEXT.name] = carrier["traceparent"]
    owner = os.getpid()
    leaving = watch_leaving()

    def end() -> None:
        if os.getpid() == owner:  # a forked child that runs the exit handlers has the span too, but not to end
            _end(span, leaving)

    if providers.lifecycle is not None:
        providers.lifecycle.before_exit(end)


def _end(span: Span, leaving: Leaving) -> None:
    if leaving.error is not None:
        record_error(span, leaving.error)
    code = leaving.code
    if code is not None:
        span.set_attribute(AttributeName.EXIT_CODE, code)
        if code and leaving.error is None:
            span.set_attribute(AttributeName.ERROR_TYPE, "SystemExit")
            span.set_status(Status(StatusCode.ERROR, f"exit code {code}"))
    span.end()
