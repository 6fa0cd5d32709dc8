"""Generators of trace and span ids, by the name of the setting."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["OwnRandomIdGenerator", "create_id_generator"]

_GROUP: Final = "opentelemetry_id_generator"


class OwnRandomIdGenerator(RandomIdGenerator):
    """Random ids from a source of their own.

    The SDK's generator draws from the source that `random.seed` and `random.random` share: a program that seeds it
    would draw other numbers because it is observed, and give each of its runs the same trace ids.
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)  # a child must not repeat its parent's ids

    def _renew(self) -> None:
        self._getrandbits = random.Random().getrandbits  # noqa: S311 - an id is no secret; it is seeded by the system

    def generate_span_id(self) -> int:
        """Return 64 random bits, not all of them zero."""
        return self._getrandbits(64) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return 128 random bits, not all of them zero."""
        return self._getrandbits(128) or self.generate_trace_id()


def _xray() -> Any:  # noqa: ANN401 - of a package that is rarely installed
    from importlib import import_module  # start-up cost, and of an optional package

    return import_module("opentelemetry.sdk.extension.aws.trace").AwsXRayIdGenerator()


_BUILT_IN: Final[dict[str, Callable[[], IdGenerator]]] = {
    "default": OwnRandomIdGenerator,
    "random": OwnRandomIdGenerator,
    "xray": _xray,
}


def create_id_generator(config: OtelConfig, problems: list[Problem]) -> IdGenerator:
    """Return the generator that `config` names; one that can't be had is told in `problems` and random ids are used."""
    name = config[settings.ID_GENERATOR]
    reason = "no generator of that name is installed"
    try:
        if name.lower() in _BUILT_IN:
            return _BUILT_IN[name.lower()]()
        for entry in entry_points(group=_GROUP, name=name):
            return entry.load()()
    except ImportError as error:
        reason = f"it needs a package that is not installed ({to_text(error)})"
    except Exception as error:  # noqa: BLE001 - somebody else's generator; the program must start
        reason = f"it failed: {type(error).__name__}: {to_text(error)}"
    problems.append(Problem(settings.ID_GENERATOR.name, name, reason, "random"))
    return OwnRandomIdGenerator()
