"""Generators of trace and span ids, by the name of the setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["create_id_generator"]

_GROUP: Final = "opentelemetry_id_generator"


def _xray() -> Any:  # noqa: ANN401 - of a package that is rarely installed
    from opentelemetry.sdk.extension.aws.trace import (  # start-up cost, and an optional package
        AwsXRayIdGenerator,  # pyright: ignore[reportUnknownVariableType]
    )

    return AwsXRayIdGenerator()  # pyright: ignore[reportUnknownVariableType]


_BUILT_IN: Final[dict[str, Callable[[], IdGenerator]]] = {
    "default": RandomIdGenerator,
    "random": RandomIdGenerator,
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
    return RandomIdGenerator()
