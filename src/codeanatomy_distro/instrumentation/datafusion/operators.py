"""One span an operator of an executed plan, with the engine's own times, nested as the plan is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from codeanatomy_distro.instrumentation.datafusion.figures import PRUNING, Figures, Scan, nanoseconds, pruned

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options
    from codeanatomy_distro.instrumentation.datafusion.query import Attributes, Query

__all__ = ["Operator", "record_operators"]

_METRICS: Final = "datafusion.metrics."
_ALWAYS: Final = frozenset({"output_rows", "elapsed_compute"})
_EXPRESSION_TIME: Final = re.compile(r"expr_\d+_eval_time")
_RATIO: Final = re.compile(r"\(([\d.]+) ?([KMBT]?)[iB]*/([\d.]+) ?([KMBT]?)[iB]*\)")
_MULTIPLES: Final = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class Operator:
    """One operator: its text, its figures by name, and when it ran, in nanoseconds of the epoch or None."""

    __slots__ = ("attributes", "children", "ended", "node", "started", "text")

    def __init__(self, node: Raw) -> None:
        self.node = node
        self.text: str = node.display().strip()
        self.attributes: Attributes = {"datafusion.partitions": node.partition_count}
        self.children = [Operator(child) for child in node.children()]
        self.started: int | None = None
        self.ended: int | None = None

    @property
    def name(self) -> str:
        """Return the operator's name, such as ``FilterExec``."""
        return self.text.split(":", 1)[0]

    def read(self, figures: Figures) -> None:
        """Read the operator's metrics, summed over partitions and files, and add them to `figures`."""
        metrics = self.node.metrics()
        if metrics is None:
            if not self.children:
                figures.add_fragments(self.node, self.text)
            return
        sums: dict[str, int] = {}
        textual: list[tuple[str, Any]] = []
        starts: list[datetime] = []
        ends: list[datetime] = []
        for metric in metrics.metrics():
            name, value = metric.name, metric.value
            if value is None:
                textual.append((name, metric))
            elif name == "start_timestamp":
                starts.append(value)
            elif name == "end_timestamp":
                ends.append(value)
            else:
                sums[name] = sums.get(name, 0) + value
        if starts:
            figures.add_start(min(starts))
            self.started = nanoseconds(min(starts))
        if ends:
            self.ended = nanoseconds(max(ends))
        figures.add_sums(sums)
        if "files_opened" in sums:
            scan = Scan(self.node)
            scan.bytes_scanned = sums.get("bytes_scanned")
            scan.add_pruned(metric for name, metric in textual if name == PRUNING)
            scan.files = scan.files if scan.files is not None else sums["files_opened"]
            figures.scans.append(scan)
        self._describe(sums, textual)

    def _describe(self, sums: dict[str, int], textual: list[tuple[str, Any]]) -> None:
        attributes = self.attributes
        expressions = 0
        for name, value in sums.items():
            if name.startswith("expr_") and _EXPRESSION_TIME.fullmatch(name):
                expressions += value  # one for each column would crowd out all else
            elif value or name in _ALWAYS:
                attributes[f"{_METRICS}{name}"] = value
        if expressions:
            attributes[f"{_METRICS}expr_eval_time"] = expressions
        by_name: dict[str, dict[str, int]] = {}
        for name, metric in textual:
            texts = by_name.setdefault(name, {})
            text = repr(metric)
            texts[text] = texts.get(text, 0) + 1
        for name, texts in by_name.items():
            attributes.update(_of_texts(f"{_METRICS}{name}", texts))


def _of_texts(key: str, texts: dict[str, int]) -> Attributes:
    """Return what metrics of one name tell that have no value but a text; `texts` holds how many have each.

    What is rounded or unknown is left out.
    """
    first = next(iter(texts))
    if first.endswith(" matched"):
        total = sum(pruned(text)[0] * count for text, count in texts.items())
        matched = sum(pruned(text)[1] * count for text, count in texts.items())
        return {f"{key}.total": total, f"{key}.matched": matched} if total else {}
    if first.isdigit():
        whole_numbers = all(text.isdigit() for text in texts)
        return {key: sum(int(text) * count for text, count in texts.items())} if whole_numbers else {}
    part = whole = 0.0
    for text, count in texts.items():
        if found := _RATIO.search(text):
            part += float(found[1]) * _MULTIPLES[found[2]] * count
            whole += float(found[3]) * _MULTIPLES[found[4]] * count
    return {key: round(part / whole, 4)} if whole else {}


def record_operators(options: Options, query: Query, span: Span, plan: Raw) -> Figures:
    """Make the spans of `plan`, an executed plan, under `span`; return the sums of its figures."""
    figures = Figures()
    root = Operator(plan)
    operators = _in_order(root)
    for operator in operators:
        operator.read(figures)
    figures.operators = len(operators)
    figures.add_root(plan.metrics(), writes=query.destination is not None)
    _inherit_times(operators)
    partitionings = [_partitioning(operator.node) for operator in operators]
    texts = (*(operator.text for operator in operators), *partitionings)
    masked = options.mask(texts, query.datasets)
    for operator, text, partitioning in zip(operators, masked, masked[len(operators) :], strict=False):
        operator.attributes["datafusion.node"] = text
        if partitioning:
            operator.attributes["datafusion.partitioning"] = partitioning
    _make_spans(options, root, span)
    return figures


def _in_order(root: Operator) -> list[Operator]:
    """Return the operators under `root`, each before its inputs."""
    operators = [root]
    for operator in operators:  # grows as it is walked
        operators.extend(operator.children)
    return operators


def _inherit_times(operators: list[Operator]) -> None:
    """Let each operator span its inputs, which the engine starts first; one without times takes theirs."""
    for operator in reversed(operators):
        starts = [child.started for child in operator.children if child.started is not None]
        ends = [child.ended for child in operator.children if child.ended is not None]
        operator.started = min(starts if operator.started is None else [*starts, operator.started], default=None)
        operator.ended = max(ends if operator.ended is None else [*ends, operator.ended], default=None)
    for operator in operators:
        for child in operator.children:
            child.started = child.started if child.started is not None else operator.started
            child.ended = child.ended if child.ended is not None else operator.ended


def _partitioning(node: Raw) -> str:
    partitioning = getattr(node, "output_partitioning", None)  # since 55
    return "" if partitioning is None else str(partitioning)


def _make_spans(options: Options, root: Operator, span: Span) -> None:
    tracer = options.spans.tracer
    pending: list[tuple[Operator, Context]] = [(root, trace.set_span_in_context(span))]
    while pending:
        operator, parent = pending.pop()
        made = tracer.start_span(
            operator.name, context=parent, attributes=operator.attributes, start_time=operator.started
        )
        if operator.children:
            inside = trace.set_span_in_context(made, parent)
            pending.extend((child, inside) for child in reversed(operator.children))
        made.end(operator.ended)
