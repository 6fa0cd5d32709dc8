"""What is told when an execution has ended: how long it took, and the engine's own figures of that very run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from codeanatomy_distro.instrumentation.datafusion.datasets import dataset_of_scan
from codeanatomy_distro.instrumentation.datafusion.figures import Figures, read_figures
from codeanatomy_distro.instrumentation.datafusion.measurements import record_dataset, record_scan
from codeanatomy_distro.instrumentation.datafusion.operators import record_operators
from codeanatomy_distro.obs.datafusion_runs import current_run
from codeanatomy_distro.obs.scan_telemetry import ScanTelemetry

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.operation import Operation
    from codeanatomy_distro.instrumentation.datafusion.options import Options
    from codeanatomy_distro.instrumentation.datafusion.query import Query

__all__ = ["tell_figures"]


def _rows_of(result: Raw) -> int | None:
    """Return the number of rows of a result, if that is cheap to tell."""
    shape = getattr(result, "shape", None)  # of pyarrow's, pandas' and polars' tables
    if shape is not None:
        return int(shape[0])
    match result:
        case int():  # a stream has counted them
            return result
        case dict():
            columns = cast("dict[str, list[Any]]", result)
            return len(next(iter(columns.values()), ()))
        case list():
            parts = cast("list[Any]", result)
            return sum(1 if isinstance(part, dict) else _rows_of(part) or 0 for part in parts)
        case _:
            return None


def tell_figures(operation: Operation, query: Query, plan: Raw, result: Raw) -> None:
    """Put the figures of `plan`, which `operation` executed, on its span and into the gauges.

    `result` tells the rows of a plan whose root does not.
    """
    span, options = operation.span, operation.options
    is_full = options.figures == "full"
    figures = record_operators(options, query, span, plan) if is_full else read_figures(query, plan)
    if figures.rows is None:
        figures.rows = _rows_of(result)
    span.set_attributes(figures.attributes(operation.started))
    if figures.scans:
        _record_scans(options, query, figures)
    if query.inserts and query.target is not None and figures.rows_written is not None:
        record_dataset(options, query.target, rows=figures.rows_written)


def _record_scans(options: Options, query: Query, figures: Figures) -> None:
    run = current_run()
    for scan in figures.scans:
        dataset = dataset_of_scan(scan, query.datasets, alone=len(figures.scans) == 1)
        if dataset is None:
            continue
        total, matched = scan.row_groups or (None, None)
        if run is None:
            record_scan(options, dataset, row_groups=matched, fragments=scan.files)
        else:
            run.add_scan(ScanTelemetry(dataset, scan.files, total, matched, scan.bytes_scanned))
