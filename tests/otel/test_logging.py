"""The bridge: from a logging record to an OpenTelemetry log record, whatever the record holds."""

from __future__ import annotations

# Tests of our own parts look inside them.
# pyright: reportPrivateUsage=false
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from codeanatomy_distro.otel.logging import LoggingBridge, _Installed, install_bridge, uninstall_bridge

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def memory() -> InMemoryLogRecordExporter:
    """Hold what was emitted."""
    return InMemoryLogRecordExporter()


@pytest.fixture
def provider(memory: InMemoryLogRecordExporter) -> LoggerProvider:
    """Emit into memory."""
    found = LoggerProvider(shutdown_on_exit=False)
    found.add_log_record_processor(SimpleLogRecordProcessor(memory))
    return found


@pytest.fixture
def bridge(provider: LoggerProvider) -> LoggingBridge:
    """Emit records through the provider, with the logging module as it is."""
    return LoggingBridge(provider)


@contextmanager
def bare_logging() -> Generator[None]:
    """Put the logging module back as it is without telemetry for the block, whatever other tests have set up."""
    bridge, wrapper = _Installed.bridge, _Installed.wrapper
    before = vars(logging.Logger).get("filter")
    uninstall_bridge()
    try:
        yield
    finally:
        _Installed.bridge, _Installed.wrapper = bridge, wrapper
        if before is not None:
            logging.Logger.filter = before
        elif "filter" in vars(logging.Logger):
            del logging.Logger.filter


@pytest.fixture
def installed(provider: LoggerProvider) -> Generator[None]:
    """Have the logging module patched for one test, and see that it is put back."""
    with bare_logging():
        install_bridge(provider)
        yield
        uninstall_bridge()
        assert "filter" not in vars(logging.Logger)


def emitted(memory: InMemoryLogRecordExporter) -> list[Any]:
    return [item.log_record for item in memory.get_finished_logs()]


TEXTS = st.text(st.characters() | st.just("\udcff"))
ANY = st.none() | st.integers() | st.floats() | TEXTS | st.binary() | st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(msg=ANY, args=st.tuples() | st.tuples(ANY) | st.tuples(ANY, ANY), level=st.integers(0, 100), extra=ANY)
def test_any_record_is_emitted(  # noqa: PLR0913, PLR0917 - what a record is made of
    bridge: LoggingBridge, memory: InMemoryLogRecordExporter, msg: Any, args: Any, level: int, extra: Any
) -> None:
    """Whatever message, arguments, level and extra: one record goes out, and all of it can be encoded."""
    memory.clear()
    record = logging.LogRecord("app", level, "file.py", 1, msg, args, None)
    record.extra = extra
    before = dict(vars(record))
    bridge.emit(record)
    (found,) = emitted(memory)
    found.body.encode("utf-8")
    assert vars(record) == before


