"""Hamilton drivers under our instrumentor, and their spans as a tree."""

from __future__ import annotations

import itertools
import linecache
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from codeanatomy_distro.instrumentation.hamilton import HamiltonInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

_numbers = itertools.count()

Tree = list[tuple[str, "Tree"]]


class MakeModule(Protocol):
    """The fixture `make_module`."""

    def __call__(self, source: str) -> ModuleType:
        """Return a module made of `source`, which can be imported by its name while the test runs."""
        ...


@pytest.fixture
def instrumented() -> Iterator[HamiltonInstrumentor]:
    """Instrument Hamilton for one test."""
    instrumentor = HamiltonInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    instrumentor.uninstrument()


@pytest.fixture
def make_module() -> Iterator[MakeModule]:
    """Make modules of Hamilton functions from their source."""
    names: list[str] = []

    def make(source: str) -> ModuleType:
        name = f"functions_{next(_numbers)}"
        module = ModuleType(name)
        module.__file__ = f"<{name}>"
        module.__spec__ = ModuleSpec(name, None)
        linecache.cache[module.__file__] = (len(source), None, source.splitlines(keepends=True), module.__file__)
        sys.modules[name] = module
        names.append(name)
        exec(compile(source, module.__file__, "exec"), module.__dict__)
        return module

    yield make
    for name in names:
        del sys.modules[name]


def tree_of(spans: Iterable[ReadableSpan]) -> Tree:
    """Return the spans as a tree of labels (a node's name, else the span's), each level sorted."""
    spans = list(spans)
    known = {span.context.span_id for span in spans if span.context}
    children: dict[int | None, list[ReadableSpan]] = {}
    for span in spans:
        parent = span.parent.span_id if span.parent and span.parent.span_id in known else None
        children.setdefault(parent, []).append(span)

    def below(parent: int | None) -> Tree:
        return sorted(
            (label(span), below(span.context.span_id if span.context else None)) for span in children.get(parent, [])
        )

    return below(None)


def label(span: ReadableSpan) -> str:
    """Return what a test calls a span."""
    node = (span.attributes or {}).get("node_name")
    return span.name if node is None else f"{span.name} {node}"


@pytest.fixture
def span_tree() -> Any:
    """Return spans as a tree."""
    return tree_of


@pytest.fixture
def by_node() -> Any:
    """Return node spans by the name of the node."""

    def find(spans: Iterable[ReadableSpan]) -> dict[str, ReadableSpan]:
        return {str(name): span for span in spans if (name := (span.attributes or {}).get("node_name")) is not None}

    return find


def _load(name: str) -> Any:
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def hamilton_ui_python() -> Path:
    """Give the Python of an environment with the Hamilton UI, its SDK and this project."""
    ui = _load("hamilton_ui")
    try:
        return ui.install()
    except (ui.InstallationError, OSError) as failure:
        if os.environ.get("HAMILTON_UI_REQUIRED") == "1":
            raise
        return pytest.skip(f"the Hamilton UI cannot be installed: {str(failure)[-300:]}")


@pytest.fixture(scope="session")
def hamilton_ui(hamilton_ui_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run the real Hamilton UI server."""
    with _load("hamilton_ui").serve(hamilton_ui_python, tmp_path_factory.mktemp("hamilton-ui")) as ui:
        yield ui
