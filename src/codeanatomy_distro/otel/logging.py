"""The program's log records as telemetry, with the program's own logging left exactly as it was.

A handler in `logging.root.handlers` would change the program: `basicConfig` then does nothing, `logging.warning` of an
unconfigured program prints nothing, `dictConfig` throws the handler away (opentelemetry-python #2594, #4738). Ours is
therefore called where the root logger's handlers are about to be, and stands in no list that the program can see.
"""

from __future__ import annotations

import logging
import threading
import traceback
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from codeanatomy_distro.obs.attributes import attribute_value
from codeanatomy_distro.obs.scopes import distro_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.util.types import AnyValue

__all__ = ["OtelLoggingHandler", "install_handler", "uninstall_handler"]

_RESERVED: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName",
    # what log correlation puts on the record for the program's own formatters; the log record has it natively
    "otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName",
}  # fmt: skip
# Loggers that tell of exporting itself: a record of theirs would be exported, fail, be told, and so for ever.
_OF_THE_EXPORT: Final = ("opentelemetry", "codeanatomy_distro.export", "grpc", "urllib3.connectionpool")
_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL, "FATAL"),
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.DEBUG, SeverityNumber.DEBUG, "DEBUG"),
)


class OtelLoggingHandler(logging.Handler):
    """Emits each logging record that reaches the root logger as an OpenTelemetry log record of its logger's name."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider
        self._emitting = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Emit `record`; a fault of ours, or a record made while emitting one, is left out and harms nobody."""
        if getattr(self._emitting, "now", False) or _is_of_the_export(record):
            return
        self._emitting.now = True
        try:
            self._provider.get_logger(record.name, distro_version()).emit(_translate(record))
        except Exception:  # noqa: BLE001 - the program's own logging call must not fail for us
            self.handleError(record)
        finally:
            self._emitting.now = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's own
        """Tell a fault of ours once, in place of the traceback that logging would print for each record."""
        if not getattr(self, "_told", False):
            self._told = True
            logging.getLogger("codeanatomy_distro.export").warning("a log record could not be emitted", exc_info=True)


def _is_of_the_export(record: logging.LogRecord) -> bool:
    if not is_instrumentation_enabled():
        return True
    return record.name.startswith(_OF_THE_EXPORT) and any(
        record.name == name or record.name.startswith(f"{name}.") for name in _OF_THE_EXPORT
    )


def _translate(record: logging.LogRecord) -> LogRecord:
    number, text = next(
        ((number, text) for level, number, text in _SEVERITIES if record.levelno >= level),
        (SeverityNumber.TRACE, record.levelname),
    )
    attributes: dict[str, AnyValue] = {
        key: value
        for key, given in vars(record).items()
        if key not in _RESERVED and (value := attribute_value(given)) is not None
    }
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, _ = record.exc_info
        attributes["exception.type"] = kind.__qualname__
        attributes["exception.message"] = str(error)
        attributes["exception.stacktrace"] = "".join(traceback.format_exception(*record.exc_info))
    return LogRecord(
        timestamp=int(record.created * 1e9),
        observed_timestamp=int(record.created * 1e9),
        context=get_current(),
        severity_text=text,
        severity_number=number,
        body=record.getMessage(),
        attributes=attributes,
    )


class _Installed:
    handler: OtelLoggingHandler | None = None
    original: Callable[..., None] | None = None
    wrapper: Callable[..., None] | None = None


def install_handler(provider: LoggerProvider) -> OtelLoggingHandler:
    """Have every logging record that reaches the root logger emitted through `provider`; a second call replaces it."""
    handler = OtelLoggingHandler(provider)
    _Installed.handler = handler
    if _Installed.original is None:
        original = logging.Logger.callHandlers

        @wraps(original)
        def call_handlers(self: logging.Logger, record: logging.LogRecord) -> Any:  # noqa: ANN401 - as the original
            ours = _Installed.handler
            if ours is not None and _reaches_root(self):
                ours.handle(record)
            return original(self, record)

        _Installed.original, _Installed.wrapper = original, call_handlers
        logging.Logger.callHandlers = call_handlers
    return handler


def uninstall_handler() -> None:
    """Put the logging module back as it was."""
    _Installed.handler = None
    if _Installed.original is not None and logging.Logger.callHandlers is _Installed.wrapper:
        logging.Logger.callHandlers = _Installed.original
        _Installed.original = _Installed.wrapper = None


def _reaches_root(logger: logging.Logger) -> bool:
    current: logging.Logger | None = logger
    while current is not None:
        if current.parent is None:
            return current is logging.root
        if not current.propagate:
            return False
        current = current.parent
    return False
