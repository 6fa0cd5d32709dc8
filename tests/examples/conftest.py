"""The example program, importable, and a small tree of everything that it must survive."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

SOURCES = {
    "pkg/__init__.py": "",
    "pkg/a.py": "from . import b\nfrom .b import g\n\n\nclass A:\n"
    "    def m(self):\n        self.n()\n\n    def n(self):\n        self.m()\n        g()\n",
    "pkg/b.py": "import json\nimport pkg.a\nfrom ... import too_far\nfrom pkg import a\nfrom pkg.a import A\n\n\n"
    "def g():\n    A.m(a.A())\n    return json.dumps(1)\n",
    "pkg/late.py": "def f():\n    import pkg.early\n    f()\n",
    "pkg/early.py": "import pkg.late\n",
    "src/lib/x.py": "import lib.y\n",
    "src/lib/y.py": "import lib.x\n",
    "warns.py": 'x = "\\d"\nif 1 is 1:\n    pass\n',
    "empty.py": "",
    "cookie.py": "# coding: latin-1\n",
    "broken.py": "def f(:\n",
    "café.py": "class Café: ...\n",
}
FAILURES = {
    "binary.py": b"\xff\xfe bad",
    "null.py": b"a\0b",
    "codec.py": b"# coding: undefined\nx\n",
    "deep.py": b"-" * 200_000 + b"1",
    "chain.py": b"x = " + b"+".join([b"1"] * 200_000),
    "large.py": b"x = 1\n" * 250_000,
}


@pytest.fixture(scope="session")
def run_example() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m codeanatomy ARGUMENTS…`` as its users do, in a process of its own, and wait for its end."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "codeanatomy", *map(str, arguments)]
        environ = {**os.environ, "PYTHONPATH": str(EXAMPLES), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environ, check=False, timeout=60)

    return run


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Modules that import and call each other in circles, and files that cannot be parsed or read."""
    root = tmp_path_factory.mktemp("tree")
    for name, text in SOURCES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, content in FAILURES.items():
        (root / name).write_bytes(content)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "itself.py").symlink_to(root / "itself.py")
    (root / "nowhere.py").symlink_to("/nowhere")
    (root / "directory.py").mkdir()
    os.mkfifo(root / "pipe.py")
    return root


@pytest.fixture(scope="session")
def failing() -> list[str]:
    """The files of the tree that cannot be read or parsed."""
    return sorted([*FAILURES, "broken.py", "itself.py", "nowhere.py", "pipe.py"])
