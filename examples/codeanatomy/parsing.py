"""From the text of one file to the rows it gives in the tables. Pure: reads and writes nothing."""

from __future__ import annotations

import ast
import contextlib
import re
import sys
import warnings
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from codeanatomy.sources import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeanatomy.sources import SourceFile

Row = tuple[object, ...]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

PARSED = "parsed"
SYNTAX_ERROR = "syntax error"
TOO_COMPLEX = "too complex"
TOO_LARGE = "too large"
UNREADABLE = "unreadable"

SOURCE_NAME = "<source under analysis>"
UNCHECKED_BYTES = 100_000

_Recorded = ast.Call | FunctionNode | ast.ClassDef | ast.If | ast.Import | ast.ImportFrom
_RECORDED = (ast.Call, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.Import, ast.ImportFrom)


class _ChildFields(dict[type, tuple[str, ...]]):
    """For a type of syntax node, the fields that can hold other nodes, last first; none for what is no node."""

    LEAVES = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "name", "names", "kind", "type_comment"})

    def __missing__(self, kind: type) -> tuple[str, ...]:
        """Look the type up once."""
        holds_nodes = issubclass(kind, ast.AST) and not issubclass(kind, ast.Constant)
        names = cast("type[ast.AST]", kind)._fields if holds_nodes else ()
        fields = tuple(name for name in reversed(names) if name not in self.LEAVES)
        self[kind] = fields
        return fields


_FIELDS = _ChildFields()


@dataclass
class ParsedFile:
    """What one file gives: a status, and the rows of the tables ``definitions``, ``calls`` and ``imports``."""

    status: str = PARSED
    error: str | None = None
    lines: int = 0
    definitions: list[Row] = field(default_factory=list[Row])
    calls: list[Row] = field(default_factory=list[Row])
    imports: list[Row] = field(default_factory=list[Row])


@dataclass(frozen=True)
class Scope:
    """A body of statements: whose it is, how its names are qualified, and whether importing the module runs it."""

    body: list[ast.stmt]
    owner_id: int
    qualifier: str = ""
    class_id: int | None = None
    in_class: bool = False
    deferred: bool = False


def silence_warnings_of_sources() -> None:
    """Keep the warnings of the parsed files (an invalid escape, ``is`` with a literal) off this process's stderr.

    The filter list belongs to the whole process, so this is called once, before any thread parses.
    """
    warnings.filterwarnings("ignore", module=re.escape(SOURCE_NAME))


def parse_source(source: bytes, file: SourceFile) -> ParsedFile:
    """Parse one file. Text that is not Python gives a status and the reason instead of rows; nothing is raised."""
    lines = source.count(b"\n") + (not source.endswith(b"\n") and bool(source))
    try:
        _check_depth(source)
        tree = ast.parse(source, SOURCE_NAME)
    except (RecursionError, MemoryError) as error:
        return ParsedFile(TOO_COMPLEX, printable(str(error)) or type(error).__name__, lines)
    except SyntaxError as error:
        place = f" (line {error.lineno})" if error.lineno else ""
        return ParsedFile(SYNTAX_ERROR, printable(error.msg) + place, lines)
    except Exception as error:  # noqa: BLE001  the file names its own codec, and a codec may raise anything
        return ParsedFile(SYNTAX_ERROR, printable(f"{type(error).__name__}: {error}"), lines)
    return _Collector(file, lines).collect(tree)


def _check_depth(source: bytes) -> None:
    """Raise RecursionError for a text whose nesting would crash Python 3.10.

    That version turns any syntax tree into objects by recursion without a limit, so 150,000 additions in a row overflow
    the C stack and end the process. Its compiler does check, and goes first; shorter texts cannot nest that deep.
    """
    if sys.version_info < (3, 11) and len(source) > UNCHECKED_BYTES:
        with contextlib.suppress(SyntaxError, ValueError):  # ast.parse says it better, if it minds at all
            compile(source, SOURCE_NAME, "exec", dont_inherit=True)


def dotted_name(expression: ast.expr) -> str | None:
    """``a.b.c`` for a chain of attributes on a name; None for anything else, such as the result of a call."""
    parts: list[str] = []
    while isinstance(expression, ast.Attribute):
        parts.append(expression.attr)
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return None
    parts.append(expression.id)
    return ".".join(reversed(parts))


