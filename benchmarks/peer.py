"""The environments of a comparison: the peer's (`opentelemetry-distro`), made once and kept, and one like it for us."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OURS", "Side", "clean_environ", "create_ours", "create_peer", "median", "report"]

ROOT = Path(__file__).resolve().parents[1]
PEER = (
    "opentelemetry-distro[otlp]",
    "opentelemetry-instrumentation-logging",
    "opentelemetry-instrumentation-system-metrics",
)


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: its name, its interpreter and its command."""

    name: str
    bin: Path

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.bin / "python")

    @property
    def instrument(self) -> list[str]:
        """The command that starts an instrumented Python."""
        return [str(self.bin / "opentelemetry-instrument"), self.python]


OURS = Side("codeanatomy-distro", Path(sys.executable).parent)


def create_peer(cache: Path | None = None) -> Side:
    """Return the peer, of this interpreter's version.

    Its environment is made below `cache` when it is not there yet.
    """
    return _create("opentelemetry-distro", "peer", PEER, cache)


def create_ours(cache: Path | None = None) -> Side:
    """Return ours as a user has it: installed and compiled, in an environment with nothing else.

    It is installed anew each time.
    """
    side = _create("codeanatomy-distro", "ours", PEER[1:], cache)
    install = [side.python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, str(ROOT)], check=True)
    subprocess.run([*install, "--force-reinstall", "--no-deps", str(ROOT)], check=True)  # as the tree is now
    return side


def _create(name: str, folder: str, packages: tuple[str, ...], cache: Path | None) -> Side:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = (cache or Path(tempfile.gettempdir()) / "codeanatomy-benchmarks") / f"{folder}-{version}"
    side = Side(name, home / "bin")
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([side.python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (home / "ready").touch()
    return side


def clean_environ(**variables: str) -> dict[str, str]:
    """Return this process's environment without any telemetry setting, and with `variables`."""
    left_out = ("OTEL_", "CODEANATOMY_", "TRACEPARENT", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | variables


def report(name: str, figure: float, bar: float, unit: str = "") -> bool:
    """Print a figure beside its bar; return whether it is met, which is at most the bar."""
    met = figure <= bar
    print(f"  {name:58} {figure:8.2f}{unit}  bar {bar:g}{unit}  {'met' if met else 'MISSED'}")
    return met


def median(figures: list[float]) -> float:
    """Return the median."""
    return statistics.median(figures)
