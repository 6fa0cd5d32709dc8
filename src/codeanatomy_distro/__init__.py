"""CodeAnatomy Distro: OpenTelemetry for Apache Hamilton and Apache DataFusion pipelines, with no line changed.

The public names stand here and are loaded when they are first used: the command line and `opentelemetry-instrument`
import this package without needing any of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from codeanatomy_distro.obs.cache import cache_span, storage_span
    from codeanatomy_distro.obs.diagnostics import DiagnosticsCollector
    from codeanatomy_distro.obs.logs import emit_diagnostics_event
    from codeanatomy_distro.obs.metrics import set_dataset_stats, set_scan_telemetry
    from codeanatomy_distro.obs.run_context import clear_run_id, get_run_id, reset_run_id, run_context, set_run_id
    from codeanatomy_distro.obs.tracing import (
        pipeline_span,
        root_span,
        root_span_link,
        set_root_span_context,
        stage_span,
    )
    from codeanatomy_distro.otel.bootstrap import OtelBootstrapOptions, OtelProviders, configure_otel
    from codeanatomy_distro.otel.config import OtelConfig, resolve_otel_config

__all__ = [
    "DiagnosticsCollector",
    "OtelBootstrapOptions",
    "OtelConfig",
    "OtelProviders",
    "cache_span",
    "clear_run_id",
    "configure_otel",
    "emit_diagnostics_event",
    "get_run_id",
    "pipeline_span",
    "reset_run_id",
    "resolve_otel_config",
    "root_span",
    "root_span_link",
    "run_context",
    "set_dataset_stats",
    "set_root_span_context",
    "set_run_id",
    "set_scan_telemetry",
    "stage_span",
    "storage_span",
]

_NAMES_OF: Final = {
    "obs.cache": ("cache_span", "storage_span"),
    "obs.diagnostics": ("DiagnosticsCollector",),
    "obs.logs": ("emit_diagnostics_event",),
    "obs.metrics": ("set_dataset_stats", "set_scan_telemetry"),
    "obs.run_context": ("clear_run_id", "get_run_id", "reset_run_id", "run_context", "set_run_id"),
    "obs.tracing": ("pipeline_span", "root_span", "root_span_link", "set_root_span_context", "stage_span"),
    "otel.bootstrap": ("OtelBootstrapOptions", "OtelProviders", "configure_otel"),
    "otel.config": ("OtelConfig", "resolve_otel_config"),
}
_HOME: Final = {name: module for module, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whichever public name it is
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
