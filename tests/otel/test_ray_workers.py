"""What a worker of Ray answers to its driver, and that Ray is left as it was. Ray itself: `e2e/test_clusters.py`."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.otel import ray_workers
from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.lifecycle import Lifecycle
from codeanatomy_distro.otel.outcome import ARRIVED, Outcome
from codeanatomy_distro.otel.ray_workers import FlushService, flush_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSING = Outcome(arrived=False, retryable=True, reason="busy")


class Answering:
    """An exporter that gives one answer."""

    cancels = False

    def __init__(self, answer: Outcome) -> None:
        self.answer = answer
        self.taken: list[Any] = []

    def export(self, batch: list[Any], timeout: float, /) -> Outcome:
        """Answer."""
        if self.answer.arrived:
            self.taken += batch
        return self.answer

    def shutdown(self) -> None:
        """Do nothing."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder for sockets, whose paths must be short."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def serve(folder: Path, name: str, answer: Outcome) -> tuple[Lifecycle, Answering]:
    """Have a lifecycle with one item to export serve in `folder`."""
    exporter = Answering(answer)
    queue: BatchQueue[int] = BatchQueue("kind", ExporterFactory(lambda: exporter), BatchLimits(delay=3600))
    queue.put(1)
    lifecycle = Lifecycle([queue], deadline=0.2)
    FlushService(folder / name, lifecycle).start()
    return lifecycle, exporter


def test_who_is_asked_has_exported_when_it_has_answered(folder: Path) -> None:
    """Two workers export what they hold, and can be asked again."""
    exporters = [serve(folder, f"otel-{number}", ARRIVED)[1] for number in (1, 2)]
    assert flush_workers(folder, 60) == (2, 2)
    assert [exporter.taken for exporter in exporters] == [[1], [1]]
    assert flush_workers(folder, 60) == (2, 2)


def test_who_could_not_export_is_told_apart(folder: Path) -> None:
    """Of two workers, one with a back end that is busy and one that never answers, none counts as done."""
    serve(folder, "otel-1", PASSING)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(folder / "otel-2"))
        hanging.listen()
        assert flush_workers(folder, 0.5) == (2, 0)


def test_who_has_left_is_not_asked(folder: Path) -> None:
    """A worker that leaves takes its socket along; that of one that was killed is cleared away."""
    lifecycle, _ = serve(folder, "otel-1", ARRIVED)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(folder / "otel-2"))
    (folder / "plasma_store").touch()
    lifecycle.shutdown()
    assert flush_workers(folder, 60) == (0, 0)
    assert [path.name for path in folder.iterdir()] == ["plasma_store"]


def test_a_forked_child_does_not_answer_for_its_parent(folder: Path, run_alone: Callable[..., Any]) -> None:
    """A worker is gone, though a process that it forked lives on: nobody waits for an answer."""
    ended = run_alone(f"""
        import os, sys
        from pathlib import Path
        from codeanatomy_distro.otel.lifecycle import Lifecycle
        from codeanatomy_distro.otel.ray_workers import FlushService, flush_workers
        folder = Path({str(folder)!r})
        (ready, begun), (waiting, held) = os.pipe(), os.pipe()
        worker = os.fork()
        if not worker:
            FlushService(folder / "otel-1", Lifecycle([], deadline=1)).start()
            if not os.fork():
                os.close(held)
                os.write(begun, b"1")
                os.read(waiting, 1)
            os._exit(0)
        os.waitpid(worker, 0)
        os.read(ready, 1)
        print(flush_workers(folder, 60))
    """)
    assert (ended.stdout, ended.code) == ("(0, 0)\n", 0)


@pytest.mark.distributed
def test_ray_can_be_put_back() -> None:
    """While it is watched both functions are wrapped; after `unwatch` the very same ones are there as before."""
    ray: Any = pytest.importorskip("ray._private.worker")
    ray_workers.unwatch()
    originals = ray.Worker.main_loop, ray.disconnect
    ray_workers.watch(Lifecycle([], deadline=1))
    wrapped = ray.Worker.main_loop, ray.disconnect
    ray_workers.unwatch()
    assert [function.__wrapped__ for function in wrapped] == list(originals)
    assert (ray.Worker.main_loop, ray.disconnect) == originals
