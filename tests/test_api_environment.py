"""Variables that OpenTelemetry's API reads while it is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IMPORT = "from opentelemetry import propagate; print(sorted(propagate.get_global_textmap().fields))"
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


def test_a_program_that_does_not_use_the_api_is_left_alone() -> None:
    """Where the API is not imported nothing of ours is, but for the one module that waits for it."""
    program = "import sys; print([name for name in sys.modules if name.startswith(('codeanatomy', 'opentelemetry'))])"
    assert _run(program).stdout == "[]\n"
    done = _run(program, OTEL_PROPAGATORS="bogus")
    assert done.stdout == "['codeanatomy_distro', 'codeanatomy_distro.api_environment']\n"
    assert done.stderr == ""
