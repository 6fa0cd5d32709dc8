"""This process's place in the run: its run id, the span around it, and what it took over from the process that
began it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, Status, StatusCode

from codeanatomy_distro import settings
from codeanatomy_distro.obs.constants import AttributeName, ScopeName
from codeanatomy_distro.obs.errors import record_error
from codeanatomy_distro.obs.run_context import get_process_run_id, set_process_run_id
from codeanatomy_distro.obs.scopes import get_tracer
from codeanatomy_distro.obs.tracing import set_root_span_context
from codeanatomy_distro.obs.worker_context import Carrier, capture, parent_context, root_of
from codeanatomy_distro.otel.leaving import Leaving, watch_leaving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.otel.lifecycle import Lifecycle

__all__ = ["enter_run", "enter_worker"]

_CARRIED: Final = ("traceparent", "tracestate", "baggage")


def enter_run(config: OtelConfig, lifecycle: Lifecycle | None) -> None:
    """Give this process its run id and parent context, and open the span around it if the settings name one.

    A process that another of the same run began takes over its root span (``CODEANATOMY_OTEL_ROOT_CONTEXT``) and takes
    on an identity of its own; ``TRACEPARENT`` and its companions come from whoever set them. Where a span is current
    already, that stays.
    """
    if get_process_run_id() is None:
        set_process_run_id(config[settings.RUN_ID])
    root = root_of(Carrier(root=config[settings.ROOT_CONTEXT] or ""))
    if root is not None:
        set_root_span_context(root)
        if lifecycle is not None:
            lifecycle.become_worker()  # it was started with the environment of the process that the root span is in
    if trace.get_current_span().get_span_context().is_valid:
        return
    parent = _inherited(config.environ)
    if parent is not None:
        context.attach(parent)
    if root is not None:
        if parent is None:
            context.attach(trace.set_span_in_context(trace.NonRecordingSpan(root)))
        return
    name = config[settings.ROOT_SPAN]
    if name is not None and lifecycle is not None:
        _open_process_span(name, lifecycle)


def enter_worker(carrier: Carrier) -> None:
    """Take the place in the run that `carrier` tells, for the life of this process, a worker."""
    if carrier.run_id:
        set_process_run_id(carrier.run_id)
    root = root_of(carrier)
    if root is not None:
        set_root_span_context(root)
    if carrier.traceparent:
        context.attach(parent_context(carrier))


def _inherited(environ: Mapping[str, str]) -> context.Context | None:
    carrier = {key: environ[key.upper()] for key in _CARRIED if environ.get(key.upper())}
    if not carrier:
        return None
    found = propagate.extract(carrier)
    return found or None


def _open_process_span(name: str, lifecycle: Lifecycle) -> None:
    span = get_tracer(ScopeName.PIPELINE).start_span(name)
    context.attach(trace.set_span_in_context(span))  # for the life of the main thread: there is nothing to go back to
    set_root_span_context(span.get_span_context())
    carrier = capture()
    if carrier is not None and carrier.traceparent:
        # The one place beside the distro that sets a variable, for it can only be known here: a child process that
        # found none would open a root span of its own.
        os.environ[settings.ROOT_CONTEXT.name] = carrier.traceparent
    owner = os.getpid()
    leaving = watch_leaving()

    def end(ended_by: int | None) -> None:
        if os.getpid() == owner:  # a forked child that runs the exit handlers has the span too, but not to end
            leaving.signal = ended_by
            _end(span, leaving)

    lifecycle.before_exit(end)
    lifecycle.prepare()  # its span is exported when the interpreter starts no more threads


def _end(span: Span, leaving: Leaving) -> None:
    error = leaving.error
    if error is not None:
        record_error(span, error)
    code = leaving.code
    if code is not None:
        span.set_attribute(AttributeName.EXIT_CODE, code)
    if code and error is None:
        reason = "SystemExit" if leaving.signal is None else leaving.signal_name
        span.set_attribute(AttributeName.ERROR_TYPE, reason)
        span.set_status(Status(StatusCode.ERROR, f"{reason}: exit code {code}"))
    try:
        span.end()
    finally:  # a span processor of the program's may raise
        leaving.stop()
