"""The shape of the package: who may import whom, who touches the environment, and how long a file gets.

Every import is read from the source, also those for type checkers alone and those inside functions: what is only
imported at times is a dependency all the same.
"""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = "codeanatomy_distro"
SOURCE = ROOT / "src" / PACKAGE

# Each part may import its own and those of lower rank. Two of one rank may not import each other, but for the last.
RANKS = {
    "settings": 0, "setting": 0, "setting_kinds": 0, "setting_formats": 0, "setting_plugins": 0, "profiles": 0,
    "plugins": 0, "version": 0, "environment": 0,
    "environment_variables": 0, "variable_names": 0, "flag_help": 0, "api_environment": 0,
    "obs": 1,
    "instrumentation": 2, "otel": 2,
    "distro": 3, "configurator": 3, "selection": 3, "workers": 3, "frozen_start": 3,
    "cli": 4, "testing": 4,
}  # fmt: skip
ONE_LAYER = {0, 3, 4}

# What we take from OpenTelemetry that its makers keep to themselves, and why there is no other way.
PRIVATE = {
    ("plugins", "opentelemetry.util._importlib_metadata"): "it keeps what it read; reading again is 2 ms a time",
    ("otel.memory", "opentelemetry.sdk.metrics._Gauge"): "the SDK has no public name for its gauge",
    ("otel.declared_parts", "opentelemetry.configuration._logger_provider"): "makes what a file alone can describe",
    ("otel.declared_parts", "opentelemetry.configuration._meter_provider"): "as above",
    ("otel.declared_parts", "opentelemetry.configuration._propagator"): "as above",
    ("otel.declared_parts", "opentelemetry.configuration._resource"): "as above",
    ("otel.declared_parts", "opentelemetry.configuration._tracer_provider"): "as above",
}
# Beta packages bear an underscore and are public all the same.
BETA = re.compile(r"^opentelemetry(\.sdk)?\._logs(\.export)?$|\._log_(exporter|encoder)$")

READS_ENVIRONMENT = {"environment"}
WRITES_ENVIRONMENT = {"distro", "environment_variables", "api_environment", "otel.process", "otel.sdk_environment"}
NAMES_VARIABLES = {"settings", "profiles", "environment", "environment_variables"}
MAY_BE_LONG = {"settings"}
LONGEST = 300


@dataclass(frozen=True)
class Import:
    """One imported module or name; `line` is where it stands."""

    target: str
    line: int
    in_function: bool
    for_types: bool


@dataclass
class Module:
    """One source file, read and parsed."""

    name: str
    path: Path
    text: str
    tree: ast.Module
    imports: list[Import] = field(default_factory=list[Import])

    @property
    def lines(self) -> list[str]:
        """Return its lines, the first with index 0."""
        return self.text.splitlines()

    @property
    def short(self) -> str:
        """Return its name within the package."""
        return self.name.removeprefix(f"{PACKAGE}.") if self.name != PACKAGE else ""

    @property
    def part(self) -> str:
        """Return the part of the package that it belongs to."""
        return self.short.split(".")[0]


def is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def find_imports(node: ast.AST, *, in_function: bool = False, for_types: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = in_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, inside, for_types)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are written in full"
            for alias in child.names:
                yield Import(f"{child.module}.{alias.name}", child.lineno, inside, for_types)
        else:
            typed = for_types or (isinstance(child, ast.If) and is_for_types(child.test))
            yield from find_imports(child, in_function=inside, for_types=typed)


def name_of(path: Path) -> str:
    parts = [PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Module]:
    found: dict[str, Module] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        module = Module(name_of(path), path, text, ast.parse(text))
        module.imports = list(find_imports(module.tree))
        found[module.name] = module
    return found


def module_of(target: str) -> str | None:
    """Return the module of ours that the import of `target` leads to, or None for somebody else's."""
    if target.split(".", maxsplit=1)[0] != PACKAGE:
        return None
    while target not in modules():
        target = target.rpartition(".")[0]
    return target


def own_imports(module: Module) -> Iterator[tuple[Import, Module]]:
    for one in module.imports:
        target = module_of(one.target)
        if target is not None and target != module.name:
            yield one, modules()[target]


def report(faults: list[str]) -> None:
    assert not faults, "\n" + "\n".join(faults)


def test_every_part_has_its_rank() -> None:
    """A new part of the package is placed among the layers before it is used."""
    assert {module.part for module in modules().values() if module.short} == set(RANKS)


def test_imports_go_down_the_layers() -> None:
    """Nothing imports what is above it, and instrumentation and transport don't know each other."""
    faults: list[str] = []
    for module in modules().values():
        for one, target in own_imports(module):
            if not target.short:
                faults.append(f"{module.name}:{one.line} imports the package's own front")
            elif module.short and target.part != module.part:
                here, there = RANKS[module.part], RANKS[target.part]
                if there > here or (there == here and here not in ONE_LAYER):
                    faults.append(f"{module.name}:{one.line} imports {target.name}")
    report(faults)


def test_nothing_imports_the_command_line() -> None:
    """The command line is at the top: only its own files import each other."""
    report([
        f"{module.name}:{one.line} imports {target.name}"
        for module in modules().values()
        for one, target in own_imports(module)
        if target.part == "cli" and module.part != "cli"
    ])  # fmt: skip


