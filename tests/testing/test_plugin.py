"""The pytest plug-in as a user's own test session has it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import sys
from codeanatomy_distro import stage_span

def test_nothing_is_loaded_before_it_is_asked_for():
    assert "opentelemetry.sdk.trace" not in sys.modules

def test_one(telemetry):
    with stage_span("mine"):
        pass
    assert telemetry.span("mine").attributes["codeanatomy.run_id"] == telemetry.run_id

def test_two(telemetry):
    assert not telemetry.spans()
"""


def test_a_session_of_a_user(tmp_path: Path) -> None:
    """The fixture is there without an import, each test begins empty, and a session that asks for none loads no SDK."""
    (tmp_path / "test_mine.py").write_text(TESTS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "codeanatomy", "."],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # by its entry point, and no other
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
