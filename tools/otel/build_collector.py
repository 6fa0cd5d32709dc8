"""Build the Collector of `builder.yaml` once, into a cache outside the repository, and print the binary's path.

Cold it takes minutes (Go modules are fetched through the module proxy and compiled); warm it only looks at the cache.
The cache key is the manifest and the version of Go, so a changed manifest builds beside the old binary.

Usage: python tools/otel/build_collector.py [--check]     (--check builds nothing: exit 1 when the binary is not there)
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = Path(__file__).resolve().parent
MANIFEST = HERE / "builder.yaml"
BUILDER_MODULE = "go.opentelemetry.io/collector/cmd/builder"
BINARY_NAME = "otelcol-codeanatomy"
MINIMUM_GO = (1, 26)


class BuildError(Exception):
    """The Collector cannot be built here; the message says why and what to do."""


def cache_root() -> Path:
    """Where every built Collector lives: below `$XDG_CACHE_HOME`, else `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "codeanatomy-distro" / "otelcol"


def cached_binary() -> Path:
    """Where the binary of today's manifest is, or will be once built."""
    return cache_root() / hashlib.sha256(MANIFEST.read_bytes()).hexdigest()[:16] / BINARY_NAME


def find_go() -> str:
    """The `go` command: on the PATH, else the place its own installer uses; `BuildError` when absent or too old."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        message = "the Go compiler is not on the PATH; install Go 1.26 or newer, or set OTELCOL_BIN to a Collector"
        raise BuildError(message)
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"go(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_GO:
        message = f"{go} is {text.strip()}; the Collector needs Go {'.'.join(map(str, MINIMUM_GO))} or newer"
        raise BuildError(message)
    return go


def builder_version() -> str:
    """The builder's release: the one that the manifest's `dist.version` names."""
    found = re.search(r"^ {2}version: (\S+)$", MANIFEST.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        message = f"{MANIFEST} has no dist.version"
        raise BuildError(message)
    return f"v{found[1]}"


def build(binary: Path) -> None:
    """Build the Collector into `binary`, whose folder is made; another build going on at once is waited for."""
    go = find_go()
    binary.parent.mkdir(parents=True, exist_ok=True)
    with locked(binary.parent / "lock"):
        if not binary.exists():
            with tempfile.TemporaryDirectory(dir=binary.parent) as scratch:
                built = compile_collector(go, Path(scratch))
                built.replace(binary)  # one step: a reader sees the whole file or none


def compile_collector(go: str, scratch: Path) -> Path:
    """Compile builder and Collector below `scratch` and return the Collector's path there."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(scratch)}
    environment["GOFLAGS"] = " ".join(
        filter(None, [os.environ.get("GOFLAGS"), "-trimpath", f"-p={os.cpu_count() or 2}"])
    )
    environment["PATH"] = f"{Path(go).parent}{os.pathsep}{environment.get('PATH', '')}"
    run([go, "install", f"{BUILDER_MODULE}@{builder_version()}"], environment, scratch)
    # The manifest's output_path is relative to the working directory.
    run([str(scratch / "builder"), f"--config={MANIFEST}", "--ldflags=-s -w"], environment, scratch)
    return scratch / "_build" / BINARY_NAME


def run(command: list[str], environment: dict[str, str], directory: Path) -> None:
    """Run one step; its output goes to our stderr, since stdout is for the path alone."""
    print("+", " ".join(command), file=sys.stderr, flush=True)
    try:
        subprocess.run(command, env=environment, cwd=directory, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        message = f"{Path(command[0]).name} failed with exit code {error.returncode}; its output is above"
        raise BuildError(message) from error


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold an exclusive lock on `path`, waiting for whoever has it; the kernel lets go of it when a process dies."""
    import fcntl  # not on Windows, where the rest of this file still imports

    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Print the binary's path; 1 with a reason on stderr when there is none and none can be built."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="build nothing: exit 1 when the binary is not in the cache"
    )
    check = parser.parse_args().check
    binary = cached_binary()
    if not binary.exists():
        if check:
            print(f"not built: {binary}", file=sys.stderr)
            return 1
        try:
            build(binary)
        except BuildError as error:
            print(f"build_collector: {error}", file=sys.stderr)
            return 1
    print(binary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
