"""Values of telemetry as short words, safe to print: what comes from outside may hold anything."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from codeanatomy_distro.cli.run_view import output_rows
from codeanatomy_distro.obs.constants import AttributeName

if TYPE_CHECKING:
    from codeanatomy_distro.cli.run_view import SpanNode
    from codeanatomy_distro.testing.otlp import AnyValue, Attributes, LogRecord, Resource, Span

__all__ = [
    "count_of",
    "duration",
    "error_began_in",
    "error_of",
    "log_text",
    "number",
    "one_line",
    "quantity",
    "resource_facts",
    "severity",
    "telling",
]

_TELLING = (
    (AttributeName.NODE_NAME, "{}"),
    (AttributeName.TASK_ID, "task {}"),
    (AttributeName.STAGE, "stage {}"),
    (AttributeName.PRODUCT, "product {}"),
    (AttributeName.EXECUTION_MODE, "mode {}"),
    ("hamilton.graph.node_count", "{} nodes"),
    ("datafusion.node", "{}"),
    (AttributeName.CACHE_OPERATION, "cache {}"),
    (AttributeName.STORAGE_OPERATION, "storage {}"),
    ("db.query.summary", "{}"),
    ("datafusion.write.destination", "to {}"),
    ("http.request.method", "{}"),
    ("url.path", "{}"),
    ("http.response.status_code", "status {}"),
)
"""The attributes that tell spans of one name apart, the most telling first, with the words around each value."""

_SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_NS = 1_000_000_000
_EXACT = 1e15
"""From about here floats have no decimals, and figures are better read as a power of ten."""


def one_line(value: AnyValue) -> str:
    """Return the value on one line, control and other invisible characters written as escapes.

    A terminal obeys the escape sequences in what it is given: a log body must not be able to move its cursor.
    """
    if isinstance(value, bytes):
        text = value.hex()
    elif isinstance(value, (str, int, float)):
        text = str(value)
    elif value is None:
        text = ""
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def duration(nanoseconds: float) -> str:
    """Return a duration in ms, s or minutes with three figures, such as ``34.2 ms`` or ``1 min 02 s``."""
    if nanoseconds < 0:
        return f"-{duration(-nanoseconds)}"
    if nanoseconds < _NS * 0.9995:
        return f"{_figures(nanoseconds / 1e6)} ms"
    seconds = nanoseconds / _NS
    if seconds < 99.95:  # noqa: PLR2004
        return f"{_figures(seconds)} s"
    if seconds > _EXACT:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest:02} s"


def _figures(value: float) -> str:
    for decimals, limit in ((3, 0.9995), (2, 9.995), (1, 99.95)):
        if abs(value) < limit:
            return f"{value:.{decimals}f}"
    return f"{value:.0f}"


def number(value: float) -> str:
    """Return a number for reading: thousands separated, at most three decimals."""
    if math.isfinite(value) and value == int(value) and abs(value) < _EXACT:
        return f"{int(value):,}"
    return f"{value:,.3f}" if 0.001 <= abs(value) < _EXACT else f"{value:.3g}"  # noqa: PLR2004


def quantity(value: float | None, unit: str) -> str:
    """Return a measured value in its unit (UCUM): seconds as a duration, bytes by their power, else as a number."""
    if value is None:
        return ""
    if unit in {"s", "ms", "us", "ns"} and math.isfinite(value):
        return duration(value * {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1}[unit])
    if unit == "By" and math.isfinite(value):
        for power, name in ((3, "GB"), (2, "MB"), (1, "kB")):
            if abs(value) >= 1000**power:
                return f"{_figures(value / 1000**power)} {name}"
        return f"{number(value)} B"
    return number(value)


def count_of(count: int, noun: str) -> str:
    """Return such as ``1 span`` or ``1,204 queries``."""
    if noun.endswith("y"):
        plural = noun[:-1] + "ies"
    elif noun.endswith("ss"):
        plural = noun + "es"
    else:
        plural = noun if noun.endswith("s") else noun + "s"
    return f"{count:,} {noun if count == 1 else plural}"


def telling(span: Span) -> list[str]:
    """Return what tells this span from others of its name, the most telling first."""
    words: list[str] = []
    for key, template in _TELLING:
        text = one_line(span.attributes.get(key))
        if text and text not in words:
            words.append(template.format(text))
    rows = output_rows(span)
    if rows is not None:
        words.append(count_of(rows, "row"))
    return words


def error_of(span: Span) -> str | None:
    """Return what went wrong in the span on one line, None when nothing did."""
    if span.status != "error":
        return None
    for event in reversed(span.events):
        if event.name == "exception":
            return _exception(event.attributes) or "exception"
    return one_line(span.status_message) or one_line(span.attributes.get(AttributeName.ERROR_TYPE)) or "error"


def error_began_in(node: SpanNode) -> bool:
    """Return whether the span failed by itself, not with the very error that a span inside it failed with."""
    error = error_of(node.span)
    return error is not None and all(error_of(child.span) != error for child in node.children)


def _exception(attributes: Attributes) -> str:
    """Return type and message of an exception, as OpenTelemetry's conventions record it."""
    words = [one_line(attributes.get(f"exception.{part}")) for part in ("type", "message")]
    return ": ".join(word for word in words if word)


def severity(record: LogRecord) -> str:
    """Return the severity as OpenTelemetry names its range, or as the program named it."""
    if 1 <= record.severity_number <= 24:  # noqa: PLR2004
        return _SEVERITIES[(record.severity_number - 1) // 4]
    return one_line(record.severity_text)


def log_text(record: LogRecord) -> str:
    """Return what the record says: its body with the exception logged, or the name and attributes of an event."""
    body = one_line(record.body)
    name = record.event_name or record.attributes.get(AttributeName.EVENT_NAME)
    if not name:
        exception = _exception(record.attributes)
        return f"{body} [{exception}]" if exception else body
    facts = " ".join(
        f"{key}={one_line(value)}"
        for key, value in record.attributes.items()
        if key not in {AttributeName.EVENT_NAME, AttributeName.EVENT_KIND, AttributeName.RUN_ID}
    )
    words = one_line(name), "" if body == name else body, one_line(facts)
    return " ".join(word for word in words if word)


def resource_facts(resource: Resource) -> list[str]:
    """Return which service, version, environment and process the telemetry is from."""

    def get(key: str) -> str:
        return one_line(resource.attributes.get(key))

    service = "/".join(part for part in (get("service.namespace"), get("service.name")) if part)
    parts = [
        " ".join(part for part in (service, get("service.version")) if part),
        get("deployment.environment.name"),
        " ".join(part for part in ("Python", get("process.runtime.version")) if get("process.runtime.version")),
        " ".join(part for part in ("process", get("process.pid")) if get("process.pid")),
        " ".join(part for part in ("instance", get("service.instance.id")[:12]) if get("service.instance.id")),
    ]
    return [part for part in parts if part]
