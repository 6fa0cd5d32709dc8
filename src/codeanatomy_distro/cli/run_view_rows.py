"""A tree of spans as rows from top to bottom, long lists of siblings collapsed so that it stays readable."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeanatomy_distro.cli.run_view import SpanNode
from codeanatomy_distro.cli.run_view_words import count_of, one_line, telling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Row", "SpanGroup", "walk"]

_ALIKE = 5
"""Spans with one name and one telling fact, such as the same node run again, that stay visible when there are more."""
_OF_A_NAME = 25
"""Siblings of one name that stay visible when there are more."""
_NAMES = 20
"""Different names among siblings that stay visible when there are more."""
_SPARED = 3
"""A list is not collapsed to save so few lines."""
_LEVELS = 24
"""Depth below which a collapsed tree is cut."""


@dataclass(frozen=True, eq=False)
class SpanGroup:
    """Spans left out of a list of siblings; ``fact`` tells of all; ``span_count`` counts those inside them too."""

    names: tuple[str, ...]
    fact: str
    nodes: tuple[SpanNode, ...]
    span_count: int
    error_count: int

    @property
    def title(self) -> str:
        """Such as ``190 more hamilton.task parsed_chunk``."""
        name = one_line(self.names[0]) if len(self.names) == 1 else f"spans of {count_of(len(self.names), 'name')}"
        return f"{len(self.nodes):,} more {name} {self.fact}".rstrip()

    @property
    def total_ns(self) -> int:
        """The durations of the siblings, added up."""
        return sum(node.span.duration_ns for node in self.nodes)

    @property
    def longest_ns(self) -> int:
        """The duration of the longest sibling."""
        return max(node.span.duration_ns for node in self.nodes)


@dataclass(frozen=True, eq=False)
class Row:
    """One line of a tree: a span or a group; ``last`` when no sibling follows; ``hidden`` when inside a group."""

    item: SpanNode | SpanGroup
    depth: int
    last: bool
    hidden: bool = False


def walk(roots: Sequence[SpanNode], *, show_all: bool = False, open_groups: bool = False) -> Iterator[Row]:
    """Yield the lines of a tree from the top, long lists of siblings collapsed unless ``show_all``.

    With ``open_groups`` the rows inside a group follow it, marked hidden: for a reader that can open it.
    """
    pending = _rows(roots, 0, show_all=show_all, hidden=False)
    while pending:
        row = pending.pop()
        yield row
        if isinstance(row.item, SpanNode):
            inside = _rows(row.item.children, row.depth + 1, show_all=show_all or row.hidden, hidden=row.hidden)
        elif open_groups:
            inside = _rows(row.item.nodes, row.depth + 1, show_all=True, hidden=True)
        else:
            inside = []
        pending.extend(inside)


def _rows(siblings: Sequence[SpanNode], depth: int, *, show_all: bool, hidden: bool) -> list[Row]:
    """Return the rows of one list of siblings, the last first."""
    items = list(siblings) if show_all else _collapsed(siblings, depth)
    return [Row(item, depth, place == 0, hidden) for place, item in enumerate(reversed(items))]


def _collapsed(siblings: Sequence[SpanNode], depth: int) -> list[SpanNode | SpanGroup]:
    """Return the siblings, the less telling of many alike replaced by one group for each name."""
    if depth >= _LEVELS and siblings:
        return [_group(siblings)]
    of_name: defaultdict[str, list[SpanNode]] = defaultdict(list)
    for node in siblings:
        of_name[node.span.name].append(node)
    kept: set[int] = set()
    for nodes in list(of_name.values())[:_NAMES]:
        alike: defaultdict[str, list[SpanNode]] = defaultdict(list)
        for node in nodes:
            alike["".join(telling(node.span)[:1])].append(node)
        different = [node for same in alike.values() for node in _most_telling(same, _ALIKE)]
        kept.update(map(id, _most_telling(different, _OF_A_NAME)))
    shown = [node for node in siblings if id(node) in kept]
    left_out = [[node for node in nodes if id(node) not in kept] for nodes in of_name.values()]
    groups = [_group(nodes) for nodes in left_out[:_NAMES] if nodes]
    rare = [node for nodes in left_out[_NAMES:] for node in nodes]
    return [*shown, *groups, *([_group(rare)] if rare else [])]


def _most_telling(nodes: list[SpanNode], count: int) -> list[SpanNode]:
    """Return ``count`` of the spans, the failed first and then the longest; all of them when hardly more."""
    if len(nodes) <= count + _SPARED:
        return nodes
    return sorted(nodes, key=lambda node: (node.span.status == "error", node.span.duration_ns), reverse=True)[:count]


def _group(nodes: Sequence[SpanNode]) -> SpanGroup:
    inside = [row.item.span for row in walk(nodes, show_all=True) if isinstance(row.item, SpanNode)]
    names = tuple(dict.fromkeys(node.span.name for node in nodes))
    facts = {"".join(telling(node.span)[:1]) for node in nodes}
    return SpanGroup(
        names,
        facts.pop() if len(facts) == 1 else "",
        tuple(nodes),
        len(inside),
        sum(span.status == "error" for span in inside),
    )
