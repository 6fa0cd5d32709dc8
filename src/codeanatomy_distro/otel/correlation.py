"""Log correlation, and what takes the program's log records: ours, or the handler of the logging instrumentation."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.logging import LoggingInstrumentor

from codeanatomy_distro import settings
from codeanatomy_distro.otel.logging import install_bridge

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk._logs import LoggerProvider

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["configure_logging"]

_INSTRUMENTATION: Final = logging.getLogger("opentelemetry.instrumentation.logging")


def configure_logging(config: OtelConfig, provider: LoggerProvider | None) -> None:
    """Put trace ids on logging records, and send the records through `provider` (None: logs are off).

    With ``logging`` among the disabled instrumentations the program's logging is not touched at all; diagnostics
    events, which are no logging records, are still exported.
    """
    disabled = config[settings.DISABLED_INSTRUMENTATIONS]
    if "logging" in disabled or "*" in disabled:
        return
    if config[settings.LOG_CORRELATION]:
        _correlate()
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


def _correlate() -> None:
    """Have the instrumentation put the ids on each record.

    It is told to set no format, for that would call `basicConfig` and take the root logger's level and format from the
    program, and to add no handler.
    """
    instrumentor = LoggingInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        return
    _INSTRUMENTATION.addFilter(_is_not_about_the_handler)
    try:
        if "inject_trace_context" in (LoggingInstrumentor.__doc__ or ""):
            instrumentor.instrument(
                set_logging_format=False, inject_trace_context=True, enable_log_auto_instrumentation=False
            )
        else:
            with _no_effect_of_basic_config():
                instrumentor.instrument(set_logging_format=True, enable_log_auto_instrumentation=False)
    finally:
        _INSTRUMENTATION.removeFilter(_is_not_about_the_handler)


@contextmanager
def _no_effect_of_basic_config() -> Generator[None]:
    """Have `basicConfig` do nothing, as where root has a handler already: before 0.64 no ids come without a format."""
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)


def _is_not_about_the_handler(record: logging.LogRecord) -> bool:
    # With OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED it warns that it skips its handler for the SDK's, on every
    # start; here it was told to add none.
    return "Skipping installation" not in str(record.msg)
