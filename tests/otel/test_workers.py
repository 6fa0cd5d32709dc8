"""What a process object carries into a worker, and that multiprocessing is left as it was."""

from __future__ import annotations

from multiprocessing import process
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.obs.run_context import run_context
from codeanatomy_distro.otel import workers
from codeanatomy_distro.otel.lifecycle import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def resume(place: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Stand where a worker is set up."""


@pytest.fixture
def watched() -> Iterator[Lifecycle]:
    """Watch multiprocessing for one test."""
    # Another test of this process may have set telemetry up; what it watched is watched again afterwards.
    watched = workers._Watched  # pyright: ignore[reportPrivateUsage]
    before = watched.lifecycle, watched.resume, watched.options
    workers.unwatch()
    lifecycle = Lifecycle([], deadline=1)
    workers.watch(lifecycle, resume, {"service_name": "s"})
    yield lifecycle
    workers.unwatch()
    if before[0] is not None and before[1] is not None:
        workers.watch(before[0], before[1], before[2])


def test_unpickling_sets_the_worker_up() -> None:
    """The carried object is, on the other side, the call of a named function with plain values."""
    carried = workers.Inheritance(resume, ("a", "b"), {"service_name": "s"})
    function, arguments = carried.__reduce__()
    assert (function, arguments) == (resume, (("a", "b"), {"service_name": "s"}))


def test_a_process_object_is_as_it_was_after_its_start(watched: Lifecycle) -> None:
    """While it starts it carries place and options; afterwards nothing of ours is left on it."""
    seen: list[Any] = []

    class Own(process.BaseProcess):
        """A process whose start is watched."""

        @staticmethod
        def _Popen(process_object: Any) -> Any:  # noqa: N802 - multiprocessing's own name
            seen.append(dict(process_object.__dict__))
            return SimpleNamespace(sentinel=0)

    own: Any = Own()
    with run_context("run-3"):
        own.start()
    process._children.discard(own)  # pyright: ignore[reportAttributeAccessIssue] - nothing was started
    (carried,) = seen
    inheritance = carried["_codeanatomy_inheritance"]
    assert (inheritance.place[3], inheritance.options) == ("run-3", {"service_name": "s"})
    assert "_codeanatomy_inheritance" not in vars(own)


def test_multiprocessing_can_be_put_back(watched: Lifecycle) -> None:
    """After `unwatch` the very same methods are there as before."""
    wrapped = vars(process.BaseProcess)["start"], vars(process.BaseProcess)["_bootstrap"]
    workers.unwatch()
    originals = vars(process.BaseProcess)["start"], vars(process.BaseProcess)["_bootstrap"]
    assert [getattr(function, "__wrapped__", None) for function in wrapped] == list(originals)
