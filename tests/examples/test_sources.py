"""Finding the files of a tree, and naming their modules."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING

import pytest
from codeanatomy.sources import NODE_BITS, SourceFile, list_sources, package_prefix, printable, split_into_chunks
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path


def test_modules_are_named_as_they_are_imported(tree: Path) -> None:
    """A package is named by its directory, a module by its path, and a directory ``src`` leaves no trace."""
    modules = {file.path: (file.module, file.is_package) for file in list_sources(str(tree)).files}
    assert modules["pkg/__init__.py"] == ("pkg", True)
    assert modules["pkg/a.py"] == ("pkg.a", False)
    assert modules["src/lib/x.py"] == ("lib.x", False)
    assert modules["broken.py"] == ("broken", False)


def test_links_to_directories_are_not_entered(tree: Path) -> None:
    """A link back to the root ends the listing nowhere, while linked files are listed as themselves."""
    paths = [file.path for file in list_sources(str(tree)).files]
    assert "itself.py" in paths
    assert not [path for path in paths if path.startswith("loop")]
    assert len(paths) == len(set(paths))


def test_listing_has_one_order(tree: Path) -> None:
    """The files come sorted within each directory, and their ids count up in that order."""
    files = list_sources(str(tree)).files
    assert [file.file_id >> NODE_BITS for file in files] == list(range(len(files)))
    names = [file.path for file in files if "/" not in file.path]
    assert names == sorted(names)


def test_a_root_inside_a_package_keeps_its_prefix(tree: Path) -> None:
    """Analysing a package's own directory names its modules as their importers do."""
    assert package_prefix(str(tree / "pkg")) == ("pkg",)
    assert {file.module for file in list_sources(str(tree / "pkg")).files} >= {"pkg", "pkg.a", "pkg.b"}


def test_a_tree_deeper_than_the_stack_is_listed(tmp_path: Path) -> None:
    """A tree nested deeper than Python's recursion limit is still walked to the end."""
    end = tmp_path.joinpath(*["d"] * 300, "end.py")
    end.parent.mkdir(parents=True)
    end.touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)
    try:
        (file,) = list_sources(str(tmp_path)).files
    finally:
        sys.setrecursionlimit(limit)
    assert tmp_path / file.path == end


def test_a_directory_that_cannot_be_listed_is_reported(tmp_path: Path) -> None:
    """A directory that goes away is told with its reason, and nothing is raised."""
    assert list_sources(str(tmp_path / "gone")).unlisted == ((".", "No such file or directory"),)


@given(st.integers(0, 50), st.integers(1, 20))
def test_chunks_hold_every_file_once(count: int, size: int) -> None:
    """Chunks put together again are the listing, none is too large, and there is always at least one."""
    files = tuple(SourceFile(number, f"{number}.py", str(number), is_package=False) for number in range(count))
    chunks = split_into_chunks(files, size)
    assert tuple(file for chunk in chunks for file in chunk.files) == files
    assert [chunk.part for chunk in chunks] == list(range(max(1, len(chunks))))
    assert all(len(chunk.files) <= size for chunk in chunks)


@given(st.text(st.characters()))
def test_printable_text_is_one_line_of_utf8(text: str) -> None:
    """Any file name, even one that is no text, becomes one line that can be encoded."""
    shown = printable(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize("name", ["plain.py", "with space.py", "café.py"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    """A name that can be printed is not changed."""
    assert printable(name) == name
