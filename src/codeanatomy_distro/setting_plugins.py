"""Kinds of value that name something installed: an entry point of a group, beside the names that are always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from codeanatomy_distro.setting_kinds import BadValue, Kind, checked, each, join

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["plugin", "plugins"]

# Where a package that is often meant is not installed, the message names it.
_PACKAGES: Final[Mapping[tuple[str, str], str]] = {
    ("opentelemetry_id_generator", "xray"): "opentelemetry-sdk-extension-aws",
    ("opentelemetry_propagator", "b3"): "opentelemetry-propagator-b3",
    ("opentelemetry_propagator", "b3multi"): "opentelemetry-propagator-b3",
    ("opentelemetry_propagator", "jaeger"): "opentelemetry-propagator-jaeger",
    ("opentelemetry_propagator", "ottrace"): "opentelemetry-propagator-ot-trace",
    ("opentelemetry_propagator", "xray"): "opentelemetry-propagator-aws-xray",
    ("opentelemetry_traces_exporter", "zipkin"): "opentelemetry-exporter-zipkin",
    ("opentelemetry_metrics_exporter", "prometheus"): "opentelemetry-exporter-prometheus",
}


def plugin(group: str, *built_in: str, noun: str) -> Kind[str]:
    """Return the kind of one name: one of `built_in`, in any case, or an entry point of `group`."""
    return Kind("name", _finder(group, built_in, noun), allowed=_allowed(group, built_in))


def plugins(group: str, *built_in: str, noun: str, nothing: str | None = "none") -> Kind[tuple[str, ...]]:
    """Return the kind of a list of such names; `nothing` is the word for none of them, and wrong beside others."""
    find = _finder(group, (*built_in, nothing) if nothing else built_in, noun)

    def parse(raw: str) -> tuple[str, ...]:
        good, faults = each(find, raw)
        if not good and not faults:
            faults.append("it names nothing")  # such as a comma alone: not to be taken for the wish to have none
        if nothing in good and len(good) > 1:
            good = tuple(name for name in good if name != nothing)
            faults.append(f"'{nothing}' beside others means nothing")
        return checked(good, faults)

    more = f", or {nothing}" if nothing else ""
    return Kind("list", parse, join, f"{_allowed(group, built_in)}; several with commas{more}")


def _allowed(group: str, built_in: tuple[str, ...]) -> str:
    others = ", ".join(name for of_group, name in _PACKAGES if of_group == group)
    return ", ".join((*built_in, f"an entry point of {group}{f' (such as {others})' if others else ''}"))


def _finder(group: str, built_in: tuple[str, ...], noun: str) -> Callable[[str], str]:
    known = {name.lower(): name for name in built_in}

    def find(raw: str) -> str:
        if raw.lower() in known:
            return known[raw.lower()]
        from difflib import get_close_matches  # start-up cost: the names are the usual ones, nearly always

        from codeanatomy_distro.plugins import entry_points

        installed = {entry.name for entry in entry_points(group=group)}
        if raw in installed:
            return raw
        package = _PACKAGES.get((group, raw.lower()))
        if package:
            reason = f"it needs the package {package}"
        else:
            near = get_close_matches(
                raw.lower()[:100], sorted({*known, *installed}), n=1, cutoff=0.7
            )  # none is not near on
            hint = f" (did you mean {near[0]}?)" if near else ""
            reason = f"no {noun} of that name is installed{hint}"
        raise BadValue(reason)

    return find
