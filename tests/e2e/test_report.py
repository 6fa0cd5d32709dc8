"""``codeanatomy-otel report`` as a user runs it: real processes, real signals, real exports."""

from __future__ import annotations

import argparse
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.cli.report import add_arguments, main
from codeanatomy_distro.cli.report_environment import child_environment, instrumented, set_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.e2e

REPORT = """
import argparse, sys
from codeanatomy_distro.cli import report
parser = argparse.ArgumentParser(prog="codeanatomy-otel report")
report.add_arguments(parser)
sys.exit(report.main(parser.parse_args()))
"""

PROGRAM = """
import logging, sys
from opentelemetry import metrics, trace
print("read", sys.stdin.read())
print("complaint", file=sys.stderr)
with trace.get_tracer("demo").start_as_current_span("work", attributes={"node_name": "first"}):
    logging.getLogger("demo").warning("look here")
    metrics.get_meter("demo").create_counter("demo.things").add(3)
sys.exit(int(sys.argv[1]))
"""

CHILD = """
import signal, sys, time
seen = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: seen.append(number))
print("ready", flush=True)
while not seen:
    time.sleep(0.01)
time.sleep(0.2)
print("signals", [signal.Signals(number).name for number in seen], flush=True)
sys.exit(7)
"""

RUN_CHILD = """
import os, sys
from codeanatomy_distro.cli.report_child import run_child
code = run_child([sys.executable, "-c", sys.argv[1]], os.environ)
print("code", code, flush=True)
"""


@pytest.fixture
def environ() -> dict[str, str]:
    """An environment without telemetry settings, where the tests' own interpreter comes first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CODEANATOMY_"))}
    return {**kept, "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept["PATH"])), "COLUMNS": "80"}


def report(environ: Mapping[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", REPORT, *arguments]
    return subprocess.run(
        command, env=environ, input=stdin, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_program_is_run_and_its_telemetry_shown(environ: dict[str, str], tmp_path: Path, protocol: str) -> None:
    """Standard streams and exit code are the program's own; the report on standard error shows span, metric and log."""
    page, dump = tmp_path / "run.html", tmp_path / "run.json"
    done = report(
        environ, "--protocol", protocol, "--html", str(page), "--json", str(dump),
        "--", sys.executable, "-c", PROGRAM, "3", stdin="some input",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "read some input\n")
    assert "complaint\n" in done.stderr
    shown = done.stderr.partition("complaint\n")[2]
    assert "── Run" in shown
    assert any(line.startswith("work  first") and line.endswith("ms") for line in shown.splitlines())
    assert "demo.things" in shown
    assert "WARN   look here" in shown
    assert "\x1b" not in shown
    received = json.loads(dump.read_text(encoding="utf-8"))
    assert "work" in [span["name"] for span in received["spans"]]
    assert '"name":"work"' in page.read_text(encoding="utf-8")


def test_a_program_that_sends_nothing_is_explained(environ: dict[str, str]) -> None:
    """With telemetry switched off the report names the variable; the program's exit code stays."""
    done = report({**environ, "OTEL_SDK_DISABLED": "true"}, "--", sys.executable, "-c", "raise SystemExit(5)")
    assert done.returncode == 5
    assert "sent no telemetry. OTEL_SDK_DISABLED is set" in done.stderr


@pytest.mark.parametrize(
    ("variables", "told"), [({}, True), ({"CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build"}, False)]
)
def test_many_traces_can_be_one(environ: dict[str, str], variables: dict[str, str], *, told: bool) -> None:
    """A run of several traces is told the variable that makes one of them; with it there is but one."""
    program = "from opentelemetry import trace\nfor _ in range(3): trace.get_tracer('demo').start_span('work').end()"
    done = report({**environ, **variables}, "--", sys.executable, "-c", program)
    assert f"in {'3 traces' if told else '1 trace'}" in done.stderr
    assert ("CODEANATOMY_OTEL_ROOT_SPAN=graph_product.build" in done.stderr.replace("\n", "")) is told


