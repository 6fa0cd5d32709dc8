"""Operators' own text with its literals masked.

A physical plan writes its literals bare (``name@0 = Jane Doe``), so that they can't be told from the rest by looks.
What is kept is therefore what is known: columns, tables, the engine's words and its functions. All else is ``?``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["PlanMask"]

_PIECE: Final = re.compile(
    r"""
      (?P<column>(?<![\w.@+-])(?:[^\W\d]\w*)?@\d+(?![\w.@-]))
    | (?P<fixed>\b(?:fetch|skip|partitions|input_partitions|number_of_fragments|batch_size)=\d+
        |\{\d+\ groups?\}|\b(?:RoundRobinBatch|UnknownPartitioning)\(\d+\)|(?<=\]),\ \d+\),\ input_partitions=\d+)
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z)|'(?:[^']|'')*(?:'|\Z))
    | (?P<function>[^\W\d]\w*(?=\())
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\.?\d[\w.]*)
    """,
    re.VERBOSE,
)
_NAME: Final = re.compile(r"\A\w*")
_PARTITIONING: Final = re.compile(r"(\w+\()(?:(\[.*\])(, ))?(\d+\))", re.DOTALL)
"""How many partitions an operator has, and by what: ``Hash([a@0], 4)``."""
_COLUMN: Final = re.compile(r"(?<![\w.@+-])([^\W\d]\w*)@\d+(?![\w.@-])")
"""A column as the engine refers to it, ``name@1``; not a part of something longer, as an address of mail has it."""
_PROJECTION: Final = re.compile(r"(?:DataSourceExec: (?:(?!predicate=).)*?|DatasetExec: .*)\bprojection=\[([^\]]*)\]")
_PLAIN: Final = re.compile(r"\w+(?:, \w+)*")
"""A scan's list of columns; one that is computed may be a literal, and any before it a part of one."""
_FILE_GROUPS: Final = re.compile(r"file_groups=\{(\d+ groups?): \[\[.*?\]\]\}", re.DOTALL)
_REPEATED: Final = re.compile(r"\?(?:[ ,]+\?)+")
_LONGEST: Final = 2048
_MOST_KEPT: Final = 256

_WORDS: Final = frozenset(
    """
    AND OR NOT IS NULL IN in not LIKE ILIKE BETWEEN CASE WHEN THEN ELSE END CAST TRY_CAST AS as ASC DESC NULLS
    FIRST LAST DISTINCT FROM PARTITION ORDER BY RANGE ROWS GROUPS UNBOUNDED PRECEDING FOLLOWING CURRENT ROW Field
    nullable true false mode gby aggr expr filter on predicate pruning_predicate required_guarantees projection
    file_groups group groups file_type parquet csv json arrow avro partitioning Hash RoundRobinBatch
    UnknownPartitioning input_partitions partitions partition_sizes preserve_partitioning preserve_order
    sort_exprs join_type Inner Left Right Full LeftSemi RightSemi LeftAnti RightAnti LeftMark RightMark Partial
    Final FinalPartitioned Single SinglePartitioned Partitioned CollectLeft Auto ordering_mode Sorted
    PartiallySorted Linear lim limit fetch skip wdw frame TopK DynamicFilter empty output_ordering
    maintains_sort_order sink file_extension fetch_size null_equals_null number_of_fragments filter_expr
    batch_generators start end batch_size dynamic_rg_pruning eligible ParquetSink CsvSink JsonSink MemoryTable
    row_count schema_name has_header target_partitions
    """.split()  # noqa: SIM905 - words are read as a text
)
_TYPES: Final = re.compile(
    r"(?:U?Int(?:8|16|32|64)|Float(?:16|32|64)|(?:Large)?(?:Utf8|Binary|List)(?:View)?|Boolean|Date(?:32|64)"
    r"|Time(?:32|64)\w*|Timestamp\w*|Duration\w*|Interval\w*|Decimal\w*|Dictionary|Struct|Map|Some|None|Null|Utf8View)"
)
_STATISTICS: Final = ("_min", "_max", "_null_count", "_row_count")


class PlanMask:
    """Masks the texts of a plan's operators; the plans met last are kept, for programs run the same ones again."""

    def __init__(self, functions: Iterable[str]) -> None:
        self._functions = {name.lower() for name in functions}
        self._kept: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add_function(self, name: str) -> None:
        """Let the name of one of the user's own functions be kept."""
        self._functions.add(name.lower())

    def mask(self, texts: tuple[str, ...], tables: Iterable[str]) -> tuple[str, ...]:
        """Return each of `texts`, those of one plan, with its literals masked and its longest lists cut."""
        masked = self._kept.get(texts)
        if masked is None:
            masked = self._masked(texts, tables)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[texts] = masked
        return masked

    def _masked(self, texts: tuple[str, ...], tables: Iterable[str]) -> tuple[str, ...]:
        shortened = [_FILE_GROUPS.sub(r"file_groups={\1}", text)[:_LONGEST] for text in texts]
        known: set[str] = set()
        for table in tables:
            known.update(table.split("."))
        for text in shortened:
            known.update(_COLUMN.findall(text))
            if (found := _PROJECTION.match(text)) and _PLAIN.fullmatch(found[1]):
                known.update(found[1].split(", "))
        known = {name for name in known if name}
        replace = self._replacing(known)

        def mask(text: str) -> str:
            if found := _PARTITIONING.fullmatch(text):
                kind, expressions, comma, count = found.groups("")
                return f"{kind}{_PIECE.sub(replace, expressions)}{comma}{count}"
            name = _NAME.findall(text)[0]
            return f"{name}{_REPEATED.sub('?', _PIECE.sub(replace, text[len(name) :]))}"

        return tuple(mask(text) for text in shortened)

    def _replacing(self, known: set[str]) -> Callable[[re.Match[str]], str]:
        functions = self._functions

        def replace(piece: re.Match[str]) -> str:
            text = piece.group()
            match piece.lastgroup:
                case "column" | "fixed":
                    return text
                case "function" if text.lower() in functions or text in _WORDS or _TYPES.fullmatch(text):
                    return text
                case "word" if text in _WORDS or text in known or _is_statistic(text, known) or _TYPES.fullmatch(text):
                    return text
                case _:
                    return "?"

        return replace


def _is_statistic(text: str, known: set[str]) -> bool:
    return any(text.endswith(ending) and text.removesuffix(ending) in known for ending in _STATISTICS)
