"""The doctor on settings: what can't be used, names that nobody reads, and what a run would send."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.cli.doctor_report import Section
from codeanatomy_distro.otel.related_settings import RATIO_SAMPLERS
from codeanatomy_distro.setting import Origin, Renamed, UsedInPart
from codeanatomy_distro.variable_names import unknown_names

if TYPE_CHECKING:
    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Problem, Setting

__all__ = ["describe_run", "examine", "find_problem"]

_SECTIONS: Final = {"traces": "tracer_provider", "metrics": "meter_provider", "logs": "logger_provider"}
# A run of the size that people have: what the graph, its nodes and their queries make of spans.
_NODES: Final = 20
_QUERIES: Final = 10


def examine(config: OtelConfig) -> Section:
    """Return what is wrong with the settings, and those that are not at their defaults."""
    section = Section("Settings")
    for problem in config.problems:
        find_problem(section, problem)
    for name, nearest in unknown_names(config.environ).items():
        section.find(
            f"{name} is set, but nothing reads a variable of that name",
            f"did you mean {nearest}? Rename it, or unset it"
            if nearest
            else "unset it; `codeanatomy-otel settings` has all names",
        )
    for setting in settings.TABLE:
        resolved = config.resolved(setting)
        if resolved.origin == Origin.DEFAULT:
            continue
        section.lines.append(f"{setting.name} = {setting.show(resolved.value)} [{resolved.origin}]")
        section.data[setting.name] = {"value": setting.show(resolved.value), "origin": resolved.origin}
    if not section.lines:
        section.lines.append("all at their defaults")
    return section


def find_problem(section: Section, problem: Problem) -> None:
    """Add the finding of a value that can't be used, with its cure."""
    section.find(str(problem), _cure(problem, settings.by_name()[problem.variable]))


def _cure(problem: Problem, row: Setting[Any]) -> str:
    reason, in_file = problem.reason, isinstance(problem, UsedInPart)
    if install := re.search(r"pip install .+", reason):
        return install[0]
    if package := re.search(r"it needs the package ([\w-]+)", reason):
        return f"pip install {package[1]}"
    if near := re.search(r"did you mean (\S+)\?", reason):
        return f"write {near[1]} in {problem.value if in_file else f'{problem.variable}, or unset it'}"
    if isinstance(problem, Renamed):
        return f"rename it to {problem.used}"
    if row is settings.CONFIG_FILE:
        missing = reason.startswith("no such file")
        mend = f"set {problem.variable} to the path of a file" if missing else f"mend {problem.value}"
        return f"{mend}, or unset {'it' if missing else problem.variable}"
    mend = "mend it" if row.kind.allowed == "any text" else f"give it a value ({row.kind.allowed})"
    return f"{mend}, or unset it"


def describe_run(config: OtelConfig) -> Section:
    """Return what a typical run would send under these settings."""
    section = Section("A typical run")
    if config[settings.SDK_DISABLED]:
        section.lines.append("sends nothing: OTEL_SDK_DISABLED=true")
        return section
    if config[settings.TEST_MODE]:
        section.lines.append("keeps all telemetry in memory and sends nothing: CODEANATOMY_OTEL_TEST_MODE=true")
        return section
    spans = 1 + _NODES + _QUERIES
    facts = {
        "traces": f"{_share(config)}; {_NODES} Hamilton nodes with {_QUERIES} DataFusion queries make {spans} spans",
        "metrics": f"every {config[settings.METRIC_EXPORT_INTERVAL] / 1000:g} s and once at the end",
        "logs": "each logging record that reaches the root logger",
        "redaction": config[settings.REDACTION],
        "leaving": f"takes at most {config[settings.SHUTDOWN_TIMEOUT] / 1000:g} s when the Collector does not answer",
    }
    for signal, row in settings.SIGNAL_EXPORTER.items():
        if config.file is None and config[row] == ("none",):
            facts[signal] = f"none: {row.name}=none"
        elif config.file is not None and getattr(config.file.model, _SECTIONS[signal]) is None:
            facts[signal] = f"none: {config[settings.CONFIG_FILE]} has no {_SECTIONS[signal]}"
    section.lines += [f"{name}: {fact}" for name, fact in facts.items()]
    section.data.update(facts)
    return section


def _share(config: OtelConfig) -> str:
    sampler = config[settings.TRACES_SAMPLER]
    if sampler in RATIO_SAMPLERS:
        rules = f", and by {len(config.sampling_rules)} rules" if config.sampling_rules else ""
        return f"{config.sampler_ratio * 100:.4g} % of all runs ({sampler}){rules}"
    words = {"always_on": "every run", "always_off": "no run"}
    return f"{words.get(sampler.removeprefix('parentbased_'), 'as the sampler decides')} ({sampler})"
