"""A graph of tasks that take next to no time, most of them in blocks, and of a stage that may fail."""

# pyright: reportUntypedFunctionDecorator=false
# (Hamilton's decorators have no types.)

from hamilton.function_modifiers import tag
from hamilton.htypes import Collect, Parallelizable


@tag(kind="task", task_kind="early")
def count(number: int) -> int:
    """How many items there are; it runs before any worker is there."""
    return number


def item(count: int) -> Parallelizable[int]:
    """Each item."""
    yield from range(count)


@tag(kind="stage")
def load(item: int, fail: bool) -> int:  # noqa: FBT001 - Hamilton gives it by its name
    """The item, unless it is to fail."""
    if fail:
        message = "nothing to load"
        raise ValueError(message)
    return item


@tag(kind="task", task_kind="block")
def square(load: int) -> int:
    """Its square."""
    return load * load


def total(square: Collect[int]) -> int:
    """The sum of all."""
    return sum(square)
