"""Cycles of a graph."""

from __future__ import annotations

from codeanatomy.graph import build_adjacency, find_cycles
from hypothesis import given
from hypothesis import strategies as st

Edges = list[tuple[int, int]]


def reachable(edges: Edges, start: int) -> set[int]:
    """The nodes that a walk of one step or more leads to."""
    found: set[int] = set()
    pending = [start]
    while pending:
        node = pending.pop()
        for source, target in edges:
            if source == node and target not in found:
                found.add(target)
                pending.append(target)
    return found


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25))
def test_cycles_are_the_nodes_that_reach_each_other(edges: Edges) -> None:
    """Two nodes share a component exactly when each leads to the other, by the plain definition."""
    reach = {node: reachable(edges, node) for edge in edges for node in edge}
    expected = {
        tuple(sorted(other for other in reach if other in reach[node] and node in reach[other]))
        for node in reach
        if node in reach[node]
    }
    found = find_cycles(build_adjacency(edges))
    assert {tuple(component) for component in found} == expected
    assert len(found) == len(expected)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25), st.randoms())
def test_the_order_of_the_edges_changes_nothing(edges: Edges, random: object) -> None:
    """The same graph gives the same list, however its edges were read."""
    shuffled = list(edges)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert find_cycles(build_adjacency(shuffled)) == find_cycles(build_adjacency(edges))


def test_a_cycle_longer_than_the_stack_is_found() -> None:
    """A ring of 100,000 nodes is one component: nothing here recurses."""
    size = 100_000
    (component,) = find_cycles(build_adjacency((node, (node + 1) % size) for node in range(size)))
    assert component == list(range(size))


def test_the_largest_cycle_comes_first() -> None:
    """Components are listed by size, then by their smallest node."""
    edges = [(9, 9), (1, 2), (2, 1), (5, 6), (6, 7), (7, 5), (3, 4), (4, 3), (7, 9)]
    assert find_cycles(build_adjacency(edges)) == [[5, 6, 7], [1, 2], [3, 4], [9]]
