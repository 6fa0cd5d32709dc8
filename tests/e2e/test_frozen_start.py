"""What the start has loaded is out of the collector's rounds, and nothing of the program's is."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

PROGRAM = """
import gc, weakref
class Node: pass
node = Node()
node.itself = node
dead = weakref.ref(node)
del node
gc.collect()
frozen = gc.get_freeze_count()
print(frozen > 10_000, dead() is None, len(gc.get_objects()) < frozen / 10, gc.isenabled())
"""
# What a program does that has no command before it: it starts the instrumentation itself.
ITSELF = f"from opentelemetry.instrumentation.auto_instrumentation import initialize\ninitialize()\n{PROGRAM}"


def run(run_program: Any, program: str, *options: str, **given: Any) -> list[bool]:
    ended = run_program(*options, "-c", program, **given)
    assert ended.code == 0, ended.stderr
    return [word == "True" for word in ended.stdout.split()]


def test_collections_walk_what_is_the_programs(run_program: Any) -> None:
    """Under the command the collector has the program's own objects, still frees them, and none of the start's."""
    assert run(run_program, PROGRAM) == [True, True, True, True]


@pytest.mark.parametrize("options", [("-m", "timeit"), ("-X", "dev")])
def test_other_ways_to_start(run_program: Any, options: tuple[str, ...]) -> None:
    """The start is frozen too under another option of the interpreter, and in a module that is run."""
    if options[0] == "-m":
        ended = run_program(*options, "-n", "1", "-r", "1", "import gc; print(gc.get_freeze_count() > 10_000)")
        assert ended.stdout.splitlines()[0] == "True"
    else:
        assert run(run_program, PROGRAM, *options)[:2] == [True, True]


def test_the_command_is_frozen_where_telemetry_is_off(run_program: Any) -> None:
    """With OTEL_SDK_DISABLED what the command itself has loaded is out of the rounds."""
    assert run(run_program, PROGRAM, environ={"OTEL_SDK_DISABLED": "true"}) == [True, True, True, True]


def test_nothing_is_frozen_where_ours_was_not_chosen(run_program: Any) -> None:
    """Where another configurator is named, the collector is its and the program's."""
    environ = {"OTEL_PYTHON_CONFIGURATOR": "other", "OTEL_PYTHON_DISTRO": "other", "OTEL_SDK_DISABLED": "true"}
    assert run(run_program, PROGRAM, environ=environ)[:2] == [False, True]


def test_nothing_is_frozen_in_a_program_that_runs(run_program: Any) -> None:
    """A program that starts telemetry itself has objects by then, which stay in the rounds."""
    assert run(run_program, ITSELF, instrumented=False)[:2] == [False, True]
    own = "from codeanatomy_distro import configure_otel; configure_otel()\n"
    assert run(run_program, own + PROGRAM, instrumented=False)[:2] == [False, True]


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_are_as_the_program(run_program: Any, method: str) -> None:
    """A worker, however it is started, has the start out of its rounds as well."""
    program = (
        "import gc, multiprocessing\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context({method!r}).Pool(1) as pool:\n"
        "        print(pool.apply(gc.get_freeze_count) > 10_000)\n"
    )
    assert run(run_program, program) == [True]
