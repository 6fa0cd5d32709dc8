"""Diagnostics events as telemetry: a log record, an event on the current span, and a count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber

from codeanatomy_distro.obs.attributes import flatten_payload
from codeanatomy_distro.obs.constants import AttributeName, ScopeName
from codeanatomy_distro.obs.metrics import add_artifact
from codeanatomy_distro.obs.scopes import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EventKind", "emit_diagnostics_event"]

EventKind = Literal["event", "artifact"]


def emit_diagnostics_event(
    name: str, payload: Mapping[str, object] | None = None, *, kind: EventKind = "event"
) -> None:
    """Emit the diagnostics event or artifact `name` (specification, *Logs and Diagnostics*).

    The payload is flattened (nested structures become JSON text) and goes out as a log record of the scope
    ``codeanatomy.diagnostics``, with the trace that is current, and as an event of the current span if it is recorded.
    ``codeanatomy.artifact.count`` counts it under its name, which must therefore come from a small fixed set.
    """
    attributes = {
        **flatten_payload(payload or {}),
        AttributeName.EVENT_NAME: name,
        AttributeName.EVENT_KIND: kind,
    }
    now = time.time_ns()
    get_logger(ScopeName.DIAGNOSTICS).emit(
        LogRecord(
            timestamp=now,
            observed_timestamp=now,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=name,
            attributes=attributes,
            event_name=name,
        )
    )
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(name, attributes, now)
    add_artifact(artifact_kind=name)
