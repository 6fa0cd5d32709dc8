"""One span an operator of an executed plan, with the engine's own times, nested as the plan is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from codeanatomy_distro.instrumentation.datafusion.figures import PRUNING, START, Figures, nanoseconds, pruned

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options
    from codeanatomy_distro.instrumentation.datafusion.query import Attributes, Query

__all__ = ["Operator", "record_operators"]

_METRICS: Final = "datafusion.metrics."
_END: Final = "end_timestamp"
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
        sums, moments, textual = _by_kind(metrics)
        if starts := moments.get(START):
            started = min(starts)
            figures.add_start(started)
            self.started = nanoseconds(started)
        if ends := moments.get(_END):
            self.ended = nanoseconds(max(ends))
        figures.add_sums(sums)
        if not self.children and (opened := metrics.sum_by_name("files_opened")) is not None:
            figures.add_scan(self.node, metrics, opened, textual.get(PRUNING, ()))
        self._describe(sums, metrics)
        for name, objects in textual.items():
            self.attributes.update(_of_texts(_METRICS + name, [repr(metric) for metric in objects]))

    def _describe(self, sums: dict[str, int], metrics: Raw) -> None:
        attributes = self.attributes
        # Told also where they are zero. The engine's own sum of times adds a nanosecond for each that is.
        if metrics.output_rows() is not None:
            attributes[f"{_METRICS}output_rows"] = sums.get("output_rows", 0)
        if metrics.elapsed_compute() is not None:
            attributes[f"{_METRICS}elapsed_compute"] = sums.get("elapsed_compute", 0)
        expressions = 0
        for name, value in sums.items():
            if name.startswith("expr_") and _EXPRESSION_TIME.fullmatch(name):
                expressions += value  # one for each column would crowd out all else
            else:
                attributes[_METRICS + name] = value
        if expressions:
            attributes[f"{_METRICS}expr_eval_time"] = expressions


def _by_kind(metrics: Raw) -> tuple[dict[str, int], dict[str, list[datetime]], dict[str, list[Any]]]:
    """Return, by name, the sums of numbers other than zero, the moments, and the metrics that have a text alone.

    A scan has hundreds of metrics, most of which are zero, and each thing that is asked of one is a call of the engine.
    """
    sums: dict[str, int] = {}
    moments: dict[str, list[datetime]] = {}
    textual: dict[str, list[Any]] = {}
    for metric in metrics.metrics():
        value = metric.value
        if value.__class__ is int:
            if value:
                name = metric.name
                sums[name] = sums.get(name, 0) + value
        elif value is None:
            textual.setdefault(metric.name, []).append(metric)
        else:
            moments.setdefault(metric.name, []).append(value)
    return sums, moments, textual


def _of_texts(key: str, texts: list[str]) -> Attributes:
    """Return what metrics of one name tell by their texts; what is rounded or unknown is left out."""
    first = texts[0]
    if first.endswith(" matched"):
        counts = [pruned(text) for text in texts]
        total = sum(count[0] for count in counts)
        return {f"{key}.total": total, f"{key}.matched": sum(count[1] for count in counts)} if total else {}
    if first.isdigit():
        return {key: sum(map(int, texts))} if all(text.isdigit() for text in texts) else {}
    part = whole = 0.0
    for text in texts:
        if found := _RATIO.search(text):
            part += float(found[1]) * _MULTIPLES[found[2]]
            whole += float(found[3]) * _MULTIPLES[found[4]]
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
