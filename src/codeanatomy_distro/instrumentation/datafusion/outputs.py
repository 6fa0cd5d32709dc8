"""Named outputs: the size of what a query wrote to a table, or made as a table or a view, as the engine tells it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import context

from codeanatomy_distro.instrumentation.datafusion.measurements import record_dataset

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options
    from codeanatomy_distro.instrumentation.datafusion.query import Query

__all__ = ["record_frame", "record_inserted", "record_made"]

_logger: Final = logging.getLogger(__name__)

_COUNT: Final = "count"


def record_inserted(options: Options, query: Query, frame: Raw, result: Raw) -> None:
    """Record rows and columns of an INSERT that was run: the rows are its result, if that is data and no text."""
    if query.target is not None:
        record_dataset(options, query.target, rows=_counted(result), columns=_inserted_columns(frame))


def record_frame(options: Options, name: str, frame: Raw) -> None:
    """Record the columns of `frame`, one of ``datafusion._internal`` or a wrapper, which was written as `name`."""
    record_dataset(options, name, columns=len(frame.schema()))


def record_made(options: Options, owner: Raw, name: str, reference: str) -> None:
    """Record the columns of the table or view `name` that a statement made in the session `owner`.

    Its result tells nothing, so that the session is asked for `reference`, the name as SQL writes it, unless a catalog
    of the user's own would have to answer. What another thread has dropped by now is left out.
    """
    if options.has_own_catalogs:
        return
    token = context.attach(context.set_value("suppress_instrumentation", True))  # noqa: FBT003 - the value is all it takes
    try:
        columns = len(owner.table(reference).schema())
    except Exception as gone:  # noqa: BLE001 - the engine's, of a class that differs from release to release
        _logger.debug("The engine knows no %s: %s", name, gone)
    else:
        record_dataset(options, name, columns=columns)
    finally:
        context.detach(token)


def _counted(result: Raw) -> int | None:
    if isinstance(result, list):
        counts = [_counted(part) for part in cast("list[Any]", result)]
        return sum(count for count in counts if count is not None) if counts and None not in counts else None
    try:
        column = result[_COUNT]
    except (TypeError, KeyError):
        return None
    for name in ("to_pylist", "to_list", "tolist"):  # of pyarrow, polars and pandas
        if hasattr(column, name):
            column = getattr(column, name)()
            break
    return sum(cast("list[int]", column)) if isinstance(column, list) else int(column)


def _inserted_columns(frame: Raw) -> int | None:
    """Return the number of columns of the table: the engine projects what is inserted to all of them."""
    inputs = frame.logical_plan().inputs()
    projections = getattr(inputs[0].to_variant(), "projections", None) if inputs else None
    return None if projections is None else len(projections())
