"""What a node's tags say about its spans: name, scope and attributes. Worked out once a node of a graph."""

from __future__ import annotations

import functools
from collections import deque
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from codeanatomy_distro.obs.attributes import attribute_value
from codeanatomy_distro.obs.constants import AttributeName, SpanName
from codeanatomy_distro.obs.scopes import scope_for_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import CellType

__all__ = ["GraphInfo", "NodeInfo", "describe_graph", "describe_node", "twin_node"]

_PREFIX: Final = "hamilton."
_SPAN_NAMES: Final = {"task": SpanName.HAMILTON_TASK, "stage": SpanName.HAMILTON_STAGE}
_TASK_ID: Final = "task_id"
_WIDEST_FAMILY: Final = 64  # nodes looked at to find those that function modifiers made of one function
_DEEPEST_WRAPPING: Final = 8  # wrappers around a function, two for a modifier


class NodeInfo:
    """One node, as its spans tell it.

    `task_kind` is None unless the node's duration is a task's; `stage` is the name of the stage that it is, or that a
    modifier made it of; `timed` tells whether its duration is one of the two that are recorded. `dependencies` are the
    names of the nodes that it takes its arguments from.
    """

    __slots__ = (
        "attributes",
        "dependencies",
        "has_task_id",
        "name",
        "node",
        "scope",
        "span_name",
        "stage",
        "task_kind",
        "timed",
    )

    node: Any
    name: str
    dependencies: tuple[str, ...]
    span_name: str
    scope: str
    task_kind: str | None
    stage: str | None
    timed: bool
    has_task_id: bool
    attributes: dict[str, Any]

    def __init__(self, node: Any) -> None:  # noqa: ANN401
        own: Mapping[str, Any] = node.tags
        family = () if "kind" in own and "layer" in own else tuple(_family(node))
        tags = _with_tags_of_siblings(own, family)
        kind = tags.get("kind")
        self.node = node
        self.name = node.name
        self.dependencies = tuple(dependency.name for dependency in node.dependencies)
        named = _SPAN_NAMES.get(kind) if isinstance(kind, str) else None
        self.span_name = named or SpanName.HAMILTON_NODE
        layer = tags.get("layer")
        self.scope = scope_for_layer(layer if isinstance(layer, str) else None)
        self.timed = named is not None and _is_the_task(node, family)
        self.task_kind = str(tags.get("task_kind", "task")) if kind == "task" and self.timed else None
        self.stage = None
        if kind == "stage":
            self.stage = self.name if "kind" in own else getattr(_function(node), "__name__", self.name)
        self.has_task_id = _TASK_ID in tags
        self.attributes = {
            AttributeName.NODE_NAME: self.name,
            AttributeName.TASK_ID: str(tags.get(_TASK_ID, self.name)),
        }
        for tag, value in tags.items():
            if (kept := attribute_value(value)) is not None:
                self.attributes[tag if tag.startswith(_PREFIX) else _PREFIX + tag] = kept

    def facts(self) -> tuple[Any, ...]:
        """Return what `from_facts` makes the same information of, as plain values that load anywhere."""
        return tuple(getattr(self, name) for name in self.__slots__ if name != "node")

    @classmethod
    def from_facts(cls, facts: tuple[Any, ...]) -> NodeInfo:
        """Return the information that `facts` tell, in a process that need not have the node."""
        info = cls.__new__(cls)
        info.node = None
        for name, fact in zip((name for name in cls.__slots__ if name != "node"), facts, strict=True):
            setattr(info, name, fact)
        return info


def _function(node: Any) -> Any:  # noqa: ANN401
    functions = node.originating_functions
    return functions[0] if functions else None