def test_the_domain_knows_the_api_alone() -> None:
    """The settings, obs and the front import neither SDK nor exporter nor instrumentation."""
    other = re.compile(r"^opentelemetry\.(sdk|exporter|instrumentation|distro|configuration)\b")
    report([
        f"{module.name}:{one.line} imports {one.target}"
        for module in modules().values()
        for one in module.imports
        if (not module.short or RANKS[module.part] <= RANKS["obs"]) and other.match(one.target)
    ])  # fmt: skip


def is_private(target: str) -> bool:
    owner, _, name = target.rpartition(".")
    if not target.startswith("opentelemetry.") or BETA.search(target):
        return False
    hidden = not BETA.search(owner) and any(part.startswith("_") for part in owner.split("."))
    return hidden or bool(re.match(r"_[^_]", name))


def test_private_names_are_listed() -> None:
    """What OpenTelemetry keeps to itself is used only where the list says why, and the list holds nothing else."""
    used = {
        (module.short, one.target): f"{module.name}:{one.line} imports {one.target}"
        for module in modules().values()
        for one in module.imports
        if is_private(one.target)
    }
    report([where for key, where in used.items() if key not in PRIVATE])
    report([f"{owner} no longer imports {target}" for owner, target in PRIVATE if (owner, target) not in used])


def test_there_is_no_cycle() -> None:
    """No module needs itself by way of others, not even by an import inside a function."""
    graph = {
        name: sorted({target.name for one, target in own_imports(module) if not one.for_types})
        for name, module in modules().items()
    }
    done: set[str] = set()
    cycles: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            cycles.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for target in graph[name]:
                visit(target, [*path, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    report(cycles)


def imports_of_function(function: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Give the imports of a function in the order of its lines, without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports_of_function(child)


def test_imports_inside_functions_say_why() -> None:
    """The first import inside a function has a comment on its line or above it, which holds for all after it."""
    faults: list[str] = []
    for module in modules().values():
        for function in ast.walk(module.tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = next(imports_of_function(function), None)
                if first is not None:
                    around = module.lines[first.lineno - 2 : first.end_lineno]
                    if not any("#" in line for line in around):
                        faults.append(f"{module.name}:{first.lineno} {ast.unparse(first)}")
    report(faults)


def touches_environment(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or node.value.id != "os":
        return False
    return node.attr in {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def test_who_touches_the_environment() -> None:
    """The environment is read in one place, and written where a variable is set for others to read."""
    faults = [
        f"{module.name}:{getattr(node, 'lineno', 0)} uses {ast.unparse(node)}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if touches_environment(node) and module.short not in READS_ENVIRONMENT | WRITES_ENVIRONMENT
    ]
    faults += [
        f"{module.name}:{one.line} imports {one.target}"
        for module in modules().values()
        for one in module.imports
        if one.target in {"os.environ", "os.getenv", "os.putenv"}
    ]
    report(faults)


def test_variables_are_named_in_the_table() -> None:
    """No other file spells the name of a variable of ours: it says which setting it means."""
    name = re.compile(r"(OTEL|CODEANATOMY)_[A-Z0-9_]+")
    report([
        f"{module.name}:{node.lineno} spells {node.value!r}"
        for module in modules().values()
        if module.short not in NAMES_VARIABLES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and name.fullmatch(node.value)
    ])  # fmt: skip


def test_files_are_short() -> None:
    """A file that outgrows 300 lines has a second noun in it."""
    report([
        f"{module.name} has {len(module.lines)} lines"
        for module in modules().values()
        if len(module.lines) > LONGEST and module.short not in MAY_BE_LONG
    ])  # fmt: skip


def test_nobody_prints() -> None:
    """Only the command line prints: stdout is the program's."""
    report([
        f"{module.name}:{node.lineno} prints"
        for module in modules().values()
        if module.part != "cli"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ])  # fmt: skip


def names_at_top(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the functions and classes that a module defines, and every name that it has."""
    defined: set[str] = set()
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            named.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            named.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            named |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.add(node.name)
    return defined, named


def in_order(name: str) -> tuple[int, str]:
    """Return the sort key of a public name: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_all_is_exact_and_sorted() -> None:
    """Each module lists in `__all__`, in order, its public functions and classes, and nothing that it does not have."""
    faults: list[str] = []
    for module in modules().values():
        defined, named = names_at_top(module.tree)
        public = {name for name in defined if not name.startswith("_")}
        listed = next(
            (
                ast.literal_eval(node.value)
                for node in module.tree.body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            ),
            None,
        )
        if listed is None:
            faults += [f"{module.name} has no __all__"] if public else []
            continue
        faults += [f"{module.name} does not list {name}" for name in sorted(public - set(listed))]
        faults += [f"{module.name} lists {name}, which it does not have" for name in listed if name not in named]
        if listed != sorted(set(listed), key=in_order):
            faults.append(f"{module.name} has its __all__ out of order")
    report(faults)


def test_no_file_names_the_machine_it_was_written_on() -> None:
    """No file of the project holds a path of somebody's machine."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: the files of the project are not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    # In pieces, so that this file does not hold them itself.
    places = [b"/".join(parts) for parts in ([b"", b"work", b""], [b"", b"tmp", b"v"], [b"shared", b""])]
    faults: list[str] = []
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if path.is_file():
            content = path.read_bytes()
            faults += [f"{name} names {place.decode()}" for place in places if place in content]
    report(faults)