def test_a_record_of_nothing_is_emitted(
    bridge: LoggingBridge, memory: InMemoryLogRecordExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A record without name, level and message, as one made from an empty dictionary, goes out without a warning."""
    bridge.emit(logging.makeLogRecord({}))
    assert [item.instrumentation_scope.name for item in memory.get_finished_logs() if item.instrumentation_scope] == [
        "root"
    ]
    assert not caplog.records


@pytest.mark.parametrize(
    ("level", "number", "text"),
    [(50, 21, "FATAL"), (60, 21, "FATAL"), (40, 17, "ERROR"), (35, 13, "WARN"), (20, 9, "INFO"), (10, 5, "DEBUG")],
)
def test_severities(
    bridge: LoggingBridge, memory: InMemoryLogRecordExporter, level: int, number: int, text: str
) -> None:
    """A level has OpenTelemetry's number and name of the range that it is in."""
    bridge.emit(logging.makeLogRecord({"name": "app", "levelno": level, "levelname": "X"}))
    (found,) = emitted(memory)
    assert (found.severity_number.value, found.severity_text) == (number, text)


def test_a_level_below_debug_keeps_its_name(bridge: LoggingBridge, memory: InMemoryLogRecordExporter) -> None:
    """A level of the program's own below DEBUG is a trace, with the name that the program gave it."""
    bridge.emit(logging.makeLogRecord({"name": "app", "levelno": 5, "levelname": "SPAM"}))
    (found,) = emitted(memory)
    assert (found.severity_number.value, found.severity_text) == (1, "SPAM")


@pytest.mark.parametrize(
    ("name", "exported"),
    [
        ("opentelemetry", False),
        ("opentelemetry.sdk.trace", False),
        ("opentelemetryx", True),
        ("grpc._channel", False),
        ("grpclib", True),
        ("codeanatomy_distro.export", False),
        ("codeanatomy_distro", True),
        ("urllib3.connectionpool", True),
        ("app", True),
    ],
)
def test_the_exports_own_loggers(
    bridge: LoggingBridge,
    memory: InMemoryLogRecordExporter,
    name: str,
    exported: bool,  # noqa: FBT001 - the expectation
) -> None:
    """What tells of exporting is not exported, and what merely begins with the same letters is."""
    bridge.emit(logging.makeLogRecord({"name": name, "msg": "m"}))
    assert bool(emitted(memory)) is exported


def test_suppressed_records_stay_out(bridge: LoggingBridge, memory: InMemoryLogRecordExporter) -> None:
    """What is logged while instrumentation is suppressed, as on an exporting thread, is not exported."""
    with suppress_instrumentation():
        bridge.emit(logging.makeLogRecord({"name": "urllib3.connectionpool"}))
    assert not emitted(memory)


def test_a_table_among_the_arguments_is_named(bridge: LoggingBridge, memory: InMemoryLogRecordExporter) -> None:
    """A table that is logged is told by its type: formatting it would execute its query once more."""
    executed: list[str] = []

    class Frame:
        def __arrow_c_stream__(self) -> None: ...

        def __str__(self) -> str:
            executed.append("query")
            return "rows"

    frame = Frame()
    bridge.emit(logging.LogRecord("app", 20, "f", 1, "got %s and %d", (frame, 3), None))
    bridge.emit(logging.LogRecord("app", 20, "f", 1, frame, (), None))
    name = f"{__name__}.{Frame.__qualname__}"
    assert [found.body for found in emitted(memory)] == [f"got {name} and 3", name]
    assert not executed


def test_a_record_that_formats_itself(bridge: LoggingBridge, memory: InMemoryLogRecordExporter) -> None:
    """A record class of the program's own, with a format style of its own, is asked for its message."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - the base class's own
            return str(self.msg).format(*(self.args or ()))

    bridge.emit(Braces("app", 20, "f", 1, "got {}", (3,), None))
    assert emitted(memory)[0].body == "got 3"


def test_a_record_from_another_process_keeps_its_stack(
    bridge: LoggingBridge, memory: InMemoryLogRecordExporter
) -> None:
    """A record whose exception was lost when it was pickled has the text that came with it."""
    bridge.emit(logging.makeLogRecord({"name": "app", "exc_text": "Traceback: it was so"}))
    assert emitted(memory)[0].attributes["exception.stacktrace"] == "Traceback: it was so"


def test_a_fault_of_ours_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A provider that fails makes no logging call fail, and one warning in all."""

    class Broken(LoggerProvider):
        def get_logger(self, *args: Any, **kwargs: Any) -> Any:
            message = "broken"
            raise RuntimeError(message)

    bridge = LoggingBridge(Broken(shutdown_on_exit=False))
    for _ in range(3):
        bridge.emit(logging.makeLogRecord({"name": "app"}))
    assert [record.name for record in caplog.records] == ["codeanatomy_distro.export"]


def test_no_lock_is_held_while_arguments_are_formatted(bridge: LoggingBridge) -> None:
    """An argument whose text waits for a lock of the program's delays no other thread that logs."""
    formatting, done = threading.Event(), threading.Event()

    class Waits:
        def __str__(self) -> str:
            formatting.set()
            done.wait(5)
            return "waited"

    slow = threading.Thread(target=bridge.emit, args=(logging.LogRecord("a", 20, "f", 1, "%s", (Waits(),), None),))
    slow.start()
    formatting.wait(5)
    quick = threading.Thread(target=bridge.emit, args=(logging.makeLogRecord({"name": "b"}),))
    quick.start()
    quick.join(2)
    assert not quick.is_alive()
    done.set()
    slow.join(5)


@pytest.mark.usefixtures("installed")
def test_installing_twice_exports_once(provider: LoggerProvider, memory: InMemoryLogRecordExporter) -> None:
    """A second installation takes the place of the first."""
    install_bridge(provider)
    logging.getLogger("app").error("once")
    assert [found.body for found in emitted(memory)] == ["once"]


@pytest.mark.usefixtures("installed")
def test_what_is_logged_while_emitting_does_not_loop(
    provider: LoggerProvider, memory: InMemoryLogRecordExporter
) -> None:
    """A processor of the program that logs each record that it gets makes no record of that, and no endless loop."""

    class Talks(LogRecordProcessor):
        def on_emit(self, log_record: Any) -> None:
            logging.getLogger("app.processor").error("got one")

        def shutdown(self) -> None: ...

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return True

    provider.add_log_record_processor(Talks())
    logging.getLogger("app").error("first")
    logging.getLogger("app").error("second")
    assert [found.body for found in emitted(memory)] == ["first", "second"]


@pytest.mark.usefixtures("installed")
def test_only_what_reaches_the_root(memory: InMemoryLogRecordExporter) -> None:
    """Records of a logger that does not propagate, is disabled, or stands outside the hierarchy are not exported."""
    kept, disabled, outside = logging.getLogger("kept.in"), logging.getLogger("off"), logging.Logger("outside")  # noqa: LOG001
    logging.getLogger("kept").propagate = False
    disabled.disabled = True
    for logger in (kept, disabled, outside):
        logger.addHandler(logging.NullHandler())
        logger.error("hidden")
    logging.getLogger("kept").propagate = True
    disabled.disabled = False
    assert not emitted(memory)


def test_uninstalling_leaves_what_others_patched(provider: LoggerProvider, memory: InMemoryLogRecordExporter) -> None:
    """What somebody put over our patch stays when ours goes, and nothing is exported any more."""
    with bare_logging():
        install_bridge(provider)
        ours = logging.Logger.filter

        def theirs(self: logging.Logger, record: logging.LogRecord) -> Any:
            return ours(self, record)

        logging.Logger.filter = theirs
        uninstall_bridge()
        assert vars(logging.Logger)["filter"] is theirs
        logging.getLogger("app").error("to nobody")
        assert not emitted(memory)
