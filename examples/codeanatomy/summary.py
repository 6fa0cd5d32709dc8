"""The summary that is printed: the same text for the same tree, whatever ran it and however long it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeanatomy.sources import printable

if TYPE_CHECKING:
    from codeanatomy.session import Record

MOST_USED_NAMES = 5
CYCLE_NAMES = 5
PROBLEM_LINES = 20


@dataclass(frozen=True)
class Findings:
    """The figures, as the queries gave them."""

    counts: Record
    resolution: Record
    nodes: list[Record]
    degrees: list[Record]
    most_used: list[Record]
    cycles: list[Record]
    largest: list[Record]
    unparsable: list[Record]
    unlisted: tuple[tuple[str, str], ...]


def format_summary(root: str, output: str, findings: Findings) -> str:
    """The lines of the summary, joined."""
    lines = [f"CodeAnatomy of {printable(root)}", ""]
    lines += _facts(findings)
    lines += _graph(findings)
    lines += _cycles(findings)
    lines += _problems(findings)
    lines += ["", f"Tables and graph written to {printable(output)}"]
    return "\n".join(lines)


def _facts(findings: Findings) -> list[str]:
    counts, resolved = findings.counts, findings.resolution
    return [
        f"Files        {counts['parsed']:,} parsed, {counts['failed']:,} not parsed, {counts['lines']:,} lines",
        f"Definitions  {counts['definitions']:,}",
        f"Calls        {counts['calls']:,}, {resolved['calls_inside']:,} led to a definition in the tree",
        (
            f"Imports      {counts['imports']:,}: {resolved['imports_inside']:,} of modules in the tree, "
            f"{resolved['imports_outside']:,} of others, {resolved['imports_beyond']:,} out of their package"
        ),
    ]


def _graph(findings: Findings) -> list[str]:
    total = sum(row["nodes"] for row in findings.nodes)
    kinds = ", ".join(f"{row['nodes']:,} {row['kind']}" for row in findings.nodes)
    lines = ["", f"Nodes        {total:,}" + (f": {kinds}" if kinds else "")]
    lines.append(f"Edges        {sum(row['edges'] for row in findings.degrees):,}")
    lines += [
        f"  {row['kind']:<9}  {row['edges']:,}: {row['mean_degree']:.2f} a node on average, "
        f"at most {row['max_in']:,} into one and {row['max_out']:,} out of one"
        for row in findings.degrees
    ]
    for title, kind in (("Most imported", "import"), ("Most called", "call")):
        used = [row for row in findings.most_used if row["kind"] == kind]
        if used:
            lines += ["", title, *(f"  {row['in_degree']:>6,}  {printable(row['name'])}" for row in used)]
    return lines


def _cycles(findings: Findings) -> list[str]:
    lines = [""]
    by_kind = {row["kind"]: row for row in findings.cycles}
    for title, kind in (("Import cycles", "import"), ("Call cycles", "call")):
        row = by_kind.get(kind)
        if row is None:
            lines.append(f"{title:<13}  none")
            continue
        names = [printable(member["name"]) for member in findings.largest if member["kind"] == kind]
        more = f" and {len(names) - CYCLE_NAMES:,} more" if len(names) > CYCLE_NAMES else ""
        lines.append(f"{title:<13}  {row['cycles']:,} with {row['nodes']:,} nodes; the largest has {row['largest']:,}:")
        lines.append(f"  {', '.join(names[:CYCLE_NAMES])}{more}")
    return lines


def _problems(findings: Findings) -> list[str]:
    problems = [f"  {printable(path)}: directory not listed: {reason}" for path, reason in findings.unlisted]
    problems += [f"  {row['path']}: {row['status']}: {row['error']}" for row in findings.unparsable]
    if not problems:
        return []
    left = len(problems) - PROBLEM_LINES
    more = [f"  and {left:,} more (table files, column status)"] if left > 0 else []
    return ["", "Not parsed", *problems[:PROBLEM_LINES], *more]
