"""The engine's own figures: of that very run, equal to what EXPLAIN tells, and the result is as without us."""

from __future__ import annotations

import datetime as dt
import random
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import INVALID_SPAN

from codeanatomy_distro.instrumentation.datafusion.figures import read_figures
from codeanatomy_distro.instrumentation.datafusion.operators import record_operators
from codeanatomy_distro.instrumentation.datafusion.options import read_options
from codeanatomy_distro.instrumentation.datafusion.query import Query

if TYPE_CHECKING:
    from collections.abc import Callable

datafusion: Any = pytest.importorskip("datafusion")
pa: Any = pytest.importorskip("pyarrow")
pq: Any = pytest.importorskip("pyarrow.parquet")
SessionConfig: Any = datafusion.SessionConfig
SessionContext: Any = datafusion.SessionContext

QUERIES = Path(__file__).with_name("queries.sql").read_text(encoding="utf-8").split(";\n")
pytestmark = pytest.mark.skipif(
    not hasattr(datafusion._internal.ExecutionPlan, "metrics"), reason="this release tells no figures"
)
_OPTIONS = repr(SessionContext().ctx)
# What makes the rows of each operator the same in each run, whichever partition comes first.
_STEADY = {
    "execution.batch_size": "256",
    "optimizer.repartition_file_min_size": "1",
    "optimizer.enable_dynamic_filter_pushdown": "false",
    "execution.enable_file_stream_work_stealing": "false",
}
FIGURE = "datafusion.metrics."


