"""The doctor on instrumentors: each loaded, skipped or failed, and why."""

from __future__ import annotations

import time
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.dependencies import DependencyConflictError

from codeanatomy_distro import settings
from codeanatomy_distro.cli.doctor_report import Section
from codeanatomy_distro.otel.instrumentors import wanted

if TYPE_CHECKING:
    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["examine"]

_GROUP: Final = "opentelemetry_instrumentor"


def examine(config: OtelConfig) -> Section:
    """Load each instrumentor as a program would, take it off again, and return what came of it."""
    section = Section("Instrumentors")
    found = sorted(entry_points(group=_GROUP), key=lambda entry: entry.name)
    for entry in found:
        status, reason = _skipped(entry.name, config)
        if not status:
            status, reason = _load(entry)
        section.lines.append(f"{entry.name}: {status} ({reason})")
        section.data[entry.name] = {"status": status, "reason": reason}
        if status == "failed":
            package = entry.dist.name if entry.dist is not None else entry.name
            section.find(
                f"the instrumentor {entry.name} fails: {reason}",
                f"export OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={entry.name}, or upgrade {package}",
            )
    names = [entry.name for entry in found]
    for name in config[settings.DISABLED_INSTRUMENTATIONS]:
        near = get_close_matches(name, names, n=1)
        if name != "*" and name not in names and near:
            section.find(
                f"{settings.DISABLED_INSTRUMENTATIONS.name} names {name!r}, and no instrumentor has that name",
                f"did you mean {near[0]}?",
            )
    return section


def _skipped(name: str, config: OtelConfig) -> tuple[str, str]:
    disabled = config[settings.DISABLED_INSTRUMENTATIONS]
    if config[settings.SDK_DISABLED]:
        return "skipped", settings.SDK_DISABLED.name
    if name in disabled or "*" in disabled:
        return "skipped", settings.DISABLED_INSTRUMENTATIONS.name
    if wanted(name, config):
        return "", ""
    if name == "system_metrics":
        return "skipped", f"{settings.SYSTEM_METRICS.name} is not true"
    return "skipped", "the distro does its work"


def _load(entry: EntryPoint) -> tuple[str, str]:
    started = time.perf_counter()
    try:
        instrumentor: Any = entry.load()()
        already = getattr(instrumentor, "is_instrumented_by_opentelemetry", False)
        if not already:
            instrumentor.instrument(raise_exception_on_conflict=True)
            instrumentor.uninstrument()
    except (DependencyConflictError, ModuleNotFoundError) as missing:
        return "skipped", f"its library is missing or of a version that it does not know: {missing}"
    except Exception as error:  # noqa: BLE001 - whatever an instrumentor does is what is to be told
        return "failed", f"{type(error).__name__}: {error}"
    return "loaded", f"{(time.perf_counter() - started) * 1000:.0f} ms"
