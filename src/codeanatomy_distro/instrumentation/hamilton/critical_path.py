"""The chain of nodes that determined how long a run took."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from codeanatomy_distro.instrumentation.hamilton.nodes import NodeInfo

__all__ = ["CRITICAL_PATH", "CRITICAL_PATH_SHARE", "critical_path_attributes", "find_critical_path"]

CRITICAL_PATH: Final = "hamilton.critical_path"
"""Names of the nodes of the chain, in the order in which they ran."""

CRITICAL_PATH_SHARE: Final = "hamilton.critical_path.share"
"""The chain's time as a part of the run's, from 0 to 1."""

CRITICAL_PATH_LENGTH: Final = "hamilton.critical_path.length"
"""How many nodes the chain has; the names of very long chains are cut."""

_MOST_NAMES: Final = 128
_ENDED: Final = itemgetter(3)

Timing = tuple["NodeInfo", "str | None", int, int]


def critical_path_attributes(timings: Collection[Timing], run_nanoseconds: int) -> dict[str, Any]:
    """Return the attributes that tell the critical path of a run that took `run_nanoseconds`; none without timings."""
    if not timings:
        return {}
    names, nanoseconds = find_critical_path(timings)
    return {
        CRITICAL_PATH: tuple(names[-_MOST_NAMES:]),
        CRITICAL_PATH_LENGTH: len(names),
        CRITICAL_PATH_SHARE: min(1.0, nanoseconds / max(1, run_nanoseconds)),
    }


def find_critical_path(timings: Iterable[Timing]) -> tuple[list[str], int]:
    """Return the names of the chain of dependent nodes with the longest total time, and that time in nanoseconds.

    A node that ran once in each of several tasks depends on the nodes of its own task first, and a node that collects
    them on the slowest. Nodes are taken by the time of their end, which no node can reach before those it depends on,
    so that one pass suffices.
    """
    of_task: dict[tuple[str | None, str], int] = {}
    of_node: dict[str, int] = {}
    totals: list[int] = []
    before: list[int] = []
    names: list[str] = []
    for info, task_id, began, ended in sorted(timings, key=_ENDED):
        previous, total = -1, 0
        for dependency in info.dependencies:
            found = of_task.get((task_id, dependency), of_node.get(dependency, -1))
            if found >= 0 and totals[found] > total:
                previous, total = found, totals[found]
        index = len(totals)
        totals.append(total + ended - began)
        before.append(previous)
        names.append(info.name)
        of_task[task_id, info.name] = index
        slowest = of_node.get(info.name, -1)
        if slowest < 0 or totals[index] > totals[slowest]:
            of_node[info.name] = index
    at = max(range(len(totals)), key=totals.__getitem__)
    longest = totals[at]
    chain: list[str] = []
    while at >= 0:
        chain.append(names[at])
        at = before[at]
    chain.reverse()
    return chain, longest
