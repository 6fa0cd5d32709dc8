"""Canonical names: scopes, spans, metrics and attributes. Names, not rules: each is written once, here."""

from __future__ import annotations

from typing import Final

__all__ = ["AttributeName", "MetricName", "ScopeName", "SpanName"]


class ScopeName:
    """Instrumentation scopes (specification, *Trace Topology*)."""

    ROOT: Final = "codeanatomy"
    PIPELINE: Final = "codeanatomy.pipeline"
    EXTRACT: Final = "codeanatomy.extract"
    NORMALIZE: Final = "codeanatomy.normalize"
    PLANNING: Final = "codeanatomy.planning"
    SCHEDULING: Final = "codeanatomy.scheduling"
    DATAFUSION: Final = "codeanatomy.datafusion"
    EXECUTION: Final = "codeanatomy.execution"
    STORAGE: Final = "codeanatomy.storage"
    CPG: Final = "codeanatomy.cpg"
    OBS: Final = "codeanatomy.obs"
    DIAGNOSTICS: Final = "codeanatomy.diagnostics"
    SEMANTICS: Final = "codeanatomy.semantics"


class SpanName:
    """Span names; each is a constant, so that their number is bounded (specification, *Trace Topology*)."""

    ROOT: Final = "graph_product.build"
    PIPELINE: Final = "pipeline.execute"
    HAMILTON_GRAPH: Final = "hamilton.graph"
    HAMILTON_TASK: Final = "hamilton.task"
    HAMILTON_STAGE: Final = "hamilton.stage"
    HAMILTON_NODE: Final = "hamilton.node"
    DATAFUSION_COMPILE: Final = "datafusion.plan.compile"
    DATAFUSION_EXECUTE: Final = "datafusion.execute"
    DATAFUSION_WRITE: Final = "datafusion.write"
    DATAFUSION_WRITE_VIEW: Final = "datafusion.write_view"
    DATAFUSION_UDF: Final = "datafusion.udf"


class MetricName:
    """Metric names (specification, *Metrics Catalog*)."""

    STAGE_DURATION: Final = "codeanatomy.stage.duration"
    TASK_DURATION: Final = "codeanatomy.task.duration"
    DATAFUSION_EXECUTE_DURATION: Final = "codeanatomy.datafusion.execute.duration"
    DATAFUSION_WRITE_DURATION: Final = "codeanatomy.datafusion.write.duration"
    ARTIFACT_COUNT: Final = "codeanatomy.artifact.count"
    ERROR_COUNT: Final = "codeanatomy.error.count"
    DATASET_ROWS: Final = "codeanatomy.dataset.rows"
    DATASET_COLUMNS: Final = "codeanatomy.dataset.columns"
    SCAN_ROW_GROUPS: Final = "codeanatomy.scan.row_groups"
    SCAN_FRAGMENTS: Final = "codeanatomy.scan.fragments"
    CACHE_OPERATION_COUNT: Final = "codeanatomy.cache.operation.count"
    CACHE_OPERATION_DURATION: Final = "codeanatomy.cache.operation.duration"
    STORAGE_OPERATION_COUNT: Final = "codeanatomy.storage.operation.count"
    STORAGE_OPERATION_DURATION: Final = "codeanatomy.storage.operation.duration"


class AttributeName:
    """Attribute keys of spans, log records and metric points."""

    RUN_ID: Final = "codeanatomy.run_id"
    STAGE: Final = "codeanatomy.stage"
    PRODUCT: Final = "codeanatomy.product"
    EXECUTION_MODE: Final = "codeanatomy.execution_mode"
    OUTPUTS: Final = "codeanatomy.outputs"
    REPO_ROOT: Final = "codeanatomy.repo_root"
    SAMPLING_RULE: Final = "otel.sampling.rule"
    EXIT_CODE: Final = "process.exit.code"

    HAMILTON_RUN_ID: Final = "run_id"
    HAMILTON_EXECUTION_RUN_ID: Final = "hamilton.execution_run_id"
    NODE_NAME: Final = "node_name"
    TASK_ID: Final = "task_id"

    ERROR_TYPE: Final = "error.type"
    EVENT_NAME: Final = "event.name"
    EVENT_KIND: Final = "event.kind"

    METRIC_STAGE: Final = "stage"
    METRIC_STATUS: Final = "status"
    METRIC_TASK_KIND: Final = "task_kind"
    METRIC_PLAN_KIND: Final = "plan_kind"
    METRIC_DESTINATION: Final = "destination"
    METRIC_ARTIFACT_KIND: Final = "artifact_kind"
    METRIC_ERROR_TYPE: Final = "error_type"
    METRIC_DATASET: Final = "dataset"

    CACHE_POLICY: Final = "cache.policy"
    CACHE_SCOPE: Final = "cache.scope"
    CACHE_OPERATION: Final = "cache.operation"
    CACHE_RESULT: Final = "cache.result"
    STORAGE_OPERATION: Final = "storage.operation"
