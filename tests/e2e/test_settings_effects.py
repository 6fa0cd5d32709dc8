"""Settings that name something installed, or that others read: their effect on a real program under the command."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.variable_names import flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = pytest.mark.e2e

PLUGIN = """
import sys
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource, ResourceDetector
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler


class Exporter(SpanExporter):
    def export(self, spans):
        for span in spans:
            rule = span.attributes["otel.sampling.rule"]
            print(f"{span.name} {span.context.trace_id:x} {rule} {span.resource.attributes['plugin']}", flush=True)
        return SpanExportResult.SUCCESS

    def shutdown(self):
        pass


class Ids(IdGenerator):
    def generate_trace_id(self):
        return 0xABC

    def generate_span_id(self):
        return 0xDEF


class Detector(ResourceDetector):
    def detect(self):
        return Resource({"plugin": "detected"})


class Propagator(TextMapPropagator):
    fields = {"x-plugin"}

    def extract(self, carrier, context=None, getter=None):
        return context

    def inject(self, carrier, context=None, setter=None):
        carrier["x-plugin"] = "injected"


def sampler(argument):
    print("sampler:", argument, flush=True)
    return ALWAYS_ON


def broken(argument):
    raise RuntimeError("out of order")


def no_sampler(argument):
    return "no sampler"
"""
# Loaded while the API is imported: it can't import what needs the API.
CONTEXT = """
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext


class Context(ContextVarsRuntimeContext):
    pass
