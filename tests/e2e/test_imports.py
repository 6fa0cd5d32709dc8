"""What a start costs: nothing is imported before it is needed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

SHOW_MODULES = "import sys; print('\\n'.join(sorted(sys.modules)))"
# What no start needs, for it serves what the program does not use.
LATER = {
    "multiprocessing", "secrets", "difflib", "opentelemetry.sdk.trace.export.in_memory_span_exporter",
    "opentelemetry.instrumentation.logging", "codeanatomy_distro.otel.redaction",
    "codeanatomy_distro.otel.sampling_rules", "codeanatomy_distro.instrumentation.hamilton.patches",
    "codeanatomy_distro.instrumentation.datafusion.targets",
}  # fmt: skip
if sys.version_info >= (3, 13):  # before, Python's own reading of entry points imports it
    LATER.add("email.message")
# With telemetry off: who is asked, and what tells.
CHECK = {
    "codeanatomy_distro", "codeanatomy_distro.distro", "codeanatomy_distro.configurator",
    "codeanatomy_distro.selection", "codeanatomy_distro.environment", "codeanatomy_distro.version",
    "codeanatomy_distro.frozen_start",
}  # fmt: skip
HEAVY = {"datafusion", "hamilton", "pandas", "pyarrow", "numpy", "grpc", "requests", "yaml", "jsonschema"}


def test_import_of_the_package_is_light(run_program: Any) -> None:
    """`import codeanatomy_distro` imports neither the SDK nor any library that we only watch or export with."""
    ended = run_program("-c", f"import codeanatomy_distro; {SHOW_MODULES}", instrumented=False)
    modules = set(ended.stdout.split())
    assert "codeanatomy_distro" in modules
    assert "opentelemetry.sdk" not in modules
    assert not modules & {*HEAVY, "psutil"}


def test_instrumented_start_is_light(run_program: Any) -> None:
    """A program that uses none of them finds no DataFusion, Hamilton, pandas, gRPC or requests imported for it."""
    ended = run_program("-c", SHOW_MODULES)
    modules = set(ended.stdout.split())
    assert "opentelemetry.sdk.trace" in modules
    assert "codeanatomy_distro.instrumentation.concurrency.hooks" in modules
    assert not modules & {*HEAVY, *LATER}


def test_disabled_start_loads_nothing(run_program: Any) -> None:
    """With OTEL_SDK_DISABLED=true nothing of ours is imported beyond the check, and neither SDK nor exporter."""
    ended = run_program("-c", SHOW_MODULES, environ={"OTEL_SDK_DISABLED": "true"})
    modules = set(ended.stdout.split())
    assert not modules & {*HEAVY, *LATER, "opentelemetry.sdk", "opentelemetry.exporter", "psutil"}
    assert {module for module in modules if module.startswith("codeanatomy_distro")} == CHECK


@pytest.mark.parametrize("off", ["true", "false"])
@pytest.mark.parametrize("disabled", [None, "requests,hamilton"])
def test_the_program_finds_its_environment(run_program: Any, off: str, disabled: str | None) -> None:
    """What spares the command the metadata of our instrumentors is gone again when the program starts."""
    name = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    environ = {"OTEL_SDK_DISABLED": off} | ({} if disabled is None else {name: disabled})
    ended = run_program("-c", f"import os; print(os.environ.get({name!r}))", environ=environ)
    assert ended.stdout.strip() == str(disabled)
