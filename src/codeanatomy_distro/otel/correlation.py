"""Log correlation, and what takes the program's log records: ours, or the handler of the logging instrumentation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from codeanatomy_distro import settings
from codeanatomy_distro.otel.logging import install_bridge

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.resources import Resource

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["configure_logging", "correlate"]


def configure_logging(config: OtelConfig, resource: Resource, provider: LoggerProvider | None) -> None:
    """Put trace ids on logging records, and send the records through `provider` (None: logs are off).

    With ``logging`` among the disabled instrumentations the program's logging is not touched at all; diagnostics
    events, which are no logging records, are still exported.
    """
    disabled = config[settings.DISABLED_INSTRUMENTATIONS]
    if "logging" in disabled or "*" in disabled:
        return
    if config[settings.LOG_CORRELATION]:
        correlate(str(resource.attributes.get("service.name", "")))
    if provider is None:
        return
    if config[settings.LOGGING_AUTO_INSTRUMENTATION]:
        from opentelemetry.instrumentation.logging.handler import LoggingHandler  # start-up cost: few ask for it

        handler = LoggingHandler(logger_provider=provider)
        # Its own starts a thread while the interpreter ends, which CPython 3.12.0 to 3.12.2 refuse with a traceback
        # (opentelemetry-python #4752). The lifecycle exports what is left.
        handler.flush = lambda: None
        logging.getLogger().addHandler(handler)
    else:
        install_bridge(provider)


def correlate(service_name: str) -> None:
    """Put the ids of the current span on each logging record, by the names that the logging instrumentation uses.

    Not by that instrumentation itself: it takes 6 ms to import, and can be set up once, so that a program which sets it
    up by itself, with a format, would find that nothing comes of it.
    """
    make = logging.getLogRecordFactory()

    def make_correlated(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 - as the original
        record = make(*args, **kwargs)
        span = trace.get_current_span().get_span_context()
        known = span.is_valid
        vars(record).update(
            otelSpanID=trace.format_span_id(span.span_id) if known else "0",
            otelTraceID=trace.format_trace_id(span.trace_id) if known else "0",
            otelTraceSampled=known and span.trace_flags.sampled,
            otelServiceName=service_name,
        )
        return record

    logging.setLogRecordFactory(make_correlated)
