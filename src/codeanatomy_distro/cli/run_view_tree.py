"""The tree of one trace as lines: guides, names, what tells spans apart, durations and, with room, when they ran."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from codeanatomy_distro.cli.run_view_rows import SpanGroup, walk
from codeanatomy_distro.cli.run_view_words import count_of, duration, error_began_in, error_of, one_line, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeanatomy_distro.cli.run_view import SpanNode, Trace
    from codeanatomy_distro.cli.run_view_rows import Row

__all__ = ["TreePrinter"]

_DURATION_WIDTH = 13
_BAR_WIDTH = 22
_BAR_FROM_WIDTH = 110
"""Narrower terminals have no room for the bars."""
_ERROR_LINES = 4


class TreePrinter:
    """Makes the lines of the traces of one view."""

    def __init__(self, width: int, *, show_all: bool) -> None:
        self._width = width
        self._show_all = show_all
        self._bar_width = _BAR_WIDTH if width >= _BAR_FROM_WIDTH else 0
        self._left_width = width - _DURATION_WIDTH - (self._bar_width and self._bar_width + 2)

    def lines(self, trace: Trace) -> Iterator[Text]:
        """Yield the lines of the trace, none longer than the width."""
        lasts: list[bool] = []
        for row in walk(trace.roots, show_all=self._show_all):
            del lasts[row.depth :]
            lasts.append(row.last)
            if isinstance(row.item, SpanGroup):
                yield Text.assemble((self._guides(lasts), "dim"), self._group(row.item))
            else:
                yield self._span(row, row.item, lasts, trace)
                yield from self._error(row.item, lasts)

    def _span(self, row: Row, node: SpanNode, lasts: list[bool], trace: Trace) -> Text:
        span = node.span
        failed = span.status == "error"
        words = Text()
        if failed:
            words.append("✗ ", "bold red")
        words.append(one_line(span.name), "bold red" if failed else "bold" if row.depth == 0 else "cyan")
        facts = telling(span)
        if facts:
            words.append(f"  {facts[0]}")
        for fact in facts[1:]:
            words.append(f"  {fact}", "dim")
        if node.orphan:
            words.append("  (its parent was not received)", "yellow")
        line = self._left(lasts, words)
        line.append(f"{duration(span.duration_ns):>{_DURATION_WIDTH}}", "bold red" if failed else "")
        if self._bar_width:
            line.append("  ").append(self._bar(span.start_ns, span.end_ns, trace), "red" if failed else "green")
        return line

    def _error(self, node: SpanNode, lasts: list[bool]) -> Iterator[Text]:
        """Yield the error under the span that it began in: spans around it failed with the same one."""
        message = error_of(node.span)
        if message is None or not error_began_in(node):
            return
        guides = self._guides([*lasts, True])[:-3] + ("│  " if node.children else "   ")
        lines = wrap(message, max(self._width - len(guides) - 2, 20), max_lines=_ERROR_LINES, placeholder=" …")
        for place, line in enumerate(lines):
            yield Text.assemble((guides, "dim"), (f"{' ' if place else '✗'} {line}", "red"))

    def _group(self, group: SpanGroup) -> Text:
        facts = [f"… {group.title}"]
        if group.span_count > len(group.nodes):
            facts.append(f"with {count_of(group.span_count, 'span')} in all")
        facts.append(f"{duration(group.total_ns)} together, the longest {duration(group.longest_ns)}")
        text = Text(", ".join(facts), "dim italic")
        if group.error_count:
            text.append(f", {group.error_count:,} failed", "bold red")
        return text

    def _left(self, lasts: list[bool], words: Text) -> Text:
        line = Text.assemble((self._guides(lasts), "dim"), words)
        line.truncate(self._left_width, overflow="ellipsis", pad=True)
        return line

    def _guides(self, lasts: list[bool]) -> str:
        """Return what stands before a line at this place: nothing for a root, at most half of the line."""
        if len(lasts) == 1:
            return ""
        levels = self._left_width // 6
        trunks = ["   " if last else "│  " for last in lasts[1:-1]]
        if len(trunks) >= levels:
            trunks = ["…  ", *trunks[len(trunks) - levels + 1 :]]
        return "".join(trunks) + ("└─ " if lasts[-1] else "├─ ")

    def _bar(self, start_ns: int, end_ns: int, trace: Trace) -> str:
        """Return when the span ran within its trace; at least one character."""
        whole = max(trace.end_ns - trace.start_ns, 1)
        first = min(int((start_ns - trace.start_ns) * self._bar_width / whole), self._bar_width - 1)
        length = max(round((end_ns - start_ns) * self._bar_width / whole), 1)
        return " " * first + "━" * min(length, self._bar_width - first)
