"""A graph that every executor can run: each body sleeps, logs, opens a span of its own, and one queries DataFusion."""

# pyright: reportUntypedFunctionDecorator=false
# (Hamilton's decorators have no types.)

import logging
import time

from datafusion import SessionContext
from hamilton.function_modifiers import tag
from opentelemetry import trace

SLEEP = 0.05

logger = logging.getLogger("shared_dag")


def work(name: str) -> None:
    """Do what a body does: take time, and tell of it."""
    with trace.get_tracer("shared_dag").start_as_current_span(f"body of {name}"):
        time.sleep(SLEEP)
        logger.warning("in %s", name)


@tag(layer="inputs", kind="stage")
def source(number: int) -> int:
    """The number itself."""
    work("source")
    return number


@tag(layer="execution", kind="task", task_id="task.left")
def left(source: int) -> int:
    """Twice the number."""
    work("left")
    return source * 2


@tag(layer="execution", kind="task")
def right(source: int) -> int:
    """Three times the number, by a query."""
    work("right")
    rows = SessionContext().sql(f"select {source} * 3 as tripled").to_pylist()
    return int(rows[0]["tripled"])


@tag(layer="outputs")
def total(left: int, right: int) -> int:
    """The sum of both."""
    work("total")
    return left + right
