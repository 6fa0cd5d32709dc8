"""The doctor on packages: versions, whether they fit each other, duplicates, and the libraries that are observed."""

from __future__ import annotations

import platform
import sys
from collections import Counter, defaultdict
from importlib.metadata import Distribution, distributions, entry_points
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from codeanatomy_distro.cli.doctor_report import Section

__all__ = ["examine", "examine_libraries"]

_OURS: Final = "codeanatomy-distro"
_BESIDE: Final = frozenset({"grpcio", "protobuf", "wrapt", "googleapis-common-protos", "requests"})
_OTHER_AGENTS: Final = {
    "ddtrace": "Datadog",
    "newrelic": "New Relic",
    "elastic-apm": "Elastic APM",
    "scout-apm": "Scout",
}


def examine() -> Section:
    """Return Python, the packages of OpenTelemetry, and where they don't fit each other."""
    section = Section("Python and packages")
    python = f"Python {platform.python_version()} ({sys.implementation.name}) at {sys.executable}"
    section.lines.append(python)
    section.data["python"] = platform.python_version()
    installed = _installed()
    for name in sorted(installed):
        if _is_telemetry(name):
            versions = ", ".join(one.version for one in installed[name])
            section.lines.append(f"{name} {versions}")
            section.data[name] = installed[name][0].version
    for name, copies in installed.items():
        if _is_telemetry(name) and len(copies) > 1:
            versions = " and ".join(one.version for one in copies)
            section.find(
                f"{name} is installed {len(copies)} times ({versions}); which one is used is a matter of luck",
                f"pip uninstall -y {name}, until it is gone, and install it again",
            )
    _find_misfits(section, installed)
    _find_duplicates(section)
    for name, product in _OTHER_AGENTS.items():
        if name in installed:
            section.lines.append(f"{product} ({name}) is installed too: run a program under one agent, not both")
    return section


def examine_libraries() -> Section:
    """Return the libraries that we observe, and whether their versions are ones that we know."""
    section = Section("Libraries")
    installed = _installed()
    wanted = [one for one in _requirements(installed.get(_OURS, [])) if one.marker is not None]
    for extra, library in (("datafusion", "datafusion"), ("hamilton", "apache-hamilton")):
        copies = installed.get(library) or installed.get(library.replace("apache-", "sf-"))
        if not copies:
            section.lines.append(f"{library}: not installed; its instrumentor has nothing to do")
            continue
        version = copies[0].version
        section.lines.append(f"{library} {version}")
        section.data[library] = version
        for requirement in wanted:
            if canonicalize_name(requirement.name) == library and not requirement.specifier.contains(
                version, prereleases=True
            ):
                section.find(
                    f"{library} {version} is not a version that we know ({requirement.specifier})",
                    f"pip install 'codeanatomy-distro[{extra}]'",
                )
    return section


def _installed() -> dict[str, list[Distribution]]:
    found: dict[str, list[Distribution]] = defaultdict(list)
    seen: set[str] = set()
    for one in distributions():
        place = str(one.locate_file(""))
        name = canonicalize_name(one.name or "")
        if (key := f"{place} {name} {one.version}") not in seen:
            seen.add(key)
            found[name].append(one)
    return found


def _is_telemetry(name: str) -> bool:
    return name.startswith("opentelemetry") or name == _OURS or name in _BESIDE


def _requirements(copies: list[Distribution]) -> list[Requirement]:
    parsed: list[Requirement] = []
    for text in (copies[0].requires or []) if copies else []:
        try:
            parsed.append(Requirement(text))
        except InvalidRequirement:  # noqa: PERF203 - somebody else's metadata
            continue
    return parsed


def _find_misfits(section: Section, installed: dict[str, list[Distribution]]) -> None:
    """Find packages that ask for a version of another which is not the one that is there."""
    for name, copies in sorted(installed.items()):
        if not (name.startswith("opentelemetry") or name == _OURS):
            continue
        for requirement in _requirements(copies):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            other = installed.get(canonicalize_name(requirement.name))
            asked = f"{requirement.name}{requirement.specifier}"
            if not other:
                section.find(
                    f"{name} {copies[0].version} needs {asked}, which is not installed", f"pip install '{asked}'"
                )
            elif not requirement.specifier.contains(other[0].version, prereleases=True):
                section.find(
                    f"{name} {copies[0].version} needs {asked}, but {other[0].version} is installed",
                    f"pip install --upgrade {name} '{asked}'",
                )


def _find_duplicates(section: Section) -> None:
    """Find plug-ins of one name in one group: which of two is loaded is a matter of luck."""
    groups = {entry.group for one in distributions() for entry in one.entry_points}
    # Of the modules with names, each is loaded.
    for group in sorted(groups - {"opentelemetry_environment_variables"}):
        if not group.startswith("opentelemetry_"):
            continue
        found = {(entry.name, entry.value): entry for entry in entry_points(group=group)}
        for name, count in Counter(name for name, _ in found).items():
            if count > 1:
                packages = sorted({entry.dist.name for (one, _), entry in found.items() if one == name and entry.dist})
                section.find(
                    f"{count} plug-ins of {group} are named {name!r} ({', '.join(packages)}); only one is loaded",
                    f"pip uninstall one of: {', '.join(packages)}",
                )
