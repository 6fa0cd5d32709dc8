"""Patching: what is wrapped and how it is undone stand in one table, walked by both."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, cast

import wrapt

from codeanatomy_distro.obs.attributes import to_text

__all__ = ["Patches", "Target", "report_failure"]

_logger = logging.getLogger("codeanatomy_distro.instrumentation")
_reported: Final[set[str]] = set()

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""What wrapt calls: (wrapped, instance, args, kwargs) -> result."""


def report_failure(where: str, error: BaseException) -> None:
    """Say once a process that our own code failed at `where`; the program goes on as if we were not there."""
    if where not in _reported:
        _reported.add(where)
        text = to_text(error)  # an error whose own text fails would make logging print a second one
        _logger.warning("%s failed and is left out: %s: %s", where, type(error).__name__, text, exc_info=error)


class Target(NamedTuple):
    """One attribute to replace: ``owner.name``, either wrapped by wrapt or, with `plain`, replaced by a function.

    Whatever a program may pickle by reference must be `plain`: a wrapt proxy can't be pickled, and the user's run would
    fail for it. ``plain(original)`` returns the replacement.
    """

    owner: Any
    name: str
    wrapper: Wrapper | None = None
    plain: Callable[[Any], Any] | None = None


class Patches:
    """The replacements of one instrumentor: `apply` makes them, `undo` puts the very same objects back."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any, bool, Any]] = []

    def apply(self, targets: Iterable[Target]) -> None:
        """Replace each target that exists; what the installed version lacks, or can't have replaced, is left out."""
        for target in targets:
            if not hasattr(target.owner, target.name):
                _logger.debug("%r has no %s", target.owner, target.name)
                continue
            try:
                self._replace(target)
            except Exception as error:  # noqa: BLE001 - a class of another version that takes no attribute, say
                report_failure(f"the instrumentation of {target.name}", error)

    def _replace(self, target: Target) -> None:
        owner, name = target.owner, target.name
        own = name in vars(owner)
        original = cast("Any", vars(owner)[name] if own else _inherited(owner, name))
        if target.plain is not None:
            replacement = target.plain(original)
        elif target.wrapper is not None:
            replacement = wrapt.FunctionWrapper(original, target.wrapper)
        else:
            message = f"nothing is given to replace {name}"
            raise ValueError(message)
        setattr(owner, name, replacement)
        self._undo.append((owner, name, original, own, replacement))

    def undo(self) -> None:
        """Put every original back, the last first; what somebody wrapped after us is left in place."""
        while self._undo:
            owner, name, original, own, replacement = self._undo.pop()
            if vars(owner).get(name) is not replacement:
                _logger.debug("%r.%s was replaced again after us and is left as it is", owner, name)
                continue
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)


def _inherited(owner: Any, name: str) -> Any:  # noqa: ANN401 - an attribute of anything
    """Return an attribute that `owner` has from a base, unbound: bound to `owner` it would know no subclass."""
    try:
        return inspect.getattr_static(owner, name)
    except AttributeError:  # made on demand, as by a module's __getattr__
        return getattr(owner, name)
