"""Workers of Ray: what they hold is exported before their program leaves them.

However Ray ends a worker, it lets Python run its exit handlers, but for `ray.kill` and the end of the program: then it
ends idle workers by force, and only the program knows beforehand. Its driver therefore asks the workers on its machine
for a flush, each through a socket in Ray's session folder, and disconnects when all have answered.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

from codeanatomy_distro.obs.own_threads import create_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.lifecycle import Lifecycle

__all__ = ["FlushService", "flush_workers", "unwatch", "watch"]

_logger = logging.getLogger("codeanatomy_distro.export")
_MODULE: Final = "ray._private.worker"
_PREFIX: Final = "otel-"  # short: the path of a socket has some hundred bytes at most
_DONE: Final = b"1"
_LEFT: Final = b"0"


class FlushService:
    """Flushes `lifecycle` for whoever connects to the socket `path`, on a thread of its own, and tells when it has."""

    def __init__(self, path: Path, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)

    def start(self) -> None:
        """Begin to listen; raises `OSError` where that can't be done."""
        # It has its name once it listens: a socket that is there and refuses is that of a process that is gone.
        unready = self._path.with_name(f".{self._path.name}")
        unready.unlink(missing_ok=True)
        self._socket.bind(str(unready))
        self._socket.listen()
        unready.rename(self._path)
        self._lifecycle.before_exit(lambda _: self._path.unlink(missing_ok=True))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._socket.close)  # it is the parent's to answer
        create_thread(self._serve, "codeanatomy-flushing").start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, suppress(OSError):  # whoever asked may be gone
                connection.sendall(_DONE if self._lifecycle.flush(self._lifecycle.deadline) else _LEFT)


def flush_workers(folder: Path, timeout: float) -> tuple[int, int]:
    """Have all processes flush that have a `FlushService` in `folder`, at the same time, and wait for their answers.

    Returns how many there are and how many of them have flushed within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    asked: list[socket.socket] = []
    for path in folder.glob(f"{_PREFIX}*"):
        connection = socket.socket(socket.AF_UNIX)
        asked.append(connection)
        try:
            connection.settimeout(max(0.001, end - time.monotonic()))
            connection.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):  # it was killed, or has just left
            asked.pop().close()
            path.unlink(missing_ok=True)
        except OSError as error:
            _logger.debug("a worker can't be asked to flush: %s: %s", path, error)
    flushed = 0
    for connection in asked:
        with connection, suppress(OSError):
            connection.settimeout(max(0.001, end - time.monotonic()))
            flushed += connection.recv(1) == _DONE
    return len(asked), flushed


class _Watched:
    """What is patched, for whom."""

    lifecycle: Lifecycle | None = None
    served: int = 0
    """The id of the process that can be asked to flush."""
    hooked: bool = False
    undo: Final[list[Callable[[], None]]] = []


def watch(lifecycle: Lifecycle) -> None:
    """See `lifecycle` through the end of this process where it is a worker of Ray, and of its workers where it has any.

    Where the program imports no Ray, or where there are no Unix sockets, nothing happens.
    """
    if not hasattr(socket, "AF_UNIX"):
        return
    _Watched.lifecycle = lifecycle
    if not _Watched.hooked:
        _Watched.hooked = True
        register_post_import_hook(_patch, _MODULE)  # at once where it is imported
    elif not _Watched.undo and _MODULE in sys.modules:
        _patch(sys.modules[_MODULE])


def unwatch() -> None:
    """Put Ray back as it was."""
    _Watched.lifecycle = None
    while _Watched.undo:
        _Watched.undo.pop()()


def _patch(module: Any) -> None:  # noqa: ANN401 - a module
    if _Watched.lifecycle is None:
        return
    # Where every worker begins to work, and where a driver lets go of them, be it by `ray.shutdown()` or at the
    # interpreter's exit. No public function is called at either.
    worker = getattr(module, "Worker", None)
    for owner, name, wrap in ((worker, "main_loop", _main_loop), (module, "disconnect", _disconnect)):
        original = getattr(owner, name, None)
        if original is None:
            _logger.debug("Ray has no %s", name)
            continue
        setattr(owner, name, wrap(module, original))
        _Watched.undo.append(functools.partial(setattr, owner, name, original))
    _serve_worker(module)  # telemetry may be set up in the middle of a task


def _main_loop(module: Any, original: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401 - a module
    @functools.wraps(original)
    def main_loop(self: Any) -> Any:  # noqa: ANN401 - as the original
        _serve_worker(module)
        return original(self)

    return main_loop


def _disconnect(module: Any, original: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401 - a module
    @functools.wraps(original)
    def disconnect(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original
        _flush_from_driver(module)
        return original(*args, **kwargs)

    return disconnect


def _serve_worker(module: Any) -> None:  # noqa: ANN401 - a module
    lifecycle = _Watched.lifecycle
    try:
        worker = module.global_worker
        if lifecycle is None or not worker.connected or worker.mode != module.WORKER_MODE:
            return
        if _Watched.served == os.getpid():
            return
        _Watched.served = os.getpid()
        lifecycle.expect_kill()
        FlushService(Path(worker.node.get_sockets_dir_path()) / f"{_PREFIX}{os.getpid()}", lifecycle).start()
    except Exception as error:  # noqa: BLE001 - the program's worker must start
        _logger.warning("a Ray worker can't be asked to flush: %s: %s", type(error).__name__, error)


def _flush_from_driver(module: Any) -> None:  # noqa: ANN401 - a module
    lifecycle = _Watched.lifecycle
    try:
        worker = module.global_worker
        if lifecycle is None or not worker.connected or worker.mode != module.SCRIPT_MODE:
            return
        asked, flushed = flush_workers(Path(worker.node.get_sockets_dir_path()), lifecycle.deadline)
    except Exception as error:  # noqa: BLE001 - the program must come to its end
        _logger.warning("Ray's workers could not be asked to flush: %s: %s", type(error).__name__, error)
        return
    if flushed < asked:
        seconds = f"{lifecycle.deadline:g}"
        _logger.warning("%d of %d Ray workers did not export all within %s s", asked - flushed, asked, seconds)
