"""From the text of a file to its rows."""

from __future__ import annotations

import textwrap

import pytest
from codeanatomy.parsing import (
    PARSED,
    SYNTAX_ERROR,
    TOO_COMPLEX,
    ParsedFile,
    absolute_module,
    parse_source,
    silence_warnings_of_sources,
)
from codeanatomy.sources import SourceFile
from codeanatomy.tables import TABLES
from hypothesis import given
from hypothesis import strategies as st

MODULE = SourceFile(0, "pkg/mod.py", "pkg.mod", is_package=False)
PACKAGE = SourceFile(0, "pkg/__init__.py", "pkg", is_package=True)


def parse(text: str | bytes, file: SourceFile = MODULE) -> ParsedFile:
    """Parse a text as the program does."""
    silence_warnings_of_sources()
    return parse_source(text if isinstance(text, bytes) else textwrap.dedent(text).encode("utf-8"), file)


def column(parsed: ParsedFile, table: str, name: str) -> list[object]:
    """One column of the rows of a table."""
    rows = {"definitions": parsed.definitions, "calls": parsed.calls, "imports": parsed.imports}[table]
    return [row[list(TABLES[table]).index(name)] for row in rows]


def test_definitions_are_qualified_as_python_does() -> None:
    """Classes, methods and nested functions get Python's own qualified names, and a class inside a method its path."""
    parsed = parse("""
        class A:
            async def m(self, x, /, *y, z=1, **k):
                class B:
                    def n(self): ...
        @decorated
        def f():
            def g(): ...
    """)
    assert dict(zip(column(parsed, "definitions", "qualname"), column(parsed, "definitions", "kind"), strict=True)) == {
        "A": "class",
        "f": "function",
        "A.m": "method",
        "f.<locals>.g": "function",
        "A.m.<locals>.B": "class",
        "A.m.<locals>.B.n": "method",
    }
    by_name = dict(zip(column(parsed, "definitions", "name"), column(parsed, "definitions", "arguments"), strict=True))
    assert by_name["m"] == 5
    assert sum(int(str(count)) for count in column(parsed, "definitions", "decorators")) == 1


def test_calls_know_their_caller_and_their_class() -> None:
    """A call belongs to the innermost body around it; a decorator and a default belong to the scope outside."""
    parsed = parse("""
        class A:
            def m(self, x=default()):
                self.n(other(1))
        @decorator()
        def f(): ...
        a.b.c()
        a()()
    """)
    ids = dict(zip(column(parsed, "definitions", "qualname"), column(parsed, "definitions", "node_id"), strict=True))
    rows = [
        (name, caller, owner)
        for name, caller, owner in zip(
            column(parsed, "calls", "name"),
            column(parsed, "calls", "caller_id"),
            column(parsed, "calls", "class_id"),
            strict=True,
        )
    ]
    assert sorted(rows, key=str) == sorted(
        [
            ("decorator", 0, None),
            ("a.b.c", 0, None),
            (None, 0, None),
            ("a", 0, None),
            ("default", ids["A"], ids["A"]),
            ("self.n", ids["A.m"], ids["A"]),
            ("other", ids["A.m"], ids["A"]),
        ],
        key=str,
    )


def test_imports_that_wait_are_marked() -> None:
    """An import in a function or under TYPE_CHECKING does not run when the module is imported."""
    parsed = parse("""
        import typing, a.b as c
        from .near import x as y
        from far import *
        if typing.TYPE_CHECKING:
            import for_types
        else:
            import at_once
        def f():
            import later
    """)
    assert set(parsed.imports) == {
        (0, 2, "typing", None, "typing", False),
        (0, 2, "a.b", None, "c", False),
        (0, 3, "pkg.near", "x", "y", False),
        (0, 4, "far", "*", None, False),
        (0, 6, "for_types", None, "for_types", True),
        (0, 8, "at_once", None, "at_once", False),
        (0, 10, "later", None, "later", True),
    }


@pytest.mark.parametrize(
    ("module", "level", "importer", "expected"),
    [
        ("os.path", 0, MODULE, "os.path"),
        ("", 1, MODULE, "pkg"),
        ("x", 1, MODULE, "pkg.x"),
        ("x", 1, PACKAGE, "pkg.x"),
        ("", 1, PACKAGE, "pkg"),
        ("x", 2, MODULE, ""),
        ("", 2, PACKAGE, ""),
        ("x", 99, MODULE, ""),
    ],
)
def test_relative_imports_become_absolute(module: str, level: int, importer: SourceFile, expected: str) -> None:
    """Each dot climbs one package, from the module or from the package itself, and too many give no name."""
    assert absolute_module(module, level, importer) == expected


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (b"def f(:\n", SYNTAX_ERROR),
        (b"\xff\xfe", SYNTAX_ERROR),
        (b"a\0b", SYNTAX_ERROR),
        (b"# coding: nonsense\n", SYNTAX_ERROR),
        (b"# coding: undefined\nx", SYNTAX_ERROR),
        (b"# coding: zlib\nx", SYNTAX_ERROR),
        (b"x = " + b"9" * 10_000, SYNTAX_ERROR),
        (b"-" * 200_000 + b"1", TOO_COMPLEX),
        (b"x = " + b"+".join([b"1"] * 200_000), TOO_COMPLEX),
        (b"x = a" + b".b" * 200_000, TOO_COMPLEX),
        (b"", PARSED),
        (b"\xef\xbb\xbfx = 1\r\n", PARSED),
        (b"# coding: latin-1\n# \xe9\n", PARSED),
        (b'x = "\\d"\nassert (1, "")\n', PARSED),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[:20]),
)
def test_what_is_not_python_is_told_and_not_raised(source: bytes, status: str) -> None:
    """Bad syntax, bad bytes, bad codecs and bottomless nesting give a status and a reason; warnings give nothing."""
    parsed = parse(source)
    if source.endswith(b"9" * 10_000) and parsed.status == PARSED:
        pytest.skip("this Python reads numbers of any length")
    assert parsed.status == status
    assert (parsed.error is None) == (status == PARSED)


@given(st.one_of(st.text(), st.binary()))
def test_any_text_gives_a_status(source: str | bytes) -> None:
    """Whatever a file holds, parsing it gives a status, and rows as wide as their tables."""
    content = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
    parsed = parse(content)
    assert (parsed.status == PARSED) == (parsed.error is None)
    for table, rows in (("definitions", parsed.definitions), ("calls", parsed.calls), ("imports", parsed.imports)):
        assert all(len(row) == len(TABLES[table]) for row in rows)


_NAMES = st.sampled_from(["a", "b", "f", "self"])
_CALLS = st.recursive(
    _NAMES,
    lambda inner: st.one_of(
        st.builds("{}({})".format, inner, inner),
        st.builds("{}.{}".format, inner, _NAMES),
        st.builds("[{} for a in {}]".format, inner, inner),
        st.builds("(lambda a={}: {})".format, inner, inner),
        st.builds("f'{{{}}}'".format, _NAMES),
    ),
    max_leaves=12,
)


@given(st.lists(_CALLS, min_size=1, max_size=5))
def test_every_call_is_found_once(expressions: list[str]) -> None:
    """As many rows of calls as there are calls in the text, wherever they stand."""
    text = "\n".join(expressions)
    parsed = parse(text)
    assert parsed.status == PARSED
    assert len(parsed.calls) == text.count("(") - text.count("(lambda")
    assert len(set(column(parsed, "calls", "call_id"))) == len(parsed.calls)
