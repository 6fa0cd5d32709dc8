"""The whole program, run as its users run it."""

from __future__ import annotations

import ast
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from codeanatomy.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "examples"
RunExample = Callable[..., subprocess.CompletedProcess[str]]
LIMIT = ("--max-file-size", "1")


@pytest.fixture(autouse=True)
def _program_logger() -> Iterator[None]:
    """Give the program's logger back the level that it had."""
    logger = logging.getLogger("codeanatomy")
    level = logger.level
    yield
    logger.setLevel(level)


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file or of a directory of parts."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(str(path)).to_pylist()


@pytest.mark.e2e
def test_every_executor_gives_the_same_product(
    run_example: RunExample, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """This thread, a pool of threads and a pool of processes print the same summary and write the same bytes."""

    def written() -> dict[str, bytes]:
        return {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.parquet")}

    options = [str(tree), "-o", str(tmp_path), "--workers", "2", "--chunk-files", "5", *LIMIT]
    assert main(options) == 0
    summary, product = capsys.readouterr().out, written()
    assert main([*options, "--executor", "threads"]) == 0
    assert capsys.readouterr().out == summary
    assert written() == product
    ended = run_example(*options, "--executor", "processes")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == summary
    assert written() == product
    assert {line.partition(":")[0] for line in ended.stderr.splitlines()} == {"WARNING"}, "only the unparsable files"


def test_the_product_is_the_graph_of_the_tree(
    tree: Path,
    failing: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Files that fail are reported and the rest is parsed; edges, degrees and cycles are those of the sources."""
    assert main([str(tree), "-o", str(tmp_path), *LIMIT]) == 0
    summary = capsys.readouterr().out
    assert f"11 parsed, {len(failing)} not parsed" in summary
    status = {row["path"]: row["status"] for row in rows(tmp_path / "tables" / "files")}
    assert sorted(path for path, word in status.items() if word != "parsed") == failing
    assert status["pipe.py"] == "unreadable"
    assert status["large.py"] == "too large"
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == len(failing)

    names = {row["node_id"]: row["name"] for row in rows(tmp_path / "graph" / "nodes.parquet")}
    edges = rows(tmp_path / "graph" / "edges.parquet")
    by_kind = {
        kind: {(names[row["source_id"]], names[row["target_id"]]) for row in edges if row["kind"] == kind}
        for kind in ("import", "call", "contains")
    }
    assert by_kind["import"] == {
        ("pkg.a", "pkg.b"),
        ("pkg.b", "pkg.a"),
        ("pkg.b", "json"),
        ("pkg.late", "pkg.early"),
        ("pkg.early", "pkg.late"),
        ("lib.x", "lib.y"),
        ("lib.y", "lib.x"),
    }
    assert by_kind["call"] == {
        ("pkg.a.A.m", "pkg.a.A.n"),
        ("pkg.a.A.n", "pkg.a.A.m"),
        ("pkg.a.A.n", "pkg.b.g"),
        ("pkg.b.g", "pkg.a.A"),
        ("pkg.b.g", "pkg.a.A.m"),
        ("pkg.late.f", "pkg.late.f"),
    }
    assert ("pkg.a.A", "pkg.a.A.m") in by_kind["contains"]
    cycles = {(row["kind"], names[row["node_id"]]) for row in rows(tmp_path / "graph" / "cycles.parquet")}
    assert cycles == {
        *(("import", name) for name in ("pkg.a", "pkg.b", "lib.x", "lib.y")),
        *(("call", name) for name in ("pkg.a.A.m", "pkg.a.A.n", "pkg.b.g", "pkg.late.f")),
    }, "an import inside a function closes no import cycle"
    degrees = {
        (row["kind"], names[row["node_id"]]): (row["in_degree"], row["out_degree"])
        for row in rows(tmp_path / "graph" / "degrees.parquet")
    }
    assert degrees["import", "pkg.b"] == (1, 2)
    assert degrees["call", "pkg.a.A.m"] == (2, 1)


def test_failures_can_fail_the_run(tree: Path, tmp_path: Path) -> None:
    """With --fail-on-unparsable the exit code is 1 when a file failed, and still 0 when none did."""
    assert main([str(tree), "-o", str(tmp_path), "--fail-on-unparsable", *LIMIT]) == 1
    assert main([str(tree / "pkg"), "-o", str(tmp_path), "--fail-on-unparsable"]) == 0


def test_an_empty_tree_is_a_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory without Python files gives empty tables and products, under an output path of any name."""
    empty = tmp_path / "empty"
    empty.mkdir()
    output = tmp_path / "o'ut *[x]? 100%20#"
    assert main([str(empty), "-o", str(output)]) == 0
    assert "0 parsed, 0 not parsed" in capsys.readouterr().out
    for product in ("nodes", "edges", "degrees", "cycles"):
        assert rows(output / "graph" / f"{product}.parquet") == []


def test_an_earlier_run_leaves_nothing_behind(tree: Path, tmp_path: Path) -> None:
    """A second run into the same directory replaces every part, and touches no file of another."""
    main([str(tree), "-o", str(tmp_path), "--chunk-files", "2", *LIMIT])
    mine = tmp_path / "tables" / "files" / "notes.txt"
    mine.write_text("mine", encoding="utf-8")
    main([str(tree / "pkg"), "-o", str(tmp_path)])
    assert mine.read_text(encoding="utf-8") == "mine"
    mine.unlink()
    assert {row["path"] for row in rows(tmp_path / "tables" / "files")} == {
        "__init__.py",
        "a.py",
        "b.py",
        "early.py",
        "late.py",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["/nowhere"],
        [__file__],
        [".", "--executor", "magic"],
        [".", "--workers", "0"],
        [".", "--output", __file__],
    ],
    ids=["no path", "missing", "a file", "executor", "workers", "output"],
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A path that is missing or no directory, a bad option and a bad output each give one clear line and code 2."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("python -m codeanatomy: error: ")


@pytest.mark.e2e
def test_a_terminal_gets_a_line_of_progress(tmp_path: Path) -> None:
    """On a terminal the progress is drawn on stderr and taken away at the end; stdout is the summary alone."""
    (tmp_path / "one.py").write_text("x = 1\n", encoding="utf-8")
    command = [sys.executable, "-m", "codeanatomy", str(tmp_path), "-o", str(tmp_path / "out")]
    controller, terminal = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(EXAMPLES)}
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, env=environ, check=False, timeout=60)
    os.close(terminal)
    drawn = os.read(controller, 65536).decode()
    os.close(controller)
    assert ended.returncode == 0
    assert "building the graph of 1 files" in drawn
    assert drawn.endswith("\r\x1b[K")
    assert b"\x1b" not in ended.stdout


def test_the_program_knows_nothing_of_telemetry() -> None:
    """No module of the example imports OpenTelemetry or this distribution."""
    for path in (EXAMPLES / "codeanatomy").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        imports += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not [name for name in imports if name.startswith(("opentelemetry", "codeanatomy_distro"))]