"""
ENTRY_POINTS = """
[opentelemetry_traces_exporter]
plugin = the_plugin:Exporter
[opentelemetry_id_generator]
plugin = the_plugin:Ids
[opentelemetry_resource_detector]
plugin = the_plugin:Detector
[opentelemetry_context]
plugin = the_context:Context
[opentelemetry_propagator]
plugin = the_plugin:Propagator
[opentelemetry_traces_sampler]
plugin = the_plugin:sampler
broken = the_plugin:broken
no_sampler = the_plugin:no_sampler
"""


def _install_plugin(folder: Path) -> None:
    """Install a package with one plug-in of each sort."""
    info = folder / "the_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: the-plugin\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    (folder / "the_plugin.py").write_text(PLUGIN, encoding="utf-8")
    (folder / "the_context.py").write_text(CONTEXT, encoding="utf-8")


def test_plug_ins_by_entry_point(
    run_program: Callable[..., Any], write_program: Callable[[str], str], tmp_path: Path
) -> None:
    """Exporter, sampler with argument, ids, detector, context and propagator of a package are used by their names."""
    _install_plugin(tmp_path)
    program = (
        "from opentelemetry import context, propagate, trace\n"
        "print('context:', type(context._RUNTIME_CONTEXT).__name__)\n"
        "trace.get_tracer('app').start_span('x').end()\n"
        "carrier = {}\npropagate.inject(carrier)\nprint(carrier)\n"
    )
    ended = run_program(
        write_program(program),
        environ={
            "PYTHONPATH": str(tmp_path),
            "OTEL_TRACES_EXPORTER": "plugin",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_TRACES_SAMPLER": "plugin",
            "OTEL_TRACES_SAMPLER_ARG": "its argument",
            "OTEL_PYTHON_ID_GENERATOR": "plugin",
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "plugin",
            "OTEL_PROPAGATORS": "plugin",
            "OTEL_PYTHON_CONTEXT": "plugin",
        },
    )
    assert ended.stderr == ""
    assert sorted(ended.stdout.splitlines()) == sorted(
        ["context: Context", "sampler: its argument", "{'x-plugin': 'injected'}", "x abc codeanatomy.default detected"]
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [("broken", "RuntimeError: out of order"), ("no_sampler", "TypeError: it made str, which is no sampler")],
)
def test_a_plug_in_that_fails_is_replaced(  # noqa: PLR0913, PLR0917 - fixtures
    name: str,
    reason: str,
    run_program: Callable[..., Any],
    write_program: Callable[[str], str],
    receiver: OtlpReceiver,
    tmp_path: Path,
) -> None:
    """A sampler that fails, or is none, is told in one line; the default one takes its place and telemetry flows."""
    _install_plugin(tmp_path)
    program = (
        "from opentelemetry import trace\nfor _ in range(100):\n    trace.get_tracer('app').start_span('x').end()\n"
    )
    environ = {
        "PYTHONPATH": str(tmp_path),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint,
        "OTEL_TRACES_SAMPLER": name,
    }
    ended = run_program(write_program(program), environ=environ)
    assert ended.stderr == (
        f"OTEL_TRACES_SAMPLER={name!r} is ignored: it failed: {reason}; using parentbased_traceidratio\n"
    )
    assert 1 <= len(receiver.spans) <= 40


MODES = "[modes[signal].name for signal in (signals.HTTP, signals.DATABASE)]"
LOADED = "'codeanatomy_distro.instrumentation.hamilton' in sys.modules"


@pytest.mark.parametrize(
    ("environ", "expression", "value"),
    [
        ({"OTEL_SEMCONV_STABILITY_OPT_IN": "http,db"}, MODES, "['HTTP', 'DATABASE']"),
        ({}, MODES, "['DEFAULT', 'DEFAULT']"),
        ({"OTEL_LOG_LEVEL": "Error"}, "logging.getLogger('opentelemetry').level", "40"),
        ({}, LOADED, "True"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "x, hamilton"}, LOADED, "False"),
        ({"OTEL_PYTHON_EXCLUDED_URLS": "health,["}, "os.environ['OTEL_PYTHON_EXCLUDED_URLS']", "health"),
        ({"OTEL_PYTHON_CONTEXT": "bogus"}, "type(context._RUNTIME_CONTEXT).__name__", "ContextVarsRuntimeContext"),
    ],
)
def test_what_others_read(
    environ: dict[str, str],
    expression: str,
    value: str,
    run_program: Callable[..., Any],
    write_program: Callable[[str], str],
) -> None:
    """What OpenTelemetry packages read themselves is what we made of it, when the program begins."""
    program = (
        "import logging, os, sys\nfrom opentelemetry import context\n"
        "from opentelemetry.instrumentation import _semconv\n"
        "signals = _semconv._OpenTelemetryStabilitySignalType\n"
        "_semconv._OpenTelemetrySemanticConventionStability._initialize()\n"
        "modes = _semconv._OpenTelemetrySemanticConventionStability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING\n"
        f"print({expression})\n"
    )
    off = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    ended = run_program(write_program(program), environ={**off, **environ})
    assert (ended.code, ended.stdout) == (0, f"{value}\n"), ended.stderr


def test_limits_are_told_once(run_program: Callable[..., Any], write_program: Callable[[str], str]) -> None:
    """However much a limit cuts or drops, of spans and of log records, it adds one line to what a program prints."""
    program = (
        "import logging\nfrom opentelemetry import trace\n"
        "for _ in range(50):\n"
        "    trace.get_tracer('app').start_span('x', attributes={'a': 'long', 'b': 1, 'c': 2}).end()\n"
        "    logging.getLogger('app').warning('hello', extra={'a': 'long', 'b': 1, 'c': 2})\n"
    )
    limits = {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "2", "OTEL_ATTRIBUTE_COUNT_LIMIT": "2"}
    off = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    ended = run_program(write_program(program), environ={**off, **limits, "OTEL_TRACES_SAMPLER": "always_on"})
    told = [line for line in ended.stderr.splitlines() if line != "hello"]
    assert sorted(line.split("(")[1].split()[2] for line in told) == sorted(
        [
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ]
    )


def test_the_help_of_the_command_is_the_tables() -> None:
    """`opentelemetry-instrument --help` tells of each flag what the table says of its setting."""
    command = Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument"
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    shown = "".join(done.stdout.split())
    for setting in settings.TABLE:
        name = flag(setting.name)
        assert "".join(f"--{name} {name.upper()} {setting.help}".split()) in shown


def test_a_child_repeats_no_message(run_program: Callable[..., Any], write_program: Callable[[str], str]) -> None:
    """A bad value is told by the program, and not again by each process that it starts."""
    program = (
        "import subprocess, sys\n"
        "if len(sys.argv) == 1:\n    subprocess.run([sys.executable, __file__, 'child'], check=True)\n"
        "print(len(sys.argv))\n"
    )
    off = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    bad = {"OTEL_BSP_MAX_QUEUE_SIZE": "many", "CODEANATOMY_OTEL_REDACTION": "some", "OTEL_PROPAGATORS": "bogus"}
    ended = run_program(write_program(program), environ={**off, **bad})
    assert ended.stdout == "2\n1\n"
    assert sorted(line.split("=")[0] for line in ended.stderr.splitlines()) == sorted(bad)


@pytest.mark.parametrize("disabled", [False, True])
def test_a_declarative_file_under_the_command(
    disabled: bool,  # noqa: FBT001 - a parameter of the test
    run_program: Callable[..., Any],
    write_program: Callable[[str], str],
    receiver: OtlpReceiver,
    tmp_path: Path,
) -> None:
    """A file sets up a program that knows nothing of it, and can switch all of it off, instrumentors too."""
    path = tmp_path / "sdk.yaml"
    path.write_text(
        f'file_format: "1.0"\ndisabled: {str(disabled).lower()}\n'
        "tracer_provider:\n  sampler: {always_on: }\n  processors:\n"
        f'    - batch: {{exporter: {{otlp_grpc: {{endpoint: "{receiver.grpc_endpoint}"}}}}}}\n',
        encoding="utf-8",
    )
    program = (
        "import sys\nfrom opentelemetry import trace\ntrace.get_tracer('app').start_span('x').end()\n"
        "print('codeanatomy_distro.instrumentation.hamilton' in sys.modules)"
    )
    # The older name, and the worst of values for who reads the file: importing the SDK would fail.
    environ = {"OTEL_EXPERIMENTAL_CONFIG_FILE": str(path), "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "abc"}
    ended = run_program(write_program(program), environ=environ)
    assert (ended.code, ended.stdout) == (0, f"{not disabled}\n")
    assert len(ended.stderr.splitlines()) == 2
    assert len(receiver.spans) == (not disabled)
    if not disabled:
        assert receiver.spans[0].attributes["codeanatomy.run_id"]
        assert receiver.spans[0].resource.attributes["service.name"] == "codeanatomy"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('file_format: "9.0"\n', "file_format '9.0'"),
        ('file_format: "1.0"\ntracer_provider:\n  processors: [\n', "line 4"),
        ('file_format: "1.0"\nattribute_limits: {attribute_count_limit: many}\n', "(line 2)"),
        (None, "no such file"),
    ],
)
def test_a_bad_declarative_file_under_the_command(  # noqa: PLR0913, PLR0917 - fixtures
    text: str | None,
    reason: str,
    run_program: Callable[..., Any],
    write_program: Callable[[str], str],
    receiver: OtlpReceiver,
    tmp_path: Path,
) -> None:
    """A file that can't be used is one message with its place, and the program runs with its telemetry."""
    path = tmp_path / "sdk.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    program = "from opentelemetry import trace\ntrace.get_tracer('app').start_span('x').end()\nprint('done')\n"
    ended = run_program(write_program(program), receiver=receiver, environ={"OTEL_CONFIG_FILE": str(path)})
    assert (ended.code, ended.stdout) == (0, "done\n")
    (line,) = ended.stderr.splitlines()
    assert reason in line
    assert line.endswith("; using the variables and the defaults")
    assert [span.name for span in receiver.spans] == ["x"]


@pytest.mark.parametrize("route", ["PYTHONPATH", "configure_otel"])
def test_bad_values_on_the_other_routes(
    route: str, run_program: Callable[..., Any], write_program: Callable[[str], str], receiver: OtlpReceiver
) -> None:
    """Where the command is skipped a value that stops the SDK's import is told once, and telemetry flows."""
    import opentelemetry.instrumentation.auto_instrumentation as injected

    program = (
        f"route = {route!r}\n"
        "if route == 'configure_otel':\n    from codeanatomy_distro import configure_otel\n    configure_otel()\n"
        "from opentelemetry import trace\ntrace.get_tracer('app').start_span('x').end()\n"
    )
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint,
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "abc",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,bogus",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": " ",
    }
    if route == "PYTHONPATH":
        environ["PYTHONPATH"] = injected.__path__[0]
    ended = run_program(write_program(program), environ=environ, instrumented=False)
    assert ended.code == 0
    told = [line.split("=")[0] for line in ended.stderr.splitlines()]
    assert sorted(told) == ["OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"]
    assert [span.name for span in receiver.spans] == ["x"]
    assert "process.pid" in receiver.spans[0].resource.attributes
