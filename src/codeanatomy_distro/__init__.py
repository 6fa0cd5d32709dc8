"""CodeAnatomy Distro: OpenTelemetry for Apache Hamilton and Apache DataFusion pipelines, with no line changed."""

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
