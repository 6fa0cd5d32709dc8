"""Programs started with `subprocess` find the span that started them, the run's root span and its id in their
environment.

The names are those of the OpenTelemetry specification, *Environment Variables as Context Propagation Carriers*,
and ours.
"""

from __future__ import annotations

import functools
import inspect
import os
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.environment import environment
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.worker_context import capture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["carry_to_child", "follow_environment"]

_FIELDS: Final = ("TRACEPARENT", "TRACESTATE", settings.ROOT_CONTEXT.name, settings.RUN_ID.name)


# What was set (or unset: None) since, by `os.environ` or past it. A child that is given no environment has it too, but
# no mapping tells of it.
_changes: Final[dict[str, str | None]] = {}


def follow_environment(original: Callable[..., None]) -> Callable[..., None]:
    """Return a replacement of `os.putenv` or `os.unsetenv` after which `carry_to_child` knows what it did."""
    _changes.clear()  # what was replaced before has missed some

    @functools.wraps(original)
    def change(name: Any, /, *value: Any) -> None:  # noqa: ANN401 - as the original
        original(name, *value)
        _changes[os.fsdecode(name)] = os.fsdecode(value[0]) if value else None

    return change


def carry_to_child(original: Callable[..., None]) -> Callable[..., None]:
    """Return a replacement of `Popen.__init__` that adds the carrier to the child's environment.

    An environment that the program gives is added to only where it was made from this process's, which shows in the run
    id that it holds; any other is meant as it is.
    """
    position = list(inspect.signature(original).parameters).index("env")

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, N807 - as the original
        try:
            # `self` is the first parameter, but not in args
            given = args[position - 1] if len(args) >= position else kwargs.get("env")
            carried = _environment(given)
            if carried is not None:
                if len(args) >= position:
                    args = (*args[: position - 1], carried, *args[position:])
                else:
                    kwargs["env"] = carried
        except Exception as error:  # noqa: BLE001 - the program's child must start
            report_failure("carrying context to a child process", error)
        original(self, *args, **kwargs)

    return __init__


def _environment(given: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return the environment to start the child with, or None to leave it as it was given."""
    carrier = capture()
    if carrier is None or (given is not None and settings.RUN_ID.name not in given):
        return None
    fields = {name: value for name, value in zip(_FIELDS, carrier, strict=True) if value}
    return {**(_inherited() if given is None else given), **fields}


def _inherited() -> dict[str, str]:
    """Return the environment of a child that is given none."""
    whole = {**environment(), **_changes}
    return {name: value for name, value in whole.items() if value is not None}
