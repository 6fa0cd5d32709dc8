"""Propagators: how context enters and leaves the process, by the names of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.propagators.composite import CompositePropagator

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

    from opentelemetry.propagators.textmap import TextMapPropagator

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["create_propagator"]

_GROUP: Final = "opentelemetry_propagator"


def create_propagator(config: OtelConfig, problems: list[Problem]) -> TextMapPropagator:
    """Return the propagators that `config` names, as one; ``none`` among them means no propagation at all.

    One that is not installed or fails is told in `problems` and left out. If none is left, the default ones take their
    place, for a typing error must not cut a trace in two.
    """
    if config.file is None:
        named = config[settings.PROPAGATORS]
    else:
        from codeanatomy_distro.otel import declared  # start-up cost: a package of an extra

        try:
            return declared.declared_propagator(config)
        except Exception:  # noqa: BLE001 - somebody else's propagator; which one it is, is told of each by its name
            named = declared.declared_propagator_names(config)
    if any(name.lower() == "none" for name in named):
        return CompositePropagator([])
    made = _load(named, config, problems) or _load(settings.PROPAGATORS.default, config, problems)
    return CompositePropagator(made)


def _load(named: Sequence[str], config: OtelConfig, problems: list[Problem]) -> list[TextMapPropagator]:
    installed = {entry.name.lower(): entry for entry in entry_points(group=_GROUP)}
    return [
        made for name in named if (made := _create(name, installed.get(name.lower()), config, problems)) is not None
    ]


def _create(
    name: str, entry: EntryPoint | None, config: OtelConfig, problems: list[Problem]
) -> TextMapPropagator | None:
    reason = "no propagator of that name is installed"
    if entry is not None:
        try:
            return entry.load()()
        except Exception as error:  # noqa: BLE001 - somebody else's propagator; the program must start
            reason = f"it failed: {type(error).__name__}: {to_text(error)}"
    used = f"the others, or else {settings.PROPAGATORS.show(settings.PROPAGATORS.default)}"
    if config.file is None:
        problems.append(Problem(settings.PROPAGATORS.name, name, reason, used))
    else:
        problems.append(config.in_part(f"its propagator {name}: {reason}", used))
    return None