def test_an_instrumented_command_is_not_instrumented_twice(environ: dict[str, str]) -> None:
    """A command that is opentelemetry-instrument already stays as it is; any other gets it in front."""
    assert instrumented(["opentelemetry-instrument", "python", "x"], environ) == [
        "opentelemetry-instrument",
        "python",
        "x",
    ]
    instrument, *rest = instrumented(["python", "x"], environ)
    assert Path(instrument).name == "opentelemetry-instrument"
    assert rest == ["python", "x"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "no command to run"),
        (("--",), 2, "no command to run"),
        (("--", "no-such-program-anywhere"), 127, "command not found: no-such-program-anywhere"),
        (("--html", "/no/such/folder/x.html", "--", "true"), 2, "cannot write /no/such/folder/x.html"),
    ],
)
def test_a_call_that_cannot_work_says_why(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    """Nothing runs, the exit code is that of a usage error or a shell's 127, and one message tells the reason."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert main(parser.parse_args(arguments)) == code
    output = capsys.readouterr()
    assert message in output.err
    assert not output.out


def test_a_width_too_small_to_read_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error tells the least width."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--width", "7", "--", "true"])
    assert "at least 40 columns" in capsys.readouterr().err


def test_loading_the_command_line_loads_nothing_heavy() -> None:
    """Adding the arguments of report imports neither gRPC, rich nor the receiver."""
    heavy = ("grpc", "rich", "http.server", "codeanatomy_distro.testing", "opentelemetry.sdk")
    code = (
        "import argparse, sys; from codeanatomy_distro.cli import report; "
        f"report.add_arguments(argparse.ArgumentParser()); print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sent_to_us_reaches_the_program(number: signal.Signals) -> None:
    """Without a terminal, SIGINT and SIGTERM are passed on once and the program decides how it ends."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN_CHILD, CHILD], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read().splitlines() == [f"signals ['{number.name}']", "code 7"]
    assert process.returncode == 0


def test_ctrl_c_reaches_the_program_once() -> None:
    """On a terminal, which sends Ctrl-C to the program as well, it gets one SIGINT, not two."""
    lines = _at_a_terminal([sys.executable, "-c", RUN_CHILD, CHILD], after="ready", key=b"\x03")
    assert lines[-2:] == ["signals ['SIGINT']", "code 7"]


def test_a_killed_program_gives_the_shell_s_code() -> None:
    """Death by signal N is reported as 128 + N."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", RUN_CHILD, code], capture_output=True, text=True, check=True)
    assert done.stdout == "code 137\n"


def test_the_program_s_telemetry_comes_to_us() -> None:
    """Endpoints, protocols, headers and keys that would lead elsewhere are left out; all three exporters are otlp."""
    theirs = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example:4317",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "api-key=secret",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/etc/ca.pem",
        "OTEL_CONFIG_FILE": "sdk.yaml",
        "OTEL_EXPERIMENTAL_CONFIG_FILE": "sdk.yaml",
        "CODEANATOMY_OTEL_TEST_MODE": "true",
        "OTEL_METRICS_EXPORTER": "none",
        "HOME": "/home/me",
    }
    child = child_environment(theirs, "http://127.0.0.1:9", "grpc")
    assert child["HOME"] == "/home/me"
    assert not {name for name in theirs if name.startswith(("OTEL_", "CODEANATOMY_"))} & child.keys() - {
        "OTEL_METRICS_EXPORTER"
    }
    assert (child["OTEL_EXPORTER_OTLP_ENDPOINT"], child["OTEL_EXPORTER_OTLP_PROTOCOL"]) == (
        "http://127.0.0.1:9",
        "grpc",
    )
    assert {child[f"OTEL_{name}_EXPORTER"] for name in ("TRACES", "METRICS", "LOGS")} == {"otlp"}
    assert sorted(set_aside(theirs)) == sorted(theirs.keys() - {"HOME"})
    assert set_aside({"OTEL_TRACES_EXPORTER": "otlp"}) == []


def test_what_the_user_set_for_sampling_and_pace_stays() -> None:
    """Every span is recorded soon by default; a user's own sampler and intervals win."""
    sampler, interval = settings.TRACES_SAMPLER.name, settings.METRIC_EXPORT_INTERVAL.name
    bare = child_environment({sampler: " "}, "http://127.0.0.1:9", "grpc")
    assert (bare[sampler], bare[interval]) == ("always_on", "5000")
    own = child_environment({sampler: "always_off", interval: "100"}, "http://127.0.0.1:9", "grpc")
    assert (own[sampler], own[interval]) == ("always_off", "100")


def test_loopback_stays_off_a_proxy() -> None:
    """Where proxies are set the program is told not to use them for our receiver; elsewhere nothing is added."""
    child = child_environment({"https_proxy": "http://proxy:1", "no_proxy": "a.example"}, "http://127.0.0.1:9", "grpc")
    assert child["no_proxy"] == "a.example,127.0.0.1"
    assert child["NO_PROXY"] == "127.0.0.1"
    assert "no_proxy" not in child_environment({}, "http://127.0.0.1:9", "grpc")


def _at_a_terminal(command: list[str], after: str, key: bytes) -> list[str]:
    """Run the command on a terminal of its own, press the key once it printed ``after``, and return its lines."""
    # Not pty.fork(): forking the test process, which may have threads, is not safe.
    terminal, end = pty.openpty()
    script = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", script, *command], stdin=end, stdout=end, stderr=end, start_new_session=True
    ) as process:
        os.close(end)
        output = b""
        pressed = False
        while True:
            try:
                chunk = os.read(terminal, 1024)
            except OSError:  # Linux: the other end is closed
                chunk = b""
            if not chunk:
                break
            output += chunk
            if not pressed and after.encode() in output:
                pressed = True
                os.write(terminal, key)
        process.wait(10)
    os.close(terminal)
    return [line for line in output.decode().replace("^C", "").splitlines() if line]
