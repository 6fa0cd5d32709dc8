"""One query as telemetry describes it: its attributes are made once, and used by each span of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.util.types import AttributeValue

from codeanatomy_distro.instrumentation.datafusion.sql import Statement, read_statement
from codeanatomy_distro.instrumentation.datafusion.sql_tokens import MOST_CHARACTERS
from codeanatomy_distro.obs.constants import SpanName

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.plan_text import PlanText

__all__ = ["DB_SYSTEM", "METHOD", "Query", "QueryReader", "format_of", "query_of_plan"]

DB_SYSTEM: Final = "datafusion"
METHOD: Final = "datafusion.method"
_LONGEST_SUMMARY: Final = 255
_LONGEST_KEPT: Final = 4096
_MOST_KEPT: Final = 512

_SETTING: Final = frozenset({"SET", "RESET", "USE"})
_FORMATS: Final = {
    "parquet": "parquet", "csv": "csv", "tsv": "csv", "json": "json", "ndjson": "json", "arrow": "arrow",
    "avro": "avro",
}  # fmt: skip

Attributes = dict[str, AttributeValue]


def format_of(stored_as: str | None, location: str | None) -> str:
    """Return the bounded word for a file format: the one that was given, else the one of the location's ending."""
    if stored_as is not None:
        return _FORMATS.get(stored_as.lower(), "file")
    name = (location or "").rpartition("/")[2].lower()
    for ending in reversed(name.split(".")[1:]):
        if ending in _FORMATS:
            return _FORMATS[ending]
    return "file"


class Query:
    """What is known of a query before it runs.

    `plan_kind` tells how its plan came to be: ``sql``, ``dataframe``, ``logical_plan``, ``substrait`` or
    ``physical_plan``. `destination` is set for what writes: ``parquet``, ``csv``, ``json``, ``table`` and the like;
    `location` is its path, `target` the table that is written or made, and `reference` that as SQL writes it.
    `datasets` are the tables it reads, and `namespace` that of the session. `is_setting` tells a statement that may
    change the session itself, `is_prepared` one that runs another. Attribute names are those of the stable database
    conventions; ours begin with ``datafusion.``.
    """

    __slots__ = (
        "attributes",
        "by_method",
        "datasets",
        "destination",
        "inserts",
        "is_prepared",
        "is_setting",
        "location",
        "makes_table",
        "makes_view",
        "plan_kind",
        "reference",
        "registers",
        "span_name",
        "target",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - a record
        self,
        plan_kind: str,
        operation: str | None,
        datasets: tuple[str, ...] = (),
        *,
        target: str | None = None,
        reference: str | None = None,
        text: str | None = None,
        destination: str | None = None,
        location: str | None = None,
        makes_table: bool = False,
        makes_view: bool = False,
        registers: tuple[str, str] | None = None,
        namespace: str | None = None,
    ) -> None:
        self.registers = registers
        self.inserts = operation == "INSERT" and destination == "table"
        self.is_setting = operation in _SETTING
        self.is_prepared = operation == "EXECUTE"
        self.span_name = SpanName.DATAFUSION_EXECUTE if destination is None else SpanName.DATAFUSION_WRITE
        self.plan_kind = plan_kind
        self.datasets = datasets
        self.target = target
        self.reference = reference
        self.destination = destination
        self.location = location
        self.makes_table = makes_table
        self.makes_view = makes_view
        self.by_method: dict[str, Attributes] = {}
        attributes: Attributes = {"db.system.name": DB_SYSTEM, "datafusion.plan_kind": plan_kind}
        if operation is not None:
            attributes["db.operation.name"] = operation
            summary = " ".join((operation, target, "SELECT", *datasets) if target and datasets
                               else (operation, target) if target else (operation, *datasets))  # fmt: skip
            attributes["db.query.summary"] = _shortened(summary)
        named = target or (datasets[0] if len(datasets) == 1 else None)
        if named is not None:
            attributes["db.collection.name"] = named
        if namespace is not None:
            attributes["db.namespace"] = namespace
        if text:
            attributes["db.query.text"] = text
        self.attributes = attributes

    def attributes_of(self, method: str) -> Attributes:
        """Return the attributes of a span of this query that the user's `method` opens; not to be changed."""
        attributes = self.by_method.get(method)
        if attributes is None:
            attributes = self.by_method[method] = {**self.attributes, METHOD: method}
            if self.destination is not None:
                attributes["datafusion.write.destination"] = self.destination
                if self.location is not None:
                    attributes["datafusion.write.path"] = self.location
        return attributes


def _shortened(summary: str) -> str:
    if len(summary) <= _LONGEST_SUMMARY:
        return summary
    return summary[: _LONGEST_SUMMARY + 1].rpartition(" ")[0] or summary[:_LONGEST_SUMMARY]


def query_of_plan(plan: PlanText, plan_kind: str, namespace: str | None = None, text: str | None = None) -> Query:
    """Return the query that a logical plan describes, and `text` if it was written as such."""
    return Query(
        plan_kind,
        plan.operation,
        plan.tables,
        target=plan.target,
        reference=plan.reference,
        destination=format_of(plan.stored_as, plan.location) if plan.operation == "COPY" else plan.destination,
        location=plan.location,
        makes_table=plan.makes_table,
        makes_view=plan.makes_view,
        namespace=namespace,
        text=text,
    )


class QueryReader:
    """Makes queries of SQL text, keeping those it met last: programs run the same few texts again and again."""

    def __init__(self, text_level: str) -> None:
        self._text_level = text_level
        self.kept: dict[tuple[str, bool, str | None, bool], Query] = {}

    def read(
        self, text: str, *, parameterised: bool, namespace: str | None = None, double_quotes: bool = False
    ) -> Query:
        """Return the query of `text`; a parameterised text holds no values, and is told as it is written.

        `double_quotes` tells that the session's dialect puts those around strings.
        """
        key = (text, parameterised, namespace, double_quotes)
        query = self.kept.get(key)
        if query is None:
            statement = read_statement(text, double_quotes=double_quotes)
            query = self._make(text, statement, namespace, parameterised=parameterised)
            if len(text) <= _LONGEST_KEPT:
                if len(self.kept) >= _MOST_KEPT:
                    self.kept.clear()
                self.kept[key] = query
        return query

    def _make(self, text: str, statement: Statement, namespace: str | None, *, parameterised: bool) -> Query:
        written = None
        if self._text_level == "full" or (parameterised and self._text_level == "masked"):
            written = text[:MOST_CHARACTERS]
        elif self._text_level == "masked":
            written = statement.masked
        return Query(
            "sql",
            statement.operation,
            statement.tables,
            target=statement.target,
            reference=statement.reference,
            text=written,
            destination=_destination(statement),
            location=statement.location,
            makes_table=statement.makes_table,
            makes_view=statement.makes_view,
            registers=(statement.target, statement.location)
            if statement.operation == "CREATE" and statement.target and statement.location
            else None,
            namespace=namespace,
        )


def _destination(statement: Statement) -> str | None:
    match statement.runs:
        case "COPY":
            return format_of(statement.stored_as, statement.location)
        case "INSERT" | "UPDATE" | "DELETE":
            return "table"
        case _:
            return None
