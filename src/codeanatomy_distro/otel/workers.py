"""Processes of `multiprocessing`: each begins at its parent's place in the run and exports all before it ends.

A worker started by fork has everything but an end: it leaves without exit handlers. One started by spawn or forkserver
is a new interpreter: under `opentelemetry-instrument` it is set up by itself, but for the place; elsewhere it is set up
by what comes with the process object, before the program's own code runs.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wrapt import register_post_import_hook

from codeanatomy_distro.obs.worker_context import capture

if TYPE_CHECKING:
    from types import ModuleType

    from codeanatomy_distro.otel.lifecycle import Lifecycle

__all__ = ["Inheritance", "unwatch", "watch"]

_logger = logging.getLogger("codeanatomy_distro")
_ATTRIBUTE: Final = "_codeanatomy_inheritance"

Resume = Callable[[tuple[str, ...], Mapping[str, Any]], None]
"""Sets up a worker: its place, a `Carrier` as a plain tuple, and what its parent gave `configure_otel`."""


class Inheritance(NamedTuple):
    """What a process object carries into a new interpreter; unpickling it there sets the worker up."""

    resume: Resume
    place: tuple[str, ...]
    options: Mapping[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call that unpickling makes."""
        return self.resume, (self.place, dict(self.options))


class _Watched:
    """What is patched, for whom."""

    lifecycle: Lifecycle | None = None
    resume: Resume | None = None
    options: Mapping[str, Any] = {}
    hooked: bool = False
    undo: Final[list[Callable[[], None]]] = []


def watch(lifecycle: Lifecycle, resume: Resume, options: Mapping[str, Any]) -> None:
    """Have every process that this one starts resumed by `resume`, a function that pickles by its name.

    `options` go with it; they must be plain values. Workers of Ray, which it does not start itself, are watched too.
    """
    _Watched.lifecycle, _Watched.resume, _Watched.options = lifecycle, resume, options
    if not _Watched.hooked:
        _Watched.hooked = True
        register_post_import_hook(_patch, "multiprocessing.process")
        register_post_import_hook(_watch_ray, "ray._private.worker")
        return
    if not _Watched.undo and (module := sys.modules.get("multiprocessing.process")):
        _patch(module)
    if ray := sys.modules.get("ray._private.worker"):
        _watch_ray(ray)


def _watch_ray(_: ModuleType) -> None:
    from codeanatomy_distro.otel import ray_workers  # start-up cost: most programs have no Ray

    if _Watched.lifecycle is not None:
        ray_workers.watch(_Watched.lifecycle)


def unwatch() -> None:
    """Put multiprocessing back as it was."""
    _Watched.lifecycle = None
    while _Watched.undo:
        _Watched.undo.pop()()


def _patch(module: ModuleType) -> None:
    if _Watched.lifecycle is None:
        return
    process: Any = getattr(module, "BaseProcess", None)
    # `_bootstrap` is where every worker begins and ends, whatever started it; there is no public place for either.
    for name, wrap in (("start", _start), ("_bootstrap", _bootstrap)):
        original = getattr(process, name, None)
        if original is None:
            _logger.debug("multiprocessing has no %s", name)
            continue
        setattr(process, name, wrap(original))
        _Watched.undo.append(functools.partial(setattr, process, name, original))


def _start(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def start(self: Any) -> None:  # noqa: ANN401 - any kind of process
        _bequeath(self)
        try:
            original(self)
        finally:
            self.__dict__.pop(_ATTRIBUTE, None)
            if _Watched.lifecycle is not None:
                _Watched.lifecycle.resume()

    return start


def _bequeath(process: Any) -> None:  # noqa: ANN401 - any kind of process
    if _Watched.resume is None or not _same_interpreter():
        return
    try:
        carrier = capture()
        inheritance = Inheritance(_Watched.resume, tuple(carrier or ()), _Watched.options)
        process.__dict__[_ATTRIBUTE] = inheritance
    except Exception as error:  # noqa: BLE001 - the program's process must start
        _logger.warning("a worker process is not given its place in the run: %s: %s", type(error).__name__, error)


def _same_interpreter() -> bool:
    """Return whether workers run the Python that we are installed in; another could not unpickle what is ours."""
    spawn: Any = sys.modules.get("multiprocessing.spawn")
    if spawn is None:
        return True  # it is not loaded before something other than fork is used, or set to another executable
    executable = spawn.get_executable()
    return executable is None or executable in {sys.executable, sys.executable.encode()}


def _is_of_dask(process: Any) -> bool:  # noqa: ANN401 - any kind of process
    """Return whether `process` is a worker of Dask, which is killed when it takes long to leave."""
    return getattr(getattr(process, "_target", None), "__module__", "").startswith("distributed.")


def _bootstrap(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original
        self.__dict__.pop(_ATTRIBUTE, None)
        if _Watched.lifecycle is not None and _is_of_dask(self):
            _Watched.lifecycle.expect_kill()
        try:
            return original(self, *args, **kwargs)
        finally:
            # By now the program's own finalizers and threads are done. After a fork nothing comes but `os._exit`.
            if _Watched.lifecycle is not None:
                _Watched.lifecycle.shutdown()

    return bootstrap
