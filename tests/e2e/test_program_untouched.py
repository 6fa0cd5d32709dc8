"""The first promise: a program prints, logs and ends as it does without us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = pytest.mark.e2e

UNCONFIGURED = """
import logging
logging.getLogger("app").warning("first")
logging.warning("second")
logging.getLogger("app").info("never seen")
print(logging.getLogger().level, logging.getLogger().handlers)
"""
BASIC_CONFIG = """
import logging
logging.getLogger("app").error("before")
logging.basicConfig(level=logging.INFO, format="%(levelname)s|%(name)s|%(message)s")
logging.getLogger("app").info("after %s", 1)
logging.getLogger("app").debug("too low")
print(logging.getLogger().level, len(logging.getLogger().handlers))
"""
DICT_CONFIG = """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "formatters": {"f": {"format": "%(name)s %(message)s"}},
    "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
    "root": {"level": "INFO", "handlers": ["h"]},
})
logging.getLogger("app").info("configured")
print(logging.getLogger().handlers)
"""
LOGGING_PROGRAMS = {
    "unconfigured": (UNCONFIGURED, ["first", "second"]),
    "basicConfig": (BASIC_CONFIG, ["before", "after 1"]),
    "dictConfig": (DICT_CONFIG, ["configured"]),
}


@pytest.mark.parametrize("name", LOGGING_PROGRAMS)
def test_logging_is_as_without(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str], name: str
) -> None:
    """A program's logging prints the same to the letter, and every record that passed its levels arrives."""
    text, bodies = LOGGING_PROGRAMS[name]
    path = write_program(text)
    bare = run_program(path, instrumented=False)
    ended = run_program(path, receiver=receiver)
    assert (ended.code, ended.stdout, ended.stderr) == (bare.code, bare.stdout, bare.stderr)
    assert [record.body for record in receiver.log_records] == bodies


def test_a_seeded_program_draws_the_same_numbers(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str]
) -> None:
    """Spans take nothing from the program's source of random numbers, and its seed does not choose their ids."""
    path = write_program(
        "import random; random.seed(7)\n"
        "from opentelemetry import trace\n"
        "with trace.get_tracer('app').start_as_current_span('work'): print(random.random())\n"
        "print(random.random())\n"
    )
    bare = run_program(path, instrumented=False)
    assert run_program(path, receiver=receiver).stdout == bare.stdout
    assert run_program(path, receiver=receiver).stdout == bare.stdout
    assert len({span.trace_id for span in receiver.spans}) == 2


ENDINGS = {
    "returns": ("print('done')", "unset"),
    "sys.exit(0)": ("import sys; sys.exit(0)", "unset"),
    "sys.exit(3)": ("import sys; sys.exit(3)", "error"),
    "sys.exit(text)": ("import sys; sys.exit('reason')", "error"),
    "uncaught": ("def f():\n    raise ValueError('no')\nf()", "error"),
    "interrupt": ("raise KeyboardInterrupt", "error"),
    "caught exit": ("import sys\ntry:\n    sys.exit(5)\nexcept SystemExit:\n    print('stayed')", "unset"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_end_is_as_without(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str], name: str
) -> None:
    """Exit code, output and traceback are the same, and the root span's status follows how the program ended."""
    text, status = ENDINGS[name]
    path = write_program(text)
    bare = run_program(path, instrumented=False)
    ended = run_program(path, receiver=receiver, environ={"CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build"})
    assert (ended.code, ended.stdout, ended.stderr) == (bare.code, bare.stdout, bare.stderr)
    (root,) = receiver.spans
    assert (root.name, root.status) == ("graph_product.build", status)
    if status == "error":
        assert root.attributes["process.exit.code"] == (130 if name == "interrupt" else bare.code)


def test_root_span_is_current_from_the_first_line(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str]
) -> None:
    """A span and a log record of the program's first lines stand under the root span."""
    path = write_program(
        "import logging; from opentelemetry import trace\n"
        "logging.warning('hello')\n"
        "with trace.get_tracer('app').start_as_current_span('work'): pass\n"
    )
    run_program(path, receiver=receiver, environ={"CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build"})
    spans = {span.name: span for span in receiver.spans}
    assert spans["work"].parent_id == spans["graph_product.build"].span_id
    (record,) = receiver.log_records
    assert record.span_id == spans["graph_product.build"].span_id


def test_child_process_opens_no_root_of_its_own(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str]
) -> None:
    """A Python program that the program starts joins its trace and its run, and repeats no root span."""
    path = write_program(
        "import subprocess, sys\n"
        "if len(sys.argv) == 1:\n"
        "    subprocess.run([sys.executable, __file__, 'child'], check=True)\n"
        "else:\n"
        "    from opentelemetry import trace\n"
        "    trace.get_tracer('app').start_span('child').end()\n"
    )
    run_program(path, receiver=receiver, environ={"CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build"})
    assert sorted(span.name for span in receiver.spans) == ["child", "graph_product.build"]
    spans = {span.name: span for span in receiver.spans}
    assert spans["child"].parent_id == spans["graph_product.build"].span_id
    assert len({str(span.attributes["codeanatomy.run_id"]) for span in receiver.spans}) == 1


SIGNALS = """
import logging
from codeanatomy_distro import emit_diagnostics_event, stage_span
with stage_span("extract"):
    emit_diagnostics_event("scan.done", {"files": 3})
logging.warning("told")
"""


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_none_switches_one_signal_off(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str], signal: str
) -> None:
    """`none` takes one signal out and leaves the two others."""
    run_program(write_program(SIGNALS), receiver=receiver, environ={f"OTEL_{signal.upper()}_EXPORTER": "none"})
    got = {"traces": receiver.spans, "metrics": receiver.metric_points, "logs": receiver.log_records}
    assert {name for name, items in got.items() if items} == {"traces", "metrics", "logs"} - {signal}


def test_several_exporters_each_get_everything(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str]
) -> None:
    """`otlp,console` sends to both."""
    ended = run_program(write_program(SIGNALS), receiver=receiver, environ={"OTEL_TRACES_EXPORTER": "otlp,console"})
    assert [span.name for span in receiver.spans] == ["extract"]
    assert '"name": "extract"' in ended.stdout


def test_disabled_changes_nothing(run_program: Any, write_program: Callable[[str], str]) -> None:
    """With OTEL_SDK_DISABLED=true nothing in the process is patched and nothing is exported."""
    path = write_program(
        "import logging, sys, threading\n"
        "print(logging.Logger.callHandlers.__module__, sys.excepthook is sys.__excepthook__,\n"
        "      type(sys.exit).__name__, threading.active_count(), threading.Thread.start.__module__)\n"
    )
    bare = run_program(path, instrumented=False)
    ended = run_program(path, environ={"OTEL_SDK_DISABLED": "true", "CODEANATOMY_OTEL_ROOT_SPAN": "x"})
    assert (ended.code, ended.stdout, ended.stderr) == (bare.code, bare.stdout, bare.stderr)


def test_one_signal_that_cannot_be_set_up_leaves_the_others(
    run_program: Any, receiver: OtlpReceiver, write_program: Callable[[str], str]
) -> None:
    """An exporter name that no package has costs a warning and nothing else: that signal still goes out by OTLP."""
    ended = run_program(write_program(SIGNALS), receiver=receiver, environ={"OTEL_TRACES_EXPORTER": "nosuch"})
    assert ended.code == 0
    assert "OTEL_TRACES_EXPORTER" in ended.stderr
    assert "nosuch" in ended.stderr
    assert receiver.spans
    assert receiver.metric_points
    assert receiver.log_records
