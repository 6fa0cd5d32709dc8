"""The engine's logical plan, read from its text: what it does, and which tables it touches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.engine import Raw

__all__ = ["PlanText", "read_plan"]

_SCAN: Final = re.compile(
    r"^ *TableScan: (.+?)(?: projection=\[.*|, (?:(?:full|partial|unsupported)_filters|fetch)=.*)?$", re.MULTILINE
)
_COPY: Final = re.compile(r"CopyTo: format=(\S+) output_url=(.*?) options:", re.DOTALL)
_DML: Final = re.compile(r"Dml: op=\[(.+?)\] table=\[(.*?)\]", re.DOTALL)
_CREATE: Final = re.compile(r"Create(\w+): ([^\n]+)")
_REFERENCE: Final = re.compile(r'(?:catalog|schema|table): "((?:[^"\\]|\\.)*)"')
_VERB_OF_DML: Final = {"Delete": "DELETE", "Update": "UPDATE"}

# Tables that the engine names itself have a new name each time: read_parquet, from_pydict, a DataFrame given to sql().
# A file that is read by its place alone has no name either.
_UNNAMED: Final = re.compile(r"\?table\?|c[0-9a-f]{32}|view_[0-9a-f_]{36}|.*/.*")


@dataclass(frozen=True)
class PlanText:
    """What the plan's text tells; `tables` are those it reads, `target` the one it writes to.

    `reference` is the latter in quotes, as SQL must write it.
    """

    operation: str
    tables: tuple[str, ...]
    target: str | None = None
    destination: str | None = None
    location: str | None = None
    stored_as: str | None = None
    makes_table: bool = False
    makes_view: bool = False
    reference: str | None = None


def read_plan(plan: Raw) -> PlanText:
    """Return what the logical plan of ``datafusion._internal`` tells; asks the engine once and runs nothing."""
    text: str = plan.display_indent()
    tables = tuple(dict.fromkeys(name for name in _SCAN.findall(text) if not _UNNAMED.fullmatch(name)))
    root = text.split("\n", 1)[0]
    if found := _COPY.match(text):
        return PlanText("COPY", tables, location=found[2], stored_as=found[1])
    if found := _DML.match(text):
        target = found[2]
        others = tuple(name for name in tables if name != target)
        return PlanText(_VERB_OF_DML.get(found[1], "INSERT"), others, target=target, destination="table")
    if found := _CREATE.match(root):
        made = found[1]
        # A table or view is written as Rust writes its reference; a schema or a function by its bare name.
        names = [re.sub(r"\\(.)", r"\1", name) for name in _REFERENCE.findall(found[2])]
        return PlanText(
            "CREATE",
            tables,
            target=".".join(names) or found[2].split()[0].strip('"'),
            makes_table=made == "MemoryTable",
            makes_view=made == "View",
            reference=".".join('"{}"'.format(name.replace('"', '""')) for name in names) or None,
        )
    if root.startswith(("Explain", "Analyze")):
        return PlanText("EXPLAIN", tables)
    return PlanText("SELECT", tables)
