"""The public API: what the package offers, and that importing it costs next to nothing."""

from __future__ import annotations

# Tests of our own parts look inside them.
# pyright: reportPrivateUsage=false
import inspect
import subprocess
import sys

import pytest

import codeanatomy_distro

SHOW_MODULES = "import sys, codeanatomy_distro; print(*sorted(sys.modules))"
NOT_LOADED = {
    "opentelemetry.sdk", "opentelemetry.exporter", "grpc", "requests", "datafusion", "hamilton", "pandas", "pyarrow",
    "numpy", "polars", "psutil", "yaml", "jsonschema", "rich", "pytest",
}  # fmt: skip


def test_all_is_exact_and_sorted() -> None:
    """The package offers exactly the names that it can load, in order; any other is an AttributeError."""
    offered = codeanatomy_distro.__all__
    assert offered == sorted(set(offered)) == dir(codeanatomy_distro)
    assert set(codeanatomy_distro._HOME) == set(offered)
    for name in offered:
        assert getattr(codeanatomy_distro, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such"):
        codeanatomy_distro.no_such  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_the_specifications_names_are_public() -> None:
    """What the specification names is imported from the package itself, with a docstring."""
    named = {
        "configure_otel", "OtelBootstrapOptions", "OtelProviders", "OtelConfig", "resolve_otel_config", "root_span",
        "pipeline_span", "stage_span", "set_root_span_context", "root_span_link", "set_run_id", "get_run_id",
        "reset_run_id", "clear_run_id", "DiagnosticsCollector", "emit_diagnostics_event", "set_dataset_stats",
        "set_scan_telemetry",
    }  # fmt: skip
    assert named <= set(codeanatomy_distro.__all__)
    assert all(inspect.getdoc(getattr(codeanatomy_distro, name)) for name in codeanatomy_distro.__all__)


def test_the_import_is_light() -> None:
    """Importing the package imports no SDK, no exporter, and none of the libraries that it watches."""
    done = subprocess.run([sys.executable, "-c", SHOW_MODULES], capture_output=True, text=True, timeout=60, check=True)
    shown = done.stdout.split()
    assert "codeanatomy_distro" in shown
    assert not {name for name in shown if any(name == one or name.startswith(f"{one}.") for one in NOT_LOADED)}
