"""Log correlation, and which handler takes the program's log records: ours, or that of the logging instrumentation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from opentelemetry.instrumentation.logging import LoggingInstrumentor

from codeanatomy_distro import settings
from codeanatomy_distro.otel.logging import install_handler

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["configure_logging"]


def configure_logging(config: OtelConfig, provider: LoggerProvider | None) -> None:
    """Put trace ids on logging records, and send the records through `provider` (None: logs are off).

    The instrumentation is told not to set a format, for that would call `basicConfig` and take the root logger's level
    and format from the program.
    """
    instrumentor = LoggingInstrumentor()
    if config[settings.LOG_CORRELATION] and not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(
            set_logging_format=False, inject_trace_context=True, enable_log_auto_instrumentation=False
        )
    if provider is None:
        return
    if config[settings.LOGGING_AUTO_INSTRUMENTATION]:
        from opentelemetry.instrumentation.logging.handler import LoggingHandler  # absent before 0.61

        logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))
    else:
        install_handler(provider)
