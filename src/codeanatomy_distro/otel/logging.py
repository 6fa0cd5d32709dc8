"""The program's log records as telemetry, with the program's own logging left exactly as it was.

A handler in `logging.root.handlers` would change the program: `basicConfig` then does nothing, `logging.warning` of an
unconfigured program prints nothing, `dictConfig` throws the handler away (opentelemetry-python #2594, #4738). Ours
therefore stands in no list that the program can see: a record is taken where its logger has let it pass, before any
handler gets it. Nothing of ours is on the stack while handlers run, so that what they print of a fault is the same.
"""

from __future__ import annotations

import logging
import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from codeanatomy_distro.obs.attributes import attribute_value, is_data, to_text
from codeanatomy_distro.obs.errors import error_type, stacktrace

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.util.types import AnyValue

__all__ = ["LoggingBridge", "install_bridge", "uninstall_bridge"]

_RESERVED: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName",
    # what log correlation puts on the record for the program's own formatters; the log record has it natively
    "otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName",
}  # fmt: skip
# Loggers that tell of exporting itself: a record of theirs would be exported, fail, be told, and so for ever. What else
# an exporter calls logs on the exporting thread, where instrumentation is suppressed; gRPC has threads of its own.
_OF_THE_EXPORT: Final = ("opentelemetry", "codeanatomy_distro.export", "grpc")
_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL, "FATAL"),
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.DEBUG, SeverityNumber.DEBUG, "DEBUG"),
)


class LoggingBridge:
    """Emits logging records through `provider`, each as an OpenTelemetry log record of its logger's name.

    It takes no lock: a record's arguments are formatted here, and their code may take locks of its own.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        self._provider = provider
        self._emitting = threading.local()
        self._told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Emit `record`; a fault of ours, or a record made while emitting one, is left out and harms nobody."""
        if getattr(self._emitting, "now", False):
            return
        self._emitting.now = True
        try:
            name = to_text(record.name or "root")
            if not _is_of_the_export(name) and not self._is_exported_already():
                self._provider.get_logger(name).emit(_translate(record))
        except Exception as error:  # noqa: BLE001 - the program's own logging call must not fail for us
            if not self._told:
                self._told = True
                told = logging.getLogger("codeanatomy_distro.export")
                told.warning("a log record could not be emitted: %s: %s", type(error).__name__, to_text(error))
        finally:
            self._emitting.now = False

    def _is_exported_already(self) -> bool:
        """Return whether the root logger has OpenTelemetry's own handler, put there by the program, on our provider."""
        for handler in logging.root.handlers:
            provider = getattr(handler, "_logger_provider", None)
            # A handler made before any provider was set holds the API's, which passes on to the one that is now set.
            if provider is not None and (provider is self._provider or not hasattr(provider, "resource")):
                return True
        return False


def _is_of_the_export(logger: str) -> bool:
    if not is_instrumentation_enabled():
        return True
    return logger.startswith(_OF_THE_EXPORT) and any(
        logger == name or logger.startswith(f"{name}.") for name in _OF_THE_EXPORT
    )


def _translate(record: logging.LogRecord) -> LogRecord:
    given: Any = record.levelno  # an integer, but in a record that was made of a dictionary
    level: int = given if isinstance(given, int) else logging.NOTSET
    number, text = next(
        ((number, text) for least, number, text in _SEVERITIES if level >= least),
        (SeverityNumber.TRACE, to_text(record.levelname)),
    )
    attributes: dict[str, AnyValue] = {
        to_text(key): value
        for key, given in list(vars(record).items())
        if key not in _RESERVED and (value := attribute_value(given)) is not None
    }
    attributes |= _exception(record)
    return LogRecord(
        timestamp=int(record.created * 1e9),
        observed_timestamp=int(record.created * 1e9),
        context=get_current(),
        severity_text=text,
        severity_number=number,
        body=_body(record),
        attributes=attributes,
    )


def _body(record: logging.LogRecord) -> str:
    """Return the message as a handler would format it; where it can't be formatted, as it was written.

    A wrong format is the program's to hear of from its own handlers, and from them alone. A table or an array in it is
    named and not formatted, since that can execute a query.
    """
    message, args = record.msg, record.args
    try:
        if is_data(message):
            return to_text(message)
        if isinstance(args, tuple) and any(is_data(argument) for argument in args):
            return to_text(str(message) % tuple(to_text(one) if is_data(one) else one for one in args))
        return to_text(record.getMessage())
    except Exception:  # noqa: BLE001 - see above
        return to_text(message)


def _exception(record: logging.LogRecord) -> dict[str, AnyValue]:
    if isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], BaseException):
        error = record.exc_info[1]
        return {
            "exception.type": error_type(error),
            "exception.message": to_text(error),
            "exception.stacktrace": stacktrace(error),
        }
    # A record that came from another process has lost its exception and kept the text.
    return {"exception.stacktrace": to_text(record.exc_text)} if record.exc_text else {}


class _Installed:
    bridge: LoggingBridge | None = None
    wrapper: Any = None


def install_bridge(provider: LoggerProvider) -> LoggingBridge:
    """Have every logging record that reaches the root logger emitted through `provider`; a second call replaces it."""
    _Installed.bridge = LoggingBridge(provider)
    if _Installed.wrapper is None:
        original = logging.Logger.filter

        @wraps(original)
        def filter_record(self: logging.Logger, record: logging.LogRecord) -> Any:  # noqa: ANN401 - as the original
            passed: Any = original(self, record)  # from 3.12 on a filter may put another record in its place
            bridge = _Installed.bridge
            if passed and bridge is not None and _reaches_root(self):
                bridge.emit(passed if isinstance(passed, logging.LogRecord) else record)
            return passed

        _Installed.wrapper = filter_record
        logging.Logger.filter = filter_record
    return _Installed.bridge


def uninstall_bridge() -> None:
    """Put the logging module back as it was."""
    _Installed.bridge = None
    if _Installed.wrapper is not None and vars(logging.Logger).get("filter") is _Installed.wrapper:
        del logging.Logger.filter  # the base class has it
        _Installed.wrapper = None


def _reaches_root(logger: logging.Logger) -> bool:
    current = logger
    while current.parent is not None:
        if not current.propagate:
            return False
        current = current.parent
    return current is logging.root
