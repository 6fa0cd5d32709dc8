"""The doctor on the choice of distro and configurator: which wins, on which way of starting, and why."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from codeanatomy_distro import settings
from codeanatomy_distro.cli.doctor_report import Section

if TYPE_CHECKING:
    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["examine"]

_GROUPS: Final = (
    ("distro", "opentelemetry_distro", settings.PYTHON_DISTRO),
    ("configurator", "opentelemetry_configurator", settings.PYTHON_CONFIGURATOR),
)


def examine(config: OtelConfig) -> Section:
    """Return who is chosen and why."""
    section = Section("Distro and configurator")
    rivals: list[EntryPoint] = []
    unset: list[str] = []
    for noun, group, row in _GROUPS:
        found = list(entry_points(group=group))
        installed = [f"{entry.name} ({_package(entry)})" for entry in found]
        chosen = config[row]
        winner, reason = _winner(found, chosen, row.name)
        section.lines.append(f"{noun}: {winner}, {reason}; installed: {', '.join(installed) or 'none'}")
        section.data[noun] = {"winner": winner, "reason": reason, "installed": installed}
        if settings.DISTRO_NAME not in {entry.name for entry in found}:
            section.find(
                f"the {noun} of codeanatomy-distro is not registered, so that OpenTelemetry can't find it",
                "pip install --force-reinstall --no-deps codeanatomy-distro",
            )
        others = [entry for entry in found if entry.name != settings.DISTRO_NAME]
        if others and chosen is None:
            rivals += others
            unset.append(row.name)
    if rivals:
        packages = sorted({_package(entry) for entry in rivals})
        section.find(
            f"two distros: {', '.join(packages)} is installed beside codeanatomy-distro. opentelemetry-instrument "
            "takes codeanatomy, but PYTHONPATH injection and initialize() take whichever is found first",
            f"export {' '.join(f'{name}=codeanatomy' for name in unset)}   (or: pip uninstall {' '.join(packages)})",
        )
    return section


def _winner(found: list[EntryPoint], chosen: str | None, variable: str) -> tuple[str, str]:
    if chosen is not None:
        return chosen, f"by {variable}"
    if len(found) == 1:
        return found[0].name, "the only one"
    if not found:
        return "none", "nothing is installed"
    first = found[0].name
    return settings.DISTRO_NAME, f"under opentelemetry-instrument; elsewhere {first}, the first that is found"


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown package"
