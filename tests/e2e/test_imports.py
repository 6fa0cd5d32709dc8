"""What a start costs: nothing is imported before it is needed."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.e2e

SHOW_MODULES = "import sys; print('\\n'.join(sorted(sys.modules)))"
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
    assert not modules & HEAVY


def test_disabled_start_loads_nothing(run_program: Any) -> None:
    """With OTEL_SDK_DISABLED=true no SDK, no exporter and no instrumentor is imported."""
    ended = run_program("-c", SHOW_MODULES, environ={"OTEL_SDK_DISABLED": "true"})
    modules = set(ended.stdout.split())
    assert not modules & {*HEAVY, "opentelemetry.sdk", "opentelemetry.exporter", "psutil"}
    assert not any(module.startswith("codeanatomy_distro.instrumentation.") for module in modules)
