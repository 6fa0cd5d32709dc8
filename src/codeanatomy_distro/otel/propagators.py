"""Propagators: how context enters and leaves the process, by the names of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.propagators.composite import CompositePropagator

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.otel.config import OtelConfig, report_problems
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

    from opentelemetry.propagators.textmap import TextMapPropagator

__all__ = ["create_propagator"]

_GROUP: Final = "opentelemetry_propagator"


def create_propagator(config: OtelConfig) -> TextMapPropagator:
    """Return the propagators that `config` names, as one; ``none`` among them means no propagation at all.

    One that is not installed or fails is told and left out. If none is left, the default ones take their place, for a
    typing error must not cut a trace in two.
    """
    if config.file is not None:
        from codeanatomy_distro.otel import declared  # start-up cost: a package of an extra

        return declared.declared_propagator(config)
    named = config[settings.PROPAGATORS]
    if any(name.lower() == "none" for name in named):
        return CompositePropagator([])
    return CompositePropagator(_load(named) or _load(settings.PROPAGATORS.default))


def _load(named: Sequence[str]) -> list[TextMapPropagator]:
    installed = {entry.name.lower(): entry for entry in entry_points(group=_GROUP)}
    return [made for name in named if (made := _create(name, installed.get(name.lower()))) is not None]


def _create(name: str, entry: EntryPoint | None) -> TextMapPropagator | None:
    reason = "no propagator of that name is installed"
    if entry is not None:
        try:
            return entry.load()()
        except Exception as error:  # noqa: BLE001 - somebody else's propagator; the program must start
            reason = f"it failed: {type(error).__name__}: {to_text(error)}"
    used = f"the others, or else {settings.PROPAGATORS.show(settings.PROPAGATORS.default)}"
    report_problems(OtelConfig({}, (Problem(settings.PROPAGATORS.name, name, reason, used),)))
    return None
