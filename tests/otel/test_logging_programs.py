"""The program's own logging: the same output with telemetry as without, and the records are exported all the same."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

RunBoth = Callable[..., tuple[Any, Any]]


def bodies(ended: Any) -> list[str]:
    return [record["body"] for record in ended.records]


def assert_same(bare: Any, otel: Any) -> None:
    def plain(text: str) -> str:
        return re.sub(r"0x[0-9a-f]+", "0x", text)

    assert (otel.code, otel.stdout, plain(otel.stderr)) == (bare.code, bare.stdout, plain(bare.stderr))


def test_an_unconfigured_program_prints_its_warnings(run_both: RunBoth) -> None:
    """A program that never configures logging prints the same lines on stderr, and they are exported."""
    bare, otel = run_both("""
        import logging
        logging.getLogger("app").warning("first %d", 1)
        logging.getLogger("app").info("not printed")
        print(logging.root.level, logging.root.handlers, logging.Logger.callHandlers.__module__)
        logging.warning("second")
        logging.getLogger("app.part").error("third")
        print(logging.root.level, len(logging.root.handlers))
    """)
    assert_same(bare, otel)
    # `logging.warning`, unlike a logger's method, calls `basicConfig` where there is no handler.
    assert otel.stderr == "first 1\nWARNING:root:second\nERROR:app.part:third\n"
    assert bodies(otel) == ["first 1", "second", "third"]
    assert [record["severity"] for record in otel.records] == ["WARN", "WARN", "ERROR"]
    assert [record["logger"] for record in otel.records] == ["app", "root", "app.part"]


def test_basic_config_works(run_both: RunBoth) -> None:
    """`basicConfig` after telemetry is set up sets level, format and handler, and its records are exported."""
    bare, otel = run_both("""
        import logging, sys
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(filename)s:%(lineno)d %(funcName)s %(message)s")
        print(logging.root.level, logging.root.handlers)
        def work():
            logging.info("in a function")
            logging.getLogger("x").info("deep", stacklevel=2)
        work()
        logging.basicConfig(level=logging.DEBUG, force=True, stream=sys.stdout, format="%(message)s")
        logging.debug("now on stdout")
    """)
    assert_same(bare, otel)
    assert bodies(otel) == ["in a function", "deep", "now on stdout"]


def test_logging_configured_before_is_left_alone(run_alone: Callable[..., Any]) -> None:
    """Handlers, levels and formats that stand before telemetry is set up are the same objects after it."""
    ended = run_alone("""
        import logging
        logging.basicConfig(level=logging.ERROR, format="mine %(message)s")
        before = (logging.root.level, list(logging.root.handlers), logging.root.handlers[0].formatter._fmt)
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel
        providers = configure_otel(options=OtelBootstrapOptions(test_mode=True, load_instrumentors=False))
        assert before == (logging.root.level, list(logging.root.handlers), logging.root.handlers[0].formatter._fmt)
        logging.warning("below the level")
        logging.error("shown")
        assert [item.log_record.body for item in providers.memory.logs.get_finished_logs()] == ["shown"]
    """)
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "mine shown\n")


def test_dict_config_works(run_both: RunBoth) -> None:
    """`dictConfig` takes effect in full, disabled loggers included, and does not end the export."""
    bare, otel = run_both("""
        import logging, logging.config
        early = logging.getLogger("early")
        logging.config.dictConfig({
            "version": 1,
            "formatters": {"f": {"format": "[%(name)s] %(message)s"}},
            "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f", "level": "WARNING"}},
            "root": {"handlers": ["h"], "level": "DEBUG"},
        })
        early.error("disabled: neither printed nor exported")
        logging.getLogger("late").debug("exported, and too low for the handler")
        logging.getLogger("late").warning("both")
        print(len(logging.root.handlers), logging.root.level)
    """)
    assert_same(bare, otel)
    assert otel.stderr == "[late] both\n"
    assert bodies(otel) == ["exported, and too low for the handler", "both"]


def test_a_wrong_format_is_told_once_and_by_the_program(run_both: RunBoth) -> None:
    """Bad arguments give the very report that logging prints, call stack included; the export has the bare message."""
    bare, otel = run_both("""
        import logging
        logging.basicConfig(format="%(message)s")
        class NoText:
            def __str__(self):
                raise RuntimeError("no text")
        def work():
            logging.getLogger("app").error("%d and %d", "one")
            logging.error("text of %s", NoText())
            logging.error({"not": "text"})
            logging.error(NoText())
        work()
        logging.raiseExceptions = False
        logging.error("%d", "silent")
    """)
    assert_same(bare, otel)
    assert otel.stderr.count("--- Logging error ---") == 3
    assert "codeanatomy" not in otel.stderr
    assert bodies(otel) == ["%d and %d", "text of %s", "{'not': 'text'}", "(NoText without a text)", "%d"]


def test_a_failing_handler_fails_as_before(run_both: RunBoth) -> None:
    """An exception that a handler of the program raises reaches the program with the same traceback and exit code."""
    bare, otel = run_both("""
        import logging
        class Bad(logging.Handler):
            def emit(self, record):
                raise KeyError(record.getMessage())
        logging.root.addHandler(Bad())
        logging.getLogger("app").error("boom")
    """)
    assert_same(bare, otel)
    assert otel.code == 1
    assert "KeyError: 'boom'" in otel.stderr
    assert bodies(otel) == ["boom"]


def test_captured_warnings_and_stacks(run_both: RunBoth) -> None:
    """Captured warnings are exported, and what the program prints of them and of its stack stays the same."""
    bare, otel = run_both("""
        import logging, warnings
        logging.captureWarnings(True)
        warnings.warn("careful")
        logging.getLogger("app").error("stack", stack_info=True)
    """)
    assert_same(bare, otel)
    assert [record["logger"] for record in otel.records] == ["py.warnings", "app"]
    assert "UserWarning: careful" in bodies(otel)[0]


def test_extras_are_attributes(run_both: RunBoth) -> None:
    """Extra fields become attributes of their own kind, the exception its three, and nothing of the record besides."""
    bare, otel = run_both("""
        import logging
        log = logging.getLogger("app")
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("failed", extra={"rows": 3, "tags": ["a", "b"], "path": None, "odd": "caf\\udce9"})
    """)
    assert_same(bare, otel)
    (record,) = otel.records
    attributes = record["attributes"]
    assert attributes.pop("exception.stacktrace").startswith("Traceback (most recent call last):")
    assert attributes == {
        "rows": 3,
        "tags": ["a", "b"],
        "odd": "caf?",
        "exception.type": "ZeroDivisionError",
        "exception.message": "division by zero",
    }


def test_queues_filters_and_own_classes(run_both: RunBoth) -> None:
    """Queue handlers, filters, a record factory and a Logger class of the program work; each record goes out once."""
    bare, otel = run_both("""
        import logging, logging.handlers, queue
        class Own(logging.Logger):
            def makeRecord(self, *args, **kwargs):
                record = super().makeRecord(*args, **kwargs)
                record.own = True
                return record
        logging.setLoggerClass(Own)
        before = logging.getLogRecordFactory()
        def factory(*args, **kwargs):
            record = before(*args, **kwargs)
            record.made = "by the program"
            return record
        logging.setLogRecordFactory(factory)
        waiting = queue.Queue()
        sink = logging.StreamHandler()
        sink.setFormatter(logging.Formatter("%(made)s %(message)s"))
        listener = logging.handlers.QueueListener(waiting, sink)
        listener.start()
        logging.root.addHandler(logging.handlers.QueueHandler(waiting))
        log = logging.getLogger("app")
        log.addFilter(lambda record: "secret" not in record.getMessage())
        log.error("queued %s", "one")
        log.error("a secret")
        quiet = logging.getLogger("quiet")
        quiet.propagate = False
        quiet.addHandler(sink)
        quiet.error("does not reach the root logger")
        listener.stop()
    """)
    assert_same(bare, otel)
    assert bodies(otel) == ["queued one"]
    assert otel.records[0]["attributes"] == {"own": True, "made": "by the program"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a filter gives another record from 3.12 on")
def test_a_record_that_a_filter_replaces(run_both: RunBoth) -> None:
    """Where a filter puts another record in the place of the first, that one is exported."""
    bare, otel = run_both("""
        import copy, logging
        def masked(record):
            other = copy.copy(record)
            other.msg, other.args = "masked", ()
            return other
        logging.getLogger("app").addFilter(masked)
        logging.getLogger("app").error("password %s", "x")
    """)
    assert_same(bare, otel)
    assert bodies(otel) == ["masked"]


def test_a_record_logged_while_a_record_is_formatted(run_both: RunBoth) -> None:
    """An argument whose text logs does not make an endless loop, and prints what it did."""
    bare, otel = run_both("""
        import logging
        logging.basicConfig(format="%(message)s")
        class Talks:
            def __str__(self):
                logging.getLogger("inner").error("asked")
                return "talked"
        logging.error("it %s", Talks())
    """)
    assert otel.stderr.splitlines()[-1] == "it talked"
    assert bare.stderr.splitlines()[-1] == "it talked"
    assert "it talked" in bodies(otel)


def test_a_forked_child_logs_as_before(run_both: RunBoth) -> None:
    """A child that was forked while threads log prints its line and ends: no lock is inherited."""
    bare, otel = run_both("""
        import logging, os, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        logging.basicConfig(format="%(message)s")
        stop = threading.Event()
        class Slow:
            def __str__(self):
                time.sleep(0.02)
                return "slow"
        def talk():
            log = logging.getLogger("quiet")
            log.propagate = True
            while not stop.is_set():
                logging.root.handlers[0].setLevel(logging.CRITICAL)
                log.error("%s", Slow())
        threads = [threading.Thread(target=talk, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        for _ in range(5):
            child = os.fork()
            if not child:
                logging.critical("from a child")
                os._exit(3)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        stop.set()
    """)
    assert_same(bare, otel)
    assert otel.stdout == "3\n" * 5
    assert otel.stderr == "from a child\n" * 5


def test_ids_are_on_the_programs_own_records(run_both: RunBoth) -> None:
    """A format of the program that names the trace id gets it, and the exported record is in the same trace."""
    _, otel = run_both("""
        import logging
        from codeanatomy_distro import stage_span
        try:
            logging.basicConfig(format="%(otelTraceID)s %(message)s")
            with stage_span("s"):
                logging.error("here")
        except Exception:
            pass
    """, OTEL_TRACES_SAMPLER="always_on")  # fmt: skip
    (record,) = otel.records
    assert otel.stderr == f"{record['trace_id']:032x} here\n"
    assert record["trace_id"]
    assert not [key for key in record["attributes"] if key.startswith("otel")]


@pytest.mark.parametrize("disabled", ["logging", "*"])
def test_logging_can_be_left_alone(run_both: RunBoth, disabled: str) -> None:
    """With logging among the disabled instrumentations nothing of it is patched and no record exported."""
    bare, otel = run_both(
        """
        import logging
        print(vars(logging.Logger).get("filter"), logging.getLogRecordFactory() is logging.LogRecord)
        logging.error("here")
        """,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled,
    )
    assert_same(bare, otel)
    assert otel.records == []


def test_a_handler_of_opentelemetrys_own_is_not_doubled(run_both: RunBoth) -> None:
    """A program that adds OpenTelemetry's handler to the root logger has each record exported once."""
    _, otel = run_both("""
        import logging
        from opentelemetry.instrumentation.logging.handler import LoggingHandler
        logging.getLogger("app").error("before")
        logging.root.addHandler(LoggingHandler())
        logging.getLogger("app").error("after")
    """)
    assert bodies(otel) == ["before", "after"]


def test_the_other_handler_by_setting(run_both: RunBoth) -> None:
    """With OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED the instrumentation's handler exports, once and quietly."""
    _, otel = run_both(
        """
        import logging
        print([type(handler).__name__ for handler in logging.root.handlers])
        logging.getLogger("app").error("here")
        """,
        OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED="true",
    )
    assert otel.stdout == "['LoggingHandler']\n"
    assert otel.stderr == ""
    assert bodies(otel) == ["here"]