def absolute_module(module: str, level: int, importer: SourceFile) -> str:
    """The absolute name of an imported module; empty for a relative import that climbs out of its packages."""
    if level == 0:
        return module
    packages = importer.module.split(".")
    climbed = level - 1 if importer.is_package else level
    if climbed >= len(packages):
        return ""
    kept = packages[: len(packages) - climbed]
    return ".".join([*kept, module]) if module else ".".join(kept)


class _Collector:
    """Goes through one syntax tree, scope by scope, without recursion: a tree may be deeper than Python's stack."""

    def __init__(self, file: SourceFile, lines: int) -> None:
        self.file = file
        self.result = ParsedFile(lines=lines)
        self.scopes: deque[Scope] = deque()

    def collect(self, tree: ast.Module) -> ParsedFile:
        """Fill the rows, in the order in which the scopes appear."""
        self.scopes.append(Scope(tree.body, self.file.file_id))
        while self.scopes:
            scope = self.scopes.popleft()
            stack: list[object] = list(reversed(scope.body))
            while stack:
                node = stack.pop()
                if isinstance(node, _RECORDED):
                    stack.extend(reversed(self._record(node, scope)))
                    continue
                for name in _FIELDS[type(node)]:
                    value: object = getattr(node, name)
                    if isinstance(value, list):
                        stack.extend(reversed(cast("list[object]", value)))
                    else:
                        stack.append(value)
        return self.result

    def _record(self, node: _Recorded, scope: Scope) -> Sequence[ast.AST]:
        """Add the node's row, queue the scope it opens, and give the children that still belong to ``scope``."""
        if isinstance(node, ast.Call):
            self._add_call(node, scope)
            return (node.func, *node.args, *node.keywords)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._add_function(node, scope)
            return (*node.decorator_list, node.args, *([node.returns] if node.returns else []))
        if isinstance(node, ast.ClassDef):
            self._add_class(node, scope)
            return (*node.decorator_list, *node.bases, *node.keywords)
        if isinstance(node, ast.If):
            if (dotted_name(node.test) or "").split(".")[-1] != "TYPE_CHECKING":
                return (node.test, *node.body, *node.orelse)
            self.scopes.append(replace(scope, body=node.body, deferred=True))
            return node.orelse
        self._add_import(node, scope)
        return ()

    def _add_definition(self, node: FunctionNode | ast.ClassDef, scope: Scope, kind: str, arguments: int | None) -> int:
        rows = self.result.definitions
        node_id = self.file.file_id + len(rows) + 1
        row = (node_id, self.file.file_id, scope.owner_id, kind, node.name, scope.qualifier + node.name)
        rows.append((*row, node.lineno, node.end_lineno, arguments, len(node.decorator_list)))
        return node_id

    def _add_function(self, node: FunctionNode, scope: Scope) -> None:
        spec = node.args
        arguments = len(spec.posonlyargs) + len(spec.args) + len(spec.kwonlyargs) + bool(spec.vararg) + bool(spec.kwarg)
        node_id = self._add_definition(node, scope, "method" if scope.in_class else "function", arguments)
        qualifier = f"{scope.qualifier}{node.name}.<locals>."
        self.scopes.append(Scope(node.body, node_id, qualifier, scope.class_id, deferred=True))

    def _add_class(self, node: ast.ClassDef, scope: Scope) -> None:
        node_id = self._add_definition(node, scope, "class", None)
        qualifier = f"{scope.qualifier}{node.name}."
        self.scopes.append(Scope(node.body, node_id, qualifier, node_id, in_class=True, deferred=scope.deferred))

    def _add_call(self, node: ast.Call, scope: Scope) -> None:
        rows = self.result.calls
        name = dotted_name(node.func)
        prefix, _, last = (name or "").rpartition(".")
        place = (self.file.file_id + len(rows) + 1, self.file.file_id, scope.owner_id, scope.class_id, node.lineno)
        rows.append((*place, name, prefix or None, last or None))

    def _add_import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        place = (self.file.file_id, node.lineno)
        for alias in node.names:
            if isinstance(node, ast.Import):
                row = (alias.name, None, alias.asname or alias.name)
            else:
                bound = None if alias.name == "*" else alias.asname or alias.name
                row = (absolute_module(node.module or "", node.level, self.file), alias.name, bound)
            self.result.imports.append((*place, *row, scope.deferred))
