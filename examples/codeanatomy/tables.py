"""The tables of facts and the Parquet files they are kept in.

pyarrow ships no types: it is touched only here and in ``session``, behind functions that are typed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self

    from codeanatomy.parsing import Row

ROW_GROUP_ROWS = 50_000
"""Rows held in memory, at most, for one table before they are written as a row group."""

_arrow = cast("Any", pa)
_parquet = cast("Any", pq)
_INT, _TEXT, _FLAG = _arrow.int64(), _arrow.string(), _arrow.bool_()

TABLES: dict[str, dict[str, Any]] = {
    "files": {
        "file_id": _INT,
        "path": _TEXT,
        "module": _TEXT,
        "is_package": _FLAG,
        "status": _TEXT,
        "error": _TEXT,
        "bytes": _INT,
        "lines": _INT,
    },
    "definitions": {
        "node_id": _INT,
        "file_id": _INT,
        "parent_id": _INT,
        "kind": _TEXT,
        "name": _TEXT,
        "qualname": _TEXT,
        "line": _INT,
        "end_line": _INT,
        "arguments": _INT,
        "decorators": _INT,
    },
    "calls": {
        "call_id": _INT,
        "file_id": _INT,
        "caller_id": _INT,
        "class_id": _INT,
        "line": _INT,
        "name": _TEXT,
        "prefix": _TEXT,
        "last": _TEXT,
    },
    "imports": {
        "file_id": _INT,
        "line": _INT,
        "module": _TEXT,
        "name": _TEXT,
        "bound": _TEXT,
        "deferred": _FLAG,
    },
    "cycles": {
        "kind": _TEXT,
        "component": _INT,
        "size": _INT,
        "node_id": _INT,
    },
}
FACT_TABLES = ("files", "definitions", "calls", "imports")
DERIVED_TABLES = ("call_links",)
PRODUCTS = ("nodes", "edges", "degrees", "cycles")


def table_directory(output: str, table: str) -> Path:
    """Where the parts of a table are kept."""
    return Path(output, "tables", table)


def part_path(directory: Path, part: int) -> Path:
    """One file of a table."""
    return directory / f"part-{part:05}.parquet"


def product_path(output: str, product: str) -> Path:
    """The file that one product is written to."""
    return Path(output, "graph", f"{product}.parquet")


def prepare_output(output: str) -> None:
    """Make the directories of a run, and remove what an earlier run left there (our files only).

    Raises OSError when the directories cannot be made or written.
    """
    for table in (*FACT_TABLES, *DERIVED_TABLES):
        directory = table_directory(output, table)
        directory.mkdir(parents=True, exist_ok=True)
        for part in directory.glob("part-*.parquet"):
            part.unlink()
    for product in PRODUCTS:
        path = product_path(output, product)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)


class TableWriter:
    """One Parquet file, written a row group at a time. A context manager: leaving it completes the file."""

    def __init__(self, path: Path, table: str) -> None:
        self._schema: Any = _arrow.schema(list(TABLES[table].items()))
        self._writer: Any = _parquet.ParquetWriter(str(path), self._schema, compression="zstd")
        self._rows: list[Row] = []

    def __enter__(self) -> Self:
        """Use the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what is left, unless the work failed, and close the file."""
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows, each with one value for every column of the table."""
        self._rows.extend(rows)
        if len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        columns: Any = zip(*self._rows, strict=True) if self._rows else ((),) * len(self._schema)
        arrays: list[Any] = [
            _arrow.array(values, column.type) for values, column in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_batch(_arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows.clear()


def write_empty(path: Path, schema: Any) -> None:  # noqa: ANN401  a pyarrow.Schema
    """Write a Parquet file with columns and no rows."""
    _parquet.write_table(schema.empty_table(), str(path))
