"""The engine's own figures of one run, read from the plan that it executed: nothing is executed again.

DataFusion 54 and later keep the executed plan. Reading costs time in proportion to the plan's operators, partitions
and files, and no more.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.query import Attributes, Query

__all__ = ["START", "Figures", "Scan", "nanoseconds", "pruned", "read_figures"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND: Final = timedelta(microseconds=1)
PRUNING: Final = "row_groups_pruned_statistics"
START: Final = "start_timestamp"
_FRAGMENTS: Final = re.compile(r"number_of_fragments=(\d+)")
_PLAIN_WORDS: Final = 5  # "15 total → 4 matched"; a rounded number has a unit, which is one more
_MULTIPLES: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_PRUNED: Final = re.compile(r"([\d.]+) ?([KMBT]?) total → ([\d.]+) ?([KMBT]?) matched")


def nanoseconds(moment: datetime) -> int:
    """Return a timestamp of the engine's, which has microseconds, in nanoseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


class Scan:
    """What one scan of files read: `files`, and `row_groups` as (total, matched); None where the source tells none."""

    __slots__ = ("bytes_scanned", "files", "node", "row_groups")

    def __init__(self, node: Raw) -> None:
        self.node = node
        self.bytes_scanned: int | None = None
        self.files: int | None = None
        self.row_groups: tuple[int, int] | None = None

    def add_pruned(self, metrics: Iterable[Any]) -> None:
        """Sum the pruning of row groups, which has one metric a file and partition, and count the files."""
        files: set[str | None] = set()
        total = matched = 0
        for metric in metrics:
            files.add(metric.labels().get("filename"))
            of_file = pruned(repr(metric))
            total += of_file[0]
            matched += of_file[1]
        if files:
            self.files = len(files)
            self.row_groups = (total, matched)


