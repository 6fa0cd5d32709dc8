"""The doctor on the resource: each detector with its time, and what the service will be called."""

from __future__ import annotations

import time
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, cast

from codeanatomy_distro import settings
from codeanatomy_distro.cli.doctor_report import Section
from codeanatomy_distro.cli.doctor_settings import find_problem
from codeanatomy_distro.otel.resources import create_resource

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Problem

__all__ = ["examine"]

_SLOW: Final = 1.0  # seconds; all detectors together are given two
_SHOWN: Final = ("service.name", "service.version", "service.namespace", "deployment.environment.name")


def examine(config: OtelConfig) -> tuple[Resource, Section]:
    """Run each detector by itself; return the resource that a program would have, and what there is to say of it."""
    section = Section("Resource")
    known = {entry.name: entry for entry in entry_points(group="opentelemetry_resource_detector")}
    named = config[settings.RESOURCE_DETECTORS]
    for name in known if "*" in named else named:
        if name not in known:
            section.lines.append(f"detector {name}: not installed, left out")
            continue
        started = time.perf_counter()
        try:
            found: Any = known[name].load()().detect()
        except Exception as error:  # noqa: BLE001 - whatever a detector does is what is to be told
            section.lines.append(f"detector {name}: failed ({type(error).__name__}: {error})")
            section.find(f"the resource detector {name} fails: {error}", _without(named, name))
            continue
        took = time.perf_counter() - started
        section.lines.append(f"detector {name}: {took * 1000:.0f} ms, {len(found.attributes)} attributes")
        section.data[name] = {"milliseconds": round(took * 1000, 1), "attributes": dict(found.attributes)}
        if took > _SLOW:
            section.find(f"the resource detector {name} takes {took:.1f} s at each start", _without(named, name))
    problems: list[Problem] = []
    resource = create_resource(config, problems)
    for problem in problems:
        find_problem(section, problem)
    for name in _SHOWN:
        if name in resource.attributes:
            section.lines.append(f"{name} = {resource.attributes[name]}")
    section.data["resource"] = cast("dict[str, Any]", dict(resource.attributes))
    return resource, section


def _without(named: tuple[str, ...], name: str) -> str:
    rest = ",".join(one for one in named if one not in {name, "*"}) or "otel"
    return f"export {settings.RESOURCE_DETECTORS.name}={rest}"
