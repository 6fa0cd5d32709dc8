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
    groups = {noun: list(entry_points(group=group)) for noun, group, _ in _GROUPS}
    rivals: list[EntryPoint] = []
    unset: dict[str, str] = {}
    with_it = ""
    for (noun, _, row), (other_noun, _, other_row) in zip(_GROUPS, reversed(_GROUPS), strict=True):
        found = groups[noun]
        companion = _companion(groups[other_noun], config[other_row], found)
        # Our distro, once it is chosen, chooses its configurator on every way of starting.
        settled = noun == "configurator" and config[other_row] == settings.DISTRO_NAME
        chosen = config[row] or (companion if settled else None)
        variable = row.name if config[row] else other_row.name
        installed = [f"{entry.name} ({_package(entry)})" for entry in found]
        winner, reason = _winner(found, chosen, variable, companion)
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
            unset[row.name] = companion or settings.DISTRO_NAME
            with_it = f", and of the two only {other_row.name} is set" if companion else ""
    if rivals:
        packages = sorted({_package(entry) for entry in rivals})
        taken = " and ".join(dict.fromkeys(unset.values()))
        section.find(
            f"two distros: {', '.join(packages)} is installed beside codeanatomy-distro{with_it}. "
            f"opentelemetry-instrument takes {taken}, but PYTHONPATH injection and initialize() take whichever is "
            "found first",
            f"export {' '.join(f'{name}={value}' for name, value in unset.items())}"
            f"   (or: pip uninstall {' '.join(packages)})",
        )
    return section


def _winner(found: list[EntryPoint], chosen: str | None, variable: str, companion: str | None) -> tuple[str, str]:
    if chosen is not None:
        return chosen, f"by {variable}"
    if len(found) == 1:
        return found[0].name, "the only one"
    if not found:
        return "none", "nothing is installed"
    winner = companion or settings.DISTRO_NAME
    return winner, f"under opentelemetry-instrument; elsewhere {found[0].name}, the first that is found"


def _companion(others: list[EntryPoint], chosen: str | None, found: list[EntryPoint]) -> str | None:
    """Return which of `found` comes with the one of `others` that is chosen, None where none is."""
    packages = {_package(entry) for entry in others if entry.name == chosen}
    return next((entry.name for entry in found if _package(entry) in packages), None)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown package"
