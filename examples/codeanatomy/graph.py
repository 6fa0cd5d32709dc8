"""Cycles of a directed graph."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def build_adjacency(edges: Iterable[tuple[int, int]]) -> dict[int, array[int]]:
    """The targets of each source, packed in eight bytes an edge."""
    adjacency: dict[int, array[int]] = {}
    for source, target in edges:
        targets = adjacency.get(source)
        if targets is None:
            targets = adjacency[source] = array("q")
        targets.append(target)
    return adjacency


def find_cycles(adjacency: Mapping[int, array[int]]) -> list[list[int]]:
    """The strongly connected components that hold a cycle: two nodes or more, or one with an edge to itself.

    Largest first, then by smallest node; the nodes of each in rising order. So one graph always gives one answer.
    """
    cycles = [
        sorted(component)
        for component in strong_components(adjacency)
        if len(component) > 1 or component[0] in adjacency.get(component[0], ())
    ]
    return sorted(cycles, key=lambda component: (-len(component), component[0]))


def strong_components(adjacency: Mapping[int, array[int]]) -> Iterator[list[int]]:
    """Tarjan's strongly connected components, with a stack of our own: chains of any length are fine."""
    search = _Search(adjacency)
    for root in sorted(adjacency):
        if root in search.order:
            continue
        search.enter(root)
        while search.path:
            target = search.next_unseen()
            if target is not None:
                search.enter(target)
            else:
                component = search.leave()
                if component:
                    yield component


class _Search:
    """A depth-first search, and for each node the earliest open node that it reaches."""

    def __init__(self, adjacency: Mapping[int, array[int]]) -> None:
        self.adjacency = adjacency
        self.order: dict[int, int] = {}
        self.path: list[tuple[int, Iterator[int]]] = []
        self._lowest: dict[int, int] = {}
        self._open: dict[int, None] = {}  # in the order in which they were entered

    def enter(self, node: int) -> None:
        """Go to a node that was not seen before."""
        self.order[node] = self._lowest[node] = len(self.order)
        self._open[node] = None
        self.path.append((node, iter(self.adjacency.get(node, ()))))

    def next_unseen(self) -> int | None:
        """The next target of the current node that was not seen before; None when it has no more."""
        node, targets = self.path[-1]
        for target in targets:
            if target not in self.order:
                return target
            if target in self._open:
                self._lowest[node] = min(self._lowest[node], self.order[target])
        return None

    def leave(self) -> list[int]:
        """Go back from the current node; gives the component that it closes, or nothing."""
        node, _ = self.path.pop()
        if self.path:
            parent, _ = self.path[-1]
            self._lowest[parent] = min(self._lowest[parent], self._lowest[node])
        component: list[int] = []
        if self._lowest[node] == self.order[node]:
            while node in self._open:
                member, _ = self._open.popitem()
                component.append(member)
        return component
