"""What is wrapped in which module, once that module is imported: importing multiprocessing is not ours to do."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

from codeanatomy_distro.instrumentation.concurrency import child_environment, tasks, threads
from codeanatomy_distro.instrumentation.patching import Patches, Target

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["install", "uninstall"]

Targets = Callable[[Any], Iterable[Target]]


def _thread(module: Any) -> Iterable[Target]:  # noqa: ANN401 - a module
    return [Target(module.Thread, "start", plain=threads.carry_to_thread)]


def _thread_pool(module: Any) -> Iterable[Target]:  # noqa: ANN401 - a module
    return [Target(module.ThreadPoolExecutor, "submit", plain=threads.carry_to_thread_pool)]


def _process_pool(module: Any) -> Iterable[Target]:  # noqa: ANN401 - a module
    return [Target(module.ProcessPoolExecutor, "submit", plain=tasks.carry_with_submit)]


def _pool(module: Any) -> Iterable[Target]:  # noqa: ANN401 - a module
    # Not `apply`, which calls `apply_async`.
    names = ("apply_async", "map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered")
    return [Target(module.Pool, name, plain=tasks.carry_with_pool_task) for name in names]


def _environment(module: Any) -> Iterable[Target]:  # noqa: ANN401 - a module
    return [Target(module, name, plain=child_environment.follow_environment) for name in ("putenv", "unsetenv")]


def _popen(module: Any) -> Iterable[Target]:  # noqa: ANN401 - a module
    return [Target(module.Popen, "__init__", plain=child_environment.carry_to_child)]


_MODULES: Final[dict[str, Targets]] = {
    "concurrent.futures.thread": _thread_pool,
    "concurrent.futures.process": _process_pool,
    "multiprocessing.pool": _pool,
    "subprocess": _popen,
}


class _Installed:
    """Post-import hooks stay for ever; whether they patch is told here."""

    active: bool = False
    hooked: bool = False
    patches: Final = Patches()


def install() -> None:
    """Wrap what is imported, and the rest when it will be."""
    _Installed.active = True
    _Installed.patches.apply([*_thread(threading), *_environment(os)])
    if _Installed.hooked:
        _patch_imported()
        return
    _Installed.hooked = True
    for name in _MODULES:
        register_post_import_hook(_on_import, name)


def uninstall() -> None:
    """Put everything back."""
    _Installed.active = False
    _Installed.patches.undo()


def _on_import(module: ModuleType) -> None:
    if _Installed.active:
        _Installed.patches.apply(_MODULES[module.__name__](module))


def _patch_imported() -> None:
    import sys  # here alone: what was imported while we were not active

    for name, targets in _MODULES.items():
        module = sys.modules.get(name)
        if module is not None:
            _Installed.patches.apply(targets(module))
