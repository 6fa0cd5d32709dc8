"""The few things the pipeline asks of a DataFusion session.

Locations are given as ``file:`` URLs: a plain path with ``*``, ``?`` or ``[`` in it would be read as a pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datafusion import SessionContext

from codeanatomy.tables import FACT_TABLES, table_directory, write_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Record = dict[str, Any]


def open_session(output: str) -> SessionContext:
    """A session that knows the tables of facts under ``output``."""
    session = SessionContext()
    for table in FACT_TABLES:
        register_file(session, table, table_directory(output, table))
    return session


def define(session: SessionContext, statements: Iterable[str]) -> None:
    """Run the ``CREATE VIEW`` and ``CREATE TABLE`` statements, in order."""
    for statement in statements:
        session.sql(statement)


def write_query(session: SessionContext, query: str, path: Path) -> None:
    """Write the rows of a query as one Parquet file."""
    session.sql(query).write_parquet(path.absolute().as_uri())
    _ensure_file(session, query, path)


def copy_query(session: SessionContext, query: str, path: Path) -> None:
    """The same in one statement of SQL."""
    target = path.absolute().as_uri().replace("'", "''")
    session.sql(f"COPY ({query}) TO '{target}' STORED AS PARQUET").collect()
    _ensure_file(session, query, path)


def _ensure_file(session: SessionContext, query: str, path: Path) -> None:
    """Older versions of DataFusion (seen with 43) write no file at all for a query without rows."""
    if not path.exists():
        write_empty(path, session.sql(query).schema())


def register_file(session: SessionContext, name: str, path: Path) -> None:
    """Make a Parquet file, or a directory of them, a table of the session."""
    session.register_parquet(name, path.absolute().as_uri() + ("/" if path.is_dir() else ""))


def _query(session: SessionContext, query: str) -> Any:  # noqa: ANN401  what it gives is Arrow, which has no types
    return session.sql(query)


def fetch(session: SessionContext, query: str) -> list[Record]:
    """The rows of a query that is known to give few."""
    batches: list[Any] = _query(session, query).collect()
    return [row for batch in batches for row in batch.to_pylist()]


def fetch_one(session: SessionContext, query: str) -> Record:
    """The single row of a query."""
    rows: list[Record] = _query(session, query).to_arrow_table().to_pylist()
    return rows[0]


def stream_pairs(session: SessionContext, query: str) -> Iterator[tuple[int, int]]:
    """The rows of a query of two whole numbers, a batch at a time: it may give millions."""
    for batch in _query(session, query).execute_stream():
        columns: list[Any] = batch.to_pyarrow().columns
        yield from zip(columns[0].to_pylist(), columns[1].to_pylist(), strict=True)