def _tables() -> dict[str, Any]:
    chance = random.Random(20)
    day = dt.date(1992, 1, 1)

    def days(count: int) -> list[dt.date]:
        return [day + dt.timedelta(days=chance.randrange(2400)) for _ in range(count)]

    def pick(count: int, *choices: object) -> list[object]:
        return [chance.choice(choices) for _ in range(count)]

    def ids(count: int, most: int) -> list[int]:
        return [chance.randrange(most) for _ in range(count)]

    def money(count: int) -> list[int]:  # whole numbers: sums of others depend on the order of their addition
        return [chance.randrange(1, 1000) for _ in range(count)]

    orders, items, parts, suppliers, customers, offers = 1200, 5000, 200, 20, 150, 800
    shipped = days(items)
    return {
        "regions": pa.table({"region_id": [0, 1, 2], "name": ["ASIA", "EUROPE", "AFRICA"]}),
        "nations": pa.table(
            {
                "nation_id": list(range(9)), "name": [f"NATION {n}" for n in range(9)],
                "region_id": [n % 3 for n in range(9)],
            }
        ),
        "customers": pa.table(
            {
                "customer_id": list(range(customers)), "name": [f"Customer {n}" for n in range(customers)],
                "nation_id": ids(customers, 9), "segment": pick(customers, "BUILDING", "MACHINERY"),
                "balance": money(customers), "phone": [f"{10 + n % 5}-555" for n in range(customers)],
            }
        ),
        "suppliers": pa.table(
            {
                "supplier_id": list(range(suppliers)), "name": [f"Supplier {n}" for n in range(suppliers)],
                "nation_id": ids(suppliers, 9), "note": pick(suppliers, "fine", "Customer Complaints"),
            }
        ),
        "parts": pa.table(
            {
                "part_id": list(range(parts)), "name": pick(parts, "green box", "red box", "dark green lid"),
                "brand": pick(parts, "Brand#1", "Brand#2", "Brand#3"), "size": pick(parts, 1, 5, 9, 15, 30),
                "kind": pick(parts, "PROMO TIN", "STANDARD TIN"),
            }
        ),
        "offers": pa.table(
            {
                "part_id": [n % parts for n in range(offers)],
                "supplier_id": [n * 7 % suppliers for n in range(offers)],
                "cost": money(offers), "available": ids(offers, 900),
            }
        ),
        "orders": pa.table(
            {
                "order_id": list(range(orders)), "customer_id": ids(orders, customers - 20), "placed": days(orders),
                "priority": pick(orders, "1-URGENT", "2-HIGH", "5-LOW"),
            }
        ),
        "items": pa.table(
            {
                "order_id": ids(items, orders), "part_id": ids(items, parts), "supplier_id": ids(items, suppliers),
                "quantity": [chance.randrange(1, 50) for _ in range(items)], "price": money(items),
                "discount": ids(items, 11), "flag": pick(items, "R", "A", "N"),
                "state": pick(items, "O", "F"), "mode": pick(items, "MAIL", "SHIP", "AIR"), "shipped": shipped,
                "committed": days(items), "received": days(items),
            }
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tables, each as several Parquet files of several row groups."""
    folder = tmp_path_factory.mktemp("warehouse")
    for name, table in _tables().items():
        (folder / name).mkdir()
        size = max(table.num_rows // 3, 1)
        for number, start in enumerate(range(0, table.num_rows, size)):
            pq.write_table(table.slice(start, size), folder / name / f"{number}.parquet", row_group_size=500)
    return folder


@pytest.fixture
def open_warehouse(warehouse: Path) -> Any:
    """Give what makes a context over the tables."""

    def make(partitions: int = 3) -> Any:
        config = SessionConfig().with_target_partitions(partitions)
        for name, value in _STEADY.items():
            if name in _OPTIONS:
                config = config.set(f"datafusion.{name}", value)
        context = SessionContext(config)
        for folder in sorted(warehouse.iterdir()):
            context.register_parquet(folder.name, str(folder))
        return context

    return make


def _explained(context: Any, query: str, mode: str = "") -> list[tuple[int, str]]:
    rows = context.sql(f"explain {mode} {query}").to_pylist()
    text = next(row["plan"] for row in rows if row["plan_type"] in {"physical_plan", "Plan with Metrics"})
    return [((len(line) - len(line.lstrip())) // 2, line.strip()) for line in text.splitlines()]


def _tree(telemetry: Any) -> list[tuple[int, Any]]:
    """Return the operators' spans in the order of the plan, each with its depth."""
    below: dict[int, list[Any]] = {}
    for span in telemetry.spans():
        if span.parent is not None:
            below.setdefault(span.parent.span_id, []).append(span)
    executed = telemetry.span("datafusion.execute")
    found: list[tuple[int, Any]] = []

    def walk(span: Any, depth: int) -> None:
        found.append((depth, span))
        # Spans end in the order in which they are made, inputs after their operator, the first input first.
        for child in below.get(span.context.span_id, []):
            walk(child, depth + 1)

    for root in below.get(executed.context.span_id, []):
        walk(root, 0)
    return found


def _count(text: str) -> float | None:
    found = re.search(r"output_rows=([\d.]+) ?([KMB]?)", text)
    if found is None:
        return None
    return float(found[1]) * {"": 1, "K": 1e3, "M": 1e6, "B": 1e9}[found[2]]


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_a_query_is_as_without_us_and_its_operators_as_the_engine_tells(
    number: int, open_warehouse: Any, instrument: Any, telemetry: Any
) -> None:
    """Results are identical, the tree of spans is EXPLAIN's, and rows are EXPLAIN ANALYZE's, for each of 22 queries."""
    query = QUERIES[number]
    context = open_warehouse()
    bare: dict[str, Any] = context.sql(query).to_pydict()
    planned = _explained(context, query)
    analysed = _explained(context, query, "analyze")
    instrument("full")
    telemetry.reset()
    assert context.sql(query).to_pydict() == bare
    tree = _tree(telemetry)
    names = [(depth, text.split(":", 1)[0]) for depth, text in planned]
    assert [(depth, span.name) for depth, span in tree] == names
    assert [(depth, text.split(":", 1)[0].split(",", 1)[0]) for depth, text in analysed] == names
    # What each partition lets through to a limit depends on which came first: what lies above a TopK differs by run.
    steady = max((at for at, (_, text) in enumerate(analysed) if "TopK" in text), default=-1) + 1
    for (_, span), (_, text) in list(zip(tree, analysed, strict=True))[steady:]:
        wanted = _count(text)
        if wanted is not None:
            told = span.attributes[f"{FIGURE}output_rows"]
            assert told == wanted if wanted < 1000 else abs(told - wanted) <= wanted / 100
    executed = telemetry.span("datafusion.execute")
    assert executed.attributes["datafusion.operators"] == len(tree)
    assert executed.attributes[f"{FIGURE}output_rows"] == len(next(iter(bare.values()), ()))


def test_operators_lie_within_their_query(open_warehouse: Any, instrument: Any, telemetry: Any) -> None:
    """Each operator's span begins and ends within its parent's, and the outermost within the query's."""
    context = open_warehouse()
    instrument("full")
    telemetry.reset()
    context.sql(QUERIES[4]).collect()
    spans = {span.context.span_id: span for span in telemetry.spans()}
    inner = [span for span in spans.values() if span.name.endswith("Exec")]
    assert inner
    for span in inner:
        parent = spans[span.parent.span_id]
        assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time


def test_a_scan_tells_files_row_groups_and_bytes(open_warehouse: Any, instrument: Any, telemetry: Any) -> None:
    """The query's span and the gauges tell the files and row groups of its scans, by the dataset's name."""
    context = open_warehouse()
    instrument()
    telemetry.reset()
    context.sql("select count(quantity) from items where order_id >= 0 and shipped > date '1990-01-01'").collect()
    told = telemetry.span("datafusion.execute").attributes
    assert told["datafusion.scan.files"] == 4
    assert told["datafusion.scan.row_groups.total"] == told["datafusion.scan.row_groups.matched"] == 13
    assert told[f"{FIGURE}bytes_scanned"] > 0
    points = telemetry.metrics()  # once: an older SDK tells a gauge once a measurement
    for name, value in (("codeanatomy.scan.fragments", 4), ("codeanatomy.scan.row_groups", 13)):
        (point,) = [point for point in points if point.name == name]
        assert point.data.value == value
        assert point.attributes["dataset"] == "items"


def test_several_scans_are_told_apart(open_warehouse: Any, instrument: Any, telemetry: Any) -> None:
    """In a join each scan's gauges carry the name under which its own files were registered."""
    instrument()
    context = open_warehouse()
    telemetry.reset()
    context.sql(
        "select count(*) from orders o join items i on i.order_id = o.order_id where o.placed > date '1992-02-01'"
    ).collect()
    names = {point.attributes["dataset"] for point in telemetry.metrics("codeanatomy.scan.fragments")}
    assert names == {"orders", "items"}


def test_scans_behind_a_view_are_told_apart(open_warehouse: Any, instrument: Any, telemetry: Any) -> None:
    """The scans that a view has made of one name carry the names under which their own files were registered."""
    instrument()
    context = open_warehouse()
    context.sql("create view sold as select * from orders o join items i using (order_id)")
    telemetry.reset()
    context.sql("select count(*) from sold where placed > date '1992-02-01'").collect()
    names = {point.attributes["dataset"] for point in telemetry.metrics("codeanatomy.scan.fragments")}
    assert names == {"orders", "items"}


def test_off_tells_no_figures(open_warehouse: Any, instrument: Any, telemetry: Any) -> None:
    """At level off a query's span has none of the engine's figures."""
    context = open_warehouse()
    instrument("off")
    telemetry.reset()
    context.sql(QUERIES[0]).collect()
    assert not [key for key in telemetry.span("datafusion.execute").attributes if key.startswith(FIGURE)]


def test_threads_that_share_a_frame_tell_their_own_figures(instrument: Any, telemetry: Any) -> None:
    """Threads that collect one DataFrame at once each tell the figures of their own run.

    Each run draws other random numbers, so that a run's rows are known by its own result alone.
    """
    context = SessionContext(SessionConfig().with_target_partitions(2))
    context.register_record_batches("many", [[pa.record_batch({"n": list(range(4000))})] for _ in range(2)])
    instrument()
    frame = context.sql("select n from many where random() < 0.5")
    telemetry.reset()
    seen: dict[int, list[int]] = {}

    def run() -> None:
        seen[threading.get_ident()] = [sum(batch.num_rows for batch in frame.collect()) for _ in range(20)]

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [span.attributes[f"{FIGURE}output_rows"] for span in telemetry.spans("datafusion.execute")]
    assert sorted(told) == sorted(rows for mine in seen.values() for rows in mine)


def test_a_second_run_tells_its_own_figures(instrument: Any, telemetry: Any) -> None:
    """Figures are of the run that the span is of: not summed over runs, and not of a run before one that failed."""
    context = SessionContext()
    context.register_record_batches("few", [[pa.record_batch({"n": [1, 2, 3]})]])
    instrument()
    frame = context.sql("select n from few where n > 1")
    telemetry.reset()
    for _ in range(2):
        frame.collect()
    assert [span.attributes[f"{FIGURE}output_rows"] for span in telemetry.spans("datafusion.execute")] == [2, 2]


def test_reading_figures_executes_nothing(case: Any, telemetry: Any) -> None:
    """The engine's figures cost no execution: the oracle counts the batches of one run."""
    case.frame.collect()
    once = case.tally.calls
    case.frame.collect()
    assert case.tally.calls == 2 * once


def test_reading_grows_in_proportion_to_partitions_and_files(tmp_path: Path) -> None:
    """Reading the figures of four times the files in the same partitions, or of four times both, is no more than
    four or sixteen times the work, counted in calls.
    """
    options, query = read_options(), Query("sql", "SELECT", ("many",))

    def calls(files: int, partitions: int) -> list[int]:
        folder = tmp_path / f"{files}-{partitions}"
        folder.mkdir()
        for number in range(files):
            pq.write_table(pa.table({"n": list(range(10)), "k": [number] * 10}), folder / f"{number}.parquet")
        context = SessionContext(SessionConfig().with_target_partitions(partitions))
        context.register_parquet("many", str(folder))
        frame = context.sql("select k, sum(n) from many where n > 1 group by k")
        frame.collect()
        plan = frame.df.execution_plan()
        return [
            _calls(lambda: read_figures(query, plan)),
            _calls(lambda: record_operators(options, query, INVALID_SPAN, plan)),
        ]

    few = calls(4, 2)
    for work, most in ((calls(16, 2), 4), (calls(16, 8), 16)):
        assert all(more <= most * less for more, less in zip(work, few, strict=True))


def _calls(function: Callable[[], object]) -> int:
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        del frame, argument
        nonlocal counted
        counted += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return counted


def test_literals_are_masked_in_the_operators_text(instrument: Any, telemetry: Any) -> None:
    """No literal of a query stands in any attribute of any span, though plans write them bare."""
    context = SessionContext()
    context.register_record_batches("people", [[pa.record_batch({"name": ["Jane Doe", "x"], "age": [42, 7]})]])
    instrument("full")
    telemetry.reset()
    context.sql(
        "select upper(name) || 'sesame street' as who, count(*) from people "
        "where name <> 'rumpelstiltskin, (the dwarf)' and age > 6543 - 6540 and name not like '%gold%' "
        "group by name order by who"
    ).collect()
    texts = " ".join(str(value) for span in telemetry.spans() for value in span.attributes.values())
    for secret in ("sesame", "street", "rumpel", "dwarf", "6543", "gold"):
        assert secret not in texts
    nodes = [span.attributes["datafusion.node"] for span in telemetry.spans() if "datafusion.node" in span.attributes]
    assert any("name@0" in node for node in nodes)
