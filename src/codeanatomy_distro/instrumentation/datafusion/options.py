"""What the instrumentor was asked to do, read once when it instruments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codeanatomy_distro import settings
from codeanatomy_distro.instrumentation.datafusion.query import QueryReader
from codeanatomy_distro.instrumentation.datafusion.tracing import SpanSource

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from codeanatomy_distro.instrumentation.datafusion.plan_mask import PlanMask

__all__ = ["Options", "read_options"]


@dataclass
class Options:
    """Levels and sources of telemetry.

    `figures` is ``off``, ``summary`` or ``full``, and `text_level` ``off``, ``masked`` or ``full``. `convention` tells
    whether the stable database convention's duration is recorded beside ours. `meter_provider` is the one that was
    given in place of the global one. `has_own_catalogs` tells whether the program has given the engine catalogs or
    schemas of its own, which must not be asked for our sake.
    """

    figures: str
    reader: QueryReader
    spans: SpanSource
    convention: bool = False
    plan_mask: PlanMask | None = None
    text_level: str = "masked"
    has_figures: bool = False
    has_own_catalogs: bool = False
    meter_provider: MeterProvider | None = None

    @property
    def reads_figures(self) -> bool:
        """Tell whether the engine's own figures are wanted, and to be had."""
        return self.has_figures and self.figures != "off"

    def mask(self, texts: tuple[str, ...], tables: tuple[str, ...]) -> tuple[str, ...]:
        """Return the texts of a plan's operators as the level of query text lets them be told."""
        if self.text_level == "full":
            return texts
        if self.text_level == "off" or self.plan_mask is None:
            return tuple(text.split(":", 1)[0] for text in texts)
        return self.plan_mask.mask(texts, tables)


def read_options(tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None) -> Options:
    """Return the options that the environment asks for; a provider that is given is used in place of the global one."""
    stability = settings.current(settings.SEMCONV_STABILITY_OPT_IN)
    text_level = settings.current(settings.DATAFUSION_QUERY_TEXT)
    return Options(
        figures=settings.current(settings.DATAFUSION_METRICS),
        reader=QueryReader(text_level),
        spans=SpanSource(tracer_provider),
        convention=not {"database", "database/dup", "db", "db/dup"}.isdisjoint(stability),
        text_level=text_level,
        meter_provider=meter_provider,
    )
