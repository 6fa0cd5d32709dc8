"""Programs of their own processes, as they are and with telemetry set up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.otel.config import OtelConfig, resolve_otel_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Programs are forked from an interpreter that has imported what telemetry needs and set up nothing of it: a start of
# its own would take each a third of a second. Both ways run this very text, so that a traceback has the same frames.
SERVER = """
import atexit, importlib, json, os, pathlib, runpy, sys
for name in ("bootstrap", "providers", "resources", "correlation", "lifecycle", "process"):
    importlib.import_module("codeanatomy_distro.otel." + name)
from codeanatomy_distro import OtelBootstrapOptions, configure_otel
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    os._exit(0)
os.environ.update(job["environ"])
os.chdir(job["folder"])
for number, name in enumerate((os.devnull, job["out"], job["err"])):
    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
sys.argv = [job["program"]]
if job["telemetry"]:
    memory = configure_otel(options=OtelBootstrapOptions(test_mode=True, load_instrumentors=False)).memory
    def write():
        found = [
            {
                "body": item.log_record.body,
                "severity": item.log_record.severity_text,
                "trace_id": item.log_record.trace_id,
                "logger": item.instrumentation_scope.name,
                "attributes": dict(item.log_record.attributes),
            }
            for item in memory.logs.get_finished_logs()
        ]
        pathlib.Path(job["records"]).write_text(json.dumps(found))
    atexit.register(write)
runpy.run_path(job["program"], run_name="__main__")
"""


@dataclass(frozen=True)
class Ended:
    """How a program ended, what it printed, and which log records telemetry got."""

    code: int
    stdout: str
    stderr: str
    records: list[dict[str, Any]]


def clean_environ() -> dict[str, str]:
    """Return this process's environment without any telemetry setting of its own."""
    prefixes = ("OTEL_", "CODEANATOMY_", "TRACEPARENT", "TRACESTATE", "BAGGAGE", "DEPLOYMENT_ENVIRONMENT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**kept, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel", "PYTHONWARNINGS": "default"}


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen[str]]:
    """Start the interpreter that programs are forked from."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], env=clean_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()  # pyright: ignore[reportOptionalMemberAccess] - a pipe was asked for


@pytest.fixture
def run_one(server: subprocess.Popen[str], tmp_path: Path) -> Callable[..., Ended]:
    """Run a program, with telemetry set up for it or not, and give how it ended."""
    assert server.stdin is not None
    assert server.stdout is not None
    requests, answers = server.stdin, server.stdout
    program = tmp_path / "program.py"

    def run(text: str, *, telemetry: bool, environ: dict[str, str]) -> Ended:
        program.write_text(textwrap.dedent(text), encoding="utf-8")
        files = {name: tmp_path / f"{name}-{telemetry}" for name in ("out", "err", "records")}
        job = {name: str(path) for name, path in {"program": program, "folder": tmp_path, **files}.items()}
        requests.write(json.dumps({**job, "telemetry": telemetry, "environ": environ}) + "\n")
        requests.flush()
        code = int(answers.readline())
        out, err, records = (path.read_text(encoding="utf-8") if path.exists() else "[]" for path in files.values())
        return Ended(code, out, err, json.loads(records))

    return run


@pytest.fixture
def run_both(run_one: Callable[..., Ended]) -> Callable[..., tuple[Ended, Ended]]:
    """Run a program twice, as it is and with telemetry; give how each ended."""

    def run(text: str, **environ: str) -> tuple[Ended, Ended]:
        return run_one(text, telemetry=False, environ=environ), run_one(text, telemetry=True, environ=environ)

    return run


@pytest.fixture
def run_alone(run_one: Callable[..., Ended]) -> Callable[..., Ended]:
    """Run a program that sets up its telemetry itself, and give how it ended."""

    def run(text: str, **environ: str) -> Ended:
        return run_one(text, telemetry=False, environ=environ)

    return run


@pytest.fixture
def config() -> Callable[..., OtelConfig]:
    """Make a configuration of nothing but the variables given."""

    def make(**environ: str) -> OtelConfig:
        return resolve_otel_config(environ)

    return make
