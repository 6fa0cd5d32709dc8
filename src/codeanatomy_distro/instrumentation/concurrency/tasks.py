"""Tasks of process pools run where they were submitted, not where the pool's processes were started.

What is pickled is a plain function of ours and a tuple of texts (see `patching.Target`).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from opentelemetry import context
from opentelemetry.context import Context

from codeanatomy_distro.instrumentation.concurrency.threads import pool_machinery
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.worker_context import Carrier, attached, capture

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_at", "carry_with_pool_task", "carry_with_submit"]


def call_at(place: tuple[str, ...], function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the program's own function
    """Call `function` at `place`, a `Carrier` as a plain tuple; an empty one is nowhere."""
    token = context.attach(Context())  # not where the worker was started
    try:
        with attached(Carrier(*place) if place else None):
            return function(*args, **kwargs)
    finally:
        context.detach(token)


def _place() -> tuple[str, ...]:
    try:
        return tuple(capture() or ())
    except Exception as error:  # noqa: BLE001 - the program's task must be submitted
        report_failure("carrying context to a process pool", error)
        return ()


def carry_with_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a replacement of `ProcessPoolExecutor.submit` that runs each task where it was submitted."""

    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original
        with pool_machinery():
            return original(self, call_at, _place(), fn, *args, **kwargs)

    return submit


def carry_with_pool_task(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a replacement of a method of `multiprocessing.pool.Pool` that takes a function first."""

    @functools.wraps(original)
    def submit(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original
        return original(self, functools.partial(call_at, _place(), func), *args, **kwargs)

    return submit
