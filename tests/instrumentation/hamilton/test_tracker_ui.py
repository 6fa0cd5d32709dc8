"""Runs in the real Hamilton UI: tags, statuses and values read back from its server; and servers that fail."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.hamilton_ui, pytest.mark.timeout(300)]

FUNCTIONS = """
import time


def numbers(size: int, password: str) -> list:
    return list(range(size))


def total(numbers: list) -> int:
    time.sleep(0.01)
    return sum(numbers)


def broken(numbers: list) -> float:
    return 1 / 0
"""

PROGRAM = """
import json, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from codeanatomy_distro.instrumentation.hamilton import HamiltonInstrumentor
from codeanatomy_distro.obs.run_context import run_context

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
HamiltonInstrumentor().instrument()

import functions
from hamilton import driver

built = driver.Builder().with_modules(functions).build()


def run(number, wanted="total"):
    with run_context(f"run-{number}"):
        try:
            return built.execute([wanted], inputs={"size": 300, "password": "s3cret-text"})[wanted]
        except ZeroDivisionError as error:
            return str(error)


FIRST
began = time.monotonic()
results = CALLS
seconds = time.monotonic() - began
graphs = {
    span.attributes["codeanatomy.run_id"]: [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    for span in exporter.get_finished_spans()
    if span.name == "hamilton.graph"
}
main = threading.main_thread()
threads = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not main]
print(json.dumps({"results": results, "seconds": seconds, "graphs": graphs, "threads": threads, "left": time.time()}))
"""


def run_program(
    python: Path, folder: Path, environ: dict[str, str], calls: str, first: str = ""
) -> tuple[Any, str, float]:
    """Run the program and return what it printed, its stderr, and the seconds that leaving took."""
    (folder / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    (folder / "program.py").write_text(PROGRAM.replace("CALLS", calls).replace("FIRST", first), encoding="utf-8")
    done = subprocess.run(
        [str(python), "program.py"], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    ended = time.time()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return told, done.stderr, ended - told["left"]


def test_runs_and_tags(hamilton_ui: Any, tmp_path: Path) -> None:
    """Each of several concurrent runs is in the UI with the tags of its very own trace, its nodes and its values."""
    calls = "list(ThreadPoolExecutor(4).map(run, range(4)))"
    told, stderr, _ = run_program(
        hamilton_ui.python, tmp_path, hamilton_ui.environ(CODEANATOMY_HAMILTON_TELEMETRY_PROFILE="dev"), calls
    )
    assert told["results"] == [44850] * 4
    assert stderr == ""
    runs = {run["tags"]["codeanatomy.run_id"]: run for run in hamilton_ui.runs()[:4]}
    assert set(runs) == {f"run-{number}" for number in range(4)}
    for run_id, run in runs.items():
        assert [run["tags"]["otel.trace_id"], run["tags"]["otel.span_id"]] == told["graphs"][run_id]
        assert run["run_status"] == "SUCCESS"
        assert {node["node_name"]: node["status"] for node in run["node_runs"]} == {
            "numbers": "SUCCESS",
            "total": "SUCCESS",
        }
        assert run["inputs"] == {"size": 300, "password": "(redacted)"}
    values = hamilton_ui.request("GET", f"node_runs/by_run_ids/{runs['run-0']['id']}?node_name=total")
    assert "44850" in json.dumps(values)


def test_prod_sends_no_values(hamilton_ui: Any, tmp_path: Path) -> None:
    """In production neither results nor inputs are sent as they are, and a failed run is told as failed."""
    told, _, _ = run_program(
        hamilton_ui.python, tmp_path, hamilton_ui.environ(HAMILTON_TELEMETRY_PROFILE="prod"), "[run(7, 'broken')]"
    )
    assert told["results"] == ["division by zero"]
    newest = hamilton_ui.runs()[0]
    assert newest["run_status"] == "FAILURE"
    assert newest["inputs"] == {"size": "(int)", "password": "(redacted)"}
    assert {node["node_name"]: node["status"] for node in newest["node_runs"]} == {
        "numbers": "SUCCESS",
        "broken": "FAILURE",
    }
    values = json.dumps(hamilton_ui.request("GET", f"node_runs/by_run_ids/{newest['id']}?node_name=numbers"))
    assert "299" not in values
    assert "RESULT SUMMARY DISABLED" in values


def test_ci_is_off(hamilton_ui: Any, tmp_path: Path) -> None:
    """The profile for CI records nothing."""
    before = len(hamilton_ui.runs())
    environ = hamilton_ui.environ(CODEANATOMY_HAMILTON_TELEMETRY_PROFILE="ci")
    run_program(hamilton_ui.python, tmp_path, environ, "[run(1)]")
    assert len(hamilton_ui.runs()) == before


def environ_for(url: str) -> dict[str, str]:
    """Return the environment of a program that is to record its runs at `url`."""
    prefixes = ("OTEL_", "CODEANATOMY_", "HAMILTON_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {
        **kept,
        "HAMILTON_TELEMETRY_ENABLED": "false",
        "CODEANATOMY_HAMILTON_TELEMETRY_PROFILE": "dev",
        "CODEANATOMY_HAMILTON_PROJECT_ID": "1",
        "CODEANATOMY_HAMILTON_USERNAME": "tester",
        "CODEANATOMY_HAMILTON_API_URL": url,
    }


class _Dying(BaseHTTPRequestHandler):
    """Answers as the real server does, until a run has begun; then it is gone."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that all is well."""
        self._answer(b"null" if "exists" in self.path else b"{}")

    def do_POST(self) -> None:
        """Take what comes, and die when a run begins."""
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(b'{"id": 1}')
        if "dag_runs" in self.path:
            self.close_connection = True
            threading.Thread(target=self.server.server_close, daemon=True).start()
            threading.Thread(target=self.server.shutdown, daemon=True).start()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(params=["refusing", "hanging", "dying"])
def bad_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a server that is not there, never answers, or dies while a run is under way."""
    if request.param == "dying":
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Dying)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()
        thread.join()
        return
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "hanging":
            listener.listen(5)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_bad_server(hamilton_ui_python: Path, bad_server: str, tmp_path: Path) -> None:
    """A server that fails costs a second at most, once: no exception, no thread left, one warning."""
    # What loading the SDK takes is not the server's: it is done before.
    load = "import hamilton_sdk.driver, hamilton_sdk.tracking.runs"
    told, stderr, leaving = run_program(
        hamilton_ui_python, tmp_path, environ_for(bad_server), "[run(n) for n in range(3)]", load
    )
    assert told["results"] == [44850] * 3
    assert told["threads"] == []
    assert stderr.count("Hamilton UI at") == 1
    assert len(stderr.strip().splitlines()) == 1
    assert told["seconds"] < 1.0
    assert leaving < 2.0  # a second for the server, the rest for the interpreter's own end