class Figures:
    """Sums over the operators of one run; times are in nanoseconds."""

    __slots__ = (
        "bytes_scanned", "elapsed_compute", "operators", "rows", "rows_written", "scans", "spill_count",
        "spilled_bytes", "spilled_rows", "started",
    )  # fmt: skip

    def __init__(self) -> None:
        self.operators = 0
        self.rows: int | None = None
        self.rows_written: int | None = None
        self.elapsed_compute = 0
        self.spill_count = 0
        self.spilled_bytes = 0
        self.spilled_rows = 0
        self.bytes_scanned: int | None = None
        self.started: datetime | None = None
        self.scans: list[Scan] = []

    def add(self, metrics: Raw) -> None:
        """Add the sums that one operator has of its own."""
        self.elapsed_compute += metrics.elapsed_compute() or 0
        count = metrics.spill_count()
        if count:
            self.spill_count += count
            self.spilled_bytes += metrics.spilled_bytes() or 0
            self.spilled_rows += metrics.spilled_rows() or 0

    def add_sums(self, sums: Mapping[str, int]) -> None:
        """Add what `add` does from the sums of an operator's metrics by name, which were read anyway."""
        self.elapsed_compute += sums.get("elapsed_compute", 0)
        self.spill_count += sums.get("spill_count", 0)
        self.spilled_bytes += sums.get("spilled_bytes", 0)
        self.spilled_rows += sums.get("spilled_rows", 0)

    def add_start(self, started: datetime) -> None:
        """Note that an operator started at `started`."""
        if self.started is None or started < self.started:
            self.started = started

    def add_fragments(self, node: Raw, text: str) -> None:
        """Add a source without metrics: a pyarrow dataset tells its files in its text."""
        found = _FRAGMENTS.search(text)
        if found is not None:
            scan = Scan(node)
            scan.files = int(found[1])
            self.scans.append(scan)

    def add_source(self, node: Raw, metrics: Raw) -> None:
        """Add what an operator without inputs tells: when it was started, and what it read if it reads files."""
        opened = metrics.sum_by_name("files_opened")
        started: datetime | None = None
        pruning: list[Any] = []
        for metric in metrics.metrics():  # hundreds, where many files are read: each is asked once
            name = metric.name
            if name == PRUNING:
                pruning.append(metric)
            elif started is None and name == START:
                started = metric.value
        if started is not None:
            self.add_start(started)
        if opened is not None:
            self.add_scan(node, metrics, opened, pruning)

    def add_scan(self, node: Raw, metrics: Raw, opened: int, pruning: Iterable[Any]) -> None:
        """Add a scan of files, which were `opened` as often; `pruning` are its metrics of pruned row groups."""
        scan = Scan(node)
        self.scans.append(scan)
        scanned = scan.bytes_scanned = metrics.sum_by_name("bytes_scanned")
        if scanned is not None:
            self.bytes_scanned = (self.bytes_scanned or 0) + scanned
        scan.add_pruned(pruning)
        if scan.files is None:
            scan.files = opened

    def add_root(self, metrics: Raw, *, writes: bool) -> None:
        """Add what the plan's root tells: the rows of the result, and of what it wrote if it `writes`."""
        if metrics is not None:
            self.rows = metrics.output_rows()
            if writes:
                self.rows_written = metrics.sum_by_name("rows_written")

    def attributes(self, called: int) -> Attributes:
        """Return the figures as attributes of the execute span, which was called for at `called` (ns of the epoch)."""
        told: Attributes = {
            "datafusion.operators": self.operators,
            "datafusion.metrics.elapsed_compute": self.elapsed_compute,
            "datafusion.metrics.spill_count": self.spill_count,
        }
        if self.spill_count:
            told["datafusion.metrics.spilled_bytes"] = self.spilled_bytes
            told["datafusion.metrics.spilled_rows"] = self.spilled_rows
        if self.rows is not None:
            told["datafusion.metrics.output_rows"] = self.rows
            told["db.response.returned_rows"] = self.rows
        if self.bytes_scanned is not None:
            told["datafusion.metrics.bytes_scanned"] = self.bytes_scanned
        if self.rows_written is not None:
            told["datafusion.metrics.rows_written"] = self.rows_written
        files = [scan.files for scan in self.scans if scan.files is not None]
        if files:
            told["datafusion.scan.files"] = sum(files)
        groups = [scan.row_groups for scan in self.scans if scan.row_groups is not None]
        if groups:
            told["datafusion.scan.row_groups.total"] = sum(total for total, _ in groups)
            told["datafusion.scan.row_groups.matched"] = sum(matched for _, matched in groups)
        if self.started is not None:
            told["datafusion.planning_time"] = max(nanoseconds(self.started) - called, 0)
        return told


def read_figures(query: Query, plan: Raw) -> Figures:
    """Return the figures of `plan`, an executed plan of ``datafusion._internal``, which is that of `query`."""
    figures = Figures()
    root = plan.metrics()
    reads = query.datasets or query.plan_kind != "sql"  # SQL reads no pyarrow dataset but by a name
    pending = [plan]
    while pending:
        node = pending.pop()
        figures.operators += 1
        metrics = root if node is plan else node.metrics()
        children = node.children()
        pending.extend(children)
        if metrics is not None:
            figures.add(metrics)
            if not children:
                figures.add_source(node, metrics)
        elif not children and reads:
            figures.add_fragments(node, node.display())
    figures.add_root(root, writes=query.destination is not None)
    if figures.started is None and root is not None:
        for metric in root.metrics():
            if metric.name == START:
                figures.started = metric.value
                break
    return figures


@functools.lru_cache(maxsize=1024)
def pruned(text: str) -> tuple[int, int]:
    """Return total and matched of a pruning metric, which has its value in its text alone ("15 total → 4 matched")."""
    words = text.split(" ")
    if len(words) == _PLAIN_WORDS:
        return int(words[0]), int(words[3])
    found = _PRUNED.match(text)  # a release may add how many matched wholly
    if found is None:
        return 0, 0
    return round(float(found[1]) * _MULTIPLES[found[2]]), round(float(found[3]) * _MULTIPLES[found[4]])