def _family(node: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the nodes around `node` that were made of the same function, the nearest first; not itself."""
    return _kin(node, lambda member: (*member.depended_on_by, *member.dependencies))


def _kin(node: Any, neighbours: Callable[[Any], Iterable[Any]]) -> Iterator[Any]:  # noqa: ANN401
    function = _function(node)
    if function is None:
        return
    seen = {id(node)}
    queue = deque([node])
    while queue and len(seen) < _WIDEST_FAMILY:
        for neighbour in neighbours(queue.popleft()):
            # An input bears the functions that take it, which makes strangers of theirs no family.
            if id(neighbour) not in seen and not neighbour.user_defined and _function(neighbour) is function:
                seen.add(id(neighbour))
                queue.append(neighbour)
                yield neighbour


def _with_tags_of_siblings(own: Mapping[str, Any], family: tuple[Any, ...]) -> dict[str, Any]:
    for sibling in family:
        if "kind" in sibling.tags or "layer" in sibling.tags:
            # Hamilton's own tags tell what a modifier did to that one node; a user's tags tell what the function is.
            lent = {tag: value for tag, value in sibling.tags.items() if not tag.startswith(_PREFIX)}
            return {**lent, **own}
    return dict(own)


def _is_the_task(node: Any, family: tuple[Any, ...]) -> bool:  # noqa: ANN401
    """Whether `node` is the one whose duration is the task's, among the nodes made of the task's function.

    That is the node which runs the function; a family in which no node does so tells each tagged node's.
    """
    if _reaches_its_function(node):
        # Those after it hold the node that they take their value from, and the function with it. A partial is made of
        # the function itself, also where one takes the other's value.
        runs_it = node.callable is _function(node) or isinstance(node.callable, functools.partial)
        return runs_it or not any(map(_reaches_its_function, _kin(node, lambda member: member.dependencies)))
    return "kind" in node.tags and not any(map(_reaches_its_function, family or _family(node)))


def _reaches_its_function(node: Any) -> bool:  # noqa: ANN401
    return _holds(node.callable, _function(node), node.__class__, _DEEPEST_WRAPPING)


def _holds(body: Any, function: Any, node_type: type, depth: int) -> bool:  # noqa: ANN401
    """Whether `body` is `function`, or a wrapper around it as Hamilton's modifiers make them."""
    if body is function:
        return True
    held: Iterable[Any] = ()
    if depth and isinstance(body, functools.partial):
        held = (body.func, *body.args, *body.keywords.values())
    elif depth and isinstance(body, FunctionType):
        held = (*(body.__defaults__ or ()), *map(_content, body.__closure__ or ()))
    elif depth and isinstance(body, node_type):
        held = (body.callable,)
    return any(_holds(item, function, node_type, depth - 1) for item in held)


def _content(cell: CellType) -> Any:  # noqa: ANN401
    try:
        return cell.cell_contents
    except ValueError:  # empty: the name was given nothing yet
        return None


class GraphInfo:
    """One graph, as its runs tell it: what is kept of its nodes, by the identity of each, and where they come from."""

    __slots__ = ("__weakref__", "modules", "node_count", "nodes")

    def __init__(self, graph: Any) -> None:  # noqa: ANN401
        self.nodes: dict[int, NodeInfo] = {}
        self.node_count = len(graph.nodes)
        self.modules = tuple(
            sorted({str(module) for node in graph.nodes.values() if (module := node.tags.get("module"))})
        )


_described: WeakKeyDictionary[Any, GraphInfo] = WeakKeyDictionary()


def describe_graph(graph: Any) -> GraphInfo:  # noqa: ANN401
    """Return what is known about `graph`; it is kept as long as the graph lives."""
    info = _described.get(graph)
    if info is None or info.node_count != len(graph.nodes):
        info = _described[graph] = GraphInfo(graph)
    return info


def describe_node(kept: dict[int, NodeInfo], node: Any) -> NodeInfo:  # noqa: ANN401
    """Return `node` as its spans tell it, and keep that in `kept`."""
    info = kept.get(id(node))
    if info is None or info.node is not node:
        info = kept[id(node)] = NodeInfo(node)
    return info


def twin_node(node: Any, body: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Return a node like `node` with another body; everything else of it is the same objects."""
    kind: Callable[[Any], Any] = object.__new__
    twin = kind(node.__class__)
    twin.__dict__.update(node.__dict__)
    twin._callable = body  # noqa: SLF001 - a node can be given another body in no other way
    return twin
