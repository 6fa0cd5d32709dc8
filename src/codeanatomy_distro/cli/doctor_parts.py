"""The doctor on what a program makes of the settings: what is named there, and can't be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from codeanatomy_distro import settings
from codeanatomy_distro.otel.config import SIGNALS, OtelConfig
from codeanatomy_distro.otel.exporters import exporter_factories
from codeanatomy_distro.otel.id_generators import create_id_generator
from codeanatomy_distro.otel.propagators import create_propagator
from codeanatomy_distro.otel.sampling import configured_sampler

if TYPE_CHECKING:
    from codeanatomy_distro.setting import Problem

__all__ = ["problems_of_parts"]


def problems_of_parts(config: OtelConfig) -> list[Problem]:
    """Make sampler, id generator, propagators and exporters as a program does, and return what can't be used.

    Nothing is sent, and readers, which would take a port that a program may have, are not made.
    """
    problems: list[Problem] = []
    if config[settings.SDK_DISABLED]:
        return problems
    create_propagator(config, problems)
    if config.file is None:
        configured_sampler(config, problems)
        create_id_generator(config, problems)
        for signal in SIGNALS:
            exporter_factories(config, signal, problems)
        return problems
    # Start-up cost: a package of an extra.
    from codeanatomy_distro.otel.declared import declared_tracer_provider
    from codeanatomy_distro.otel.declared_exports import declared_exports

    declared_tracer_provider(config, Resource.get_empty(), problems)
    for signal in SIGNALS:
        declared_exports(config, signal, problems)
    return problems
