"""The script that builds the Collector: what it does without a build of minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tools" / "otel" / "build_collector.py"


def build(cache: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script with a cache of its own."""
    environ = {**os.environ, "XDG_CACHE_HOME": str(cache), "PATH": path or os.environ["PATH"]}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_a_collector_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    """`--check` names the place where the binary belongs; once there, the script prints it and does nothing else."""
    missing = build(tmp_path, "--check")
    assert (missing.returncode, missing.stdout) == (1, "")
    binary = Path(missing.stderr.strip().removeprefix("not built: "))
    assert binary.is_relative_to(tmp_path)
    binary.parent.mkdir(parents=True)
    binary.touch()
    for arguments in (("--check",), ()):
        there = build(tmp_path, *arguments)
        assert (there.returncode, there.stdout, there.stderr) == (0, f"{binary}\n", "")


def test_a_compiler_that_is_too_old_is_named(tmp_path: Path) -> None:
    """With an old Go the script ends with 1 and one line that says which is needed, and leaves nothing behind."""
    old = tmp_path / "bin" / "go"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho go1.21.3\n", encoding="utf-8")
    old.chmod(0o755)
    ended = build(tmp_path / "cache", path=f"{old.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"build_collector: {old} is go1.21.3; the Collector needs Go 1.26 or newer\n"
    assert not (tmp_path / "cache").exists()
