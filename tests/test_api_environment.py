"""Variables that OpenTelemetry's API reads while it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

IMPORT = "from opentelemetry import propagate; print(sorted(propagate.get_global_textmap().fields), flush=True)"
DEFAULT = "['baggage', 'traceparent', 'tracestate']\n"


def _run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("value", "fields", "told"),
    [
        ("bogus", DEFAULT, 1),
        ("baggage,bogus", "['baggage']\n", 1),
        (" ", DEFAULT, 0),
        ("TraceContext", "['traceparent', 'tracestate']\n", 0),
        ("none", "[]\n", 0),
    ],
)
def test_the_api_is_imported_whatever_the_propagators_are(value: str, fields: str, told: int) -> None:
    """A name that is not installed no longer stops a program that imports the API; it is told in one line."""
    done = _run(IMPORT, OTEL_PROPAGATORS=value)
    assert (done.returncode, done.stdout) == (0, fields)
    assert len(done.stderr.splitlines()) == told


def test_a_context_that_is_missing_is_told_in_one_line() -> None:
    """A bogus context is one line in place of a traceback."""
    done = _run(IMPORT, OTEL_PYTHON_CONTEXT="bogus")
    assert done.stdout == DEFAULT
    assert done.stderr == (
        "OTEL_PYTHON_CONTEXT='bogus' is ignored: no context of that name is installed; using contextvars_context\n"
    )


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """Install a package whose propagator and context fail; return what ``PYTHONPATH`` is for it."""
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", encoding="utf-8")
    groups = ("opentelemetry_propagator", "opentelemetry_context")
    entry_points = "\n".join(f"[{group}]\nbroken = broken_one:Broken" for group in groups)
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('out of order')\n", encoding="utf-8")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "used"),
    [
        ("OTEL_PROPAGATORS", "broken", "tracecontext,baggage"),
        ("OTEL_PROPAGATORS", "broken,tracecontext,baggage", "tracecontext,baggage"),
        ("OTEL_PYTHON_CONTEXT", "broken", "contextvars_context"),
    ],
)
def test_a_plug_in_that_fails_is_told_in_one_line(name: str, value: str, used: str, broken: str) -> None:
    """A propagator or context that is installed and fails stops no program, and a child hears of it no more."""
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {IMPORT!r}], check=True)"
    done = _run(f"{IMPORT}; {child}", PYTHONPATH=broken, **{name: value})
    assert done.stdout.splitlines() == [DEFAULT.strip()] * 2
    assert done.stderr == f"{name}='broken' is ignored: it failed: RuntimeError: out of order; using {used}\n"


def test_a_program_that_does_not_use_the_api_is_left_alone() -> None:
    """Where the API is not imported nothing of ours is, but for the one module that waits for it."""
    program = "import sys; print([name for name in sys.modules if name.startswith(('codeanatomy', 'opentelemetry'))])"
    assert _run(program).stdout == "[]\n"
    done = _run(program, OTEL_PROPAGATORS="bogus")
    assert done.stdout == "['codeanatomy_distro', 'codeanatomy_distro.api_environment']\n"
    assert done.stderr == ""
