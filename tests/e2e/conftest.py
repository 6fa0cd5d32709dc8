"""Real programs under `opentelemetry-instrument`, exporting to a real OTLP receiver."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
SITE = Path(sysconfig.get_path("purelib"))


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


class RunProgram(Protocol):
    """The fixture `run_program`."""

    def __call__(  # noqa: PLR0913 - what a program is run with
        self,
        *command: str,
        receiver: OtlpReceiver | None = None,
        protocol: str = "grpc",
        instrumented: bool = True,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        meanwhile: Callable[[], object] | None = None,
        limit: float = 300,
    ) -> Ended:
        """Run `python COMMAND…`, by default under `opentelemetry-instrument`, and wait for its end.

        Its stdin ends when `meanwhile` returns; after `limit` more seconds it hangs, and is killed.
        """
        ...


def clean_environ() -> dict[str, str]:
    """Return this process's environment without any telemetry setting of its own."""
    prefixes = ("OTEL_", "CODEANATOMY_", "HAMILTON_", "TRACEPARENT", "TRACESTATE", "BAGGAGE", "DEPLOYMENT_ENVIRONMENT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    # Hamilton asks a server of its makers for its telemetry; no test of ours talks to the outside.
    return {**kept, "HAMILTON_TELEMETRY_ENABLED": "false", "PYTHONPATH": str(ROOT / "examples"), "PYTHONHASHSEED": "0"}


@pytest.fixture(scope="session")
def run_program() -> RunProgram:
    """Run a real program in a process of its own."""

    def run(  # noqa: PLR0913 - as above
        *command: str,
        receiver: OtlpReceiver | None = None,
        protocol: str = "grpc",
        instrumented: bool = True,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        meanwhile: Callable[[], object] | None = None,
        limit: float = 300,
    ) -> Ended:
        variables = clean_environ()
        if receiver is not None:
            endpoint = receiver.grpc_endpoint if protocol == "grpc" else receiver.http_endpoint
            variables |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_TRACES_SAMPLER": "always_on",
            }
        wrapper = [str(Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument")] if instrumented else []
        with subprocess.Popen(
            [*wrapper, sys.executable, *command],
            env=variables | dict(environ or {}),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                if meanwhile is not None:
                    meanwhile()
                stdout, stderr = process.communicate(timeout=limit)
            except BaseException:
                process.kill()
                raise
            return Ended(process.returncode, stdout, stderr)

    return run


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """Receive OTLP on loopback, both protocols."""
    with OtlpReceiver() as receiving:
        yield receiving


@pytest.fixture
def write_program(tmp_path: Path) -> Callable[[str], str]:
    """Write a program's text to a file and give its path."""

    def write(text: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def python_without(tmp_path: Path) -> Callable[[str, str], str]:
    """Make an environment with all packages of this one but one, and give its Python.

    The package is told by its name and by the folder of its modules, ``opentelemetry/exporter/otlp/proto/grpc``: the
    packages of OpenTelemetry share the folders above, which are made anew.
    """

    def make(distribution: str, folder: str) -> str:
        packages = tmp_path / "packages"
        packages.mkdir()
        way = Path(folder).parts
        left_out = {way[0], distribution.replace("-", "_")}
        for entry in SITE.iterdir():
            if entry.name.split("-")[0] not in left_out and not entry.name.endswith(".pth"):
                (packages / entry.name).symlink_to(entry)
        for depth in range(1, len(way)):
            above = Path(*way[:depth])
            (packages / above).mkdir()
            for entry in (SITE / above).iterdir():
                if entry.name != way[depth]:
                    (packages / above / entry.name).symlink_to(entry)
        environment = tmp_path / "environment"
        venv.create(environment, with_pip=False)
        site = environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (site / "links.pth").write_text(f"{packages}\n{ROOT / 'src'}\n", encoding="utf-8")
        return str(environment / "bin/python")

    return make
