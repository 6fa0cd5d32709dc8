"""Exporters behind redaction: what a factory makes is wrapped, on the thread and at the time it is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeanatomy_distro import settings
from codeanatomy_distro.otel.delivery import ExporterFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.otel.delivery import Exporter
    from codeanatomy_distro.otel.redaction import Redactor

__all__ = ["redactor_factory", "repository_roots", "with_redaction"]


def with_redaction(create_exporter: ExporterFactory, signal: str, config: OtelConfig) -> ExporterFactory:
    """Return a factory whose exporter redacts as `config` says, or `create_exporter` itself for ``off``."""
    if config[settings.REDACTION] == "off":
        return create_exporter
    create_redactor = redactor_factory(config)

    def create() -> Exporter:
        # Start-up cost: when the first export is due, as below.
        from codeanatomy_distro.otel import redacting
        from codeanatomy_distro.otel.prepared_exporter import PreparedExporter

        redactor = create_redactor()
        wrappers: dict[str, Any] = {
            "traces": redacting.RedactingSpanExporter,
            "metrics": redacting.RedactingMetricExporter,
            "logs": redacting.RedactingLogRecordExporter,
        }
        exporter = create_exporter()
        if redactor is None:
            return exporter
        return PreparedExporter(exporter, lambda inner: wrappers[signal](inner, redactor))

    return ExporterFactory(create, create_exporter.destination, create_exporter.warm)


def redactor_factory(config: OtelConfig) -> Callable[[], Redactor | None]:
    """Return what makes the redactor that `config` asks for, None for ``off``."""
    started_in = os.getcwd()  # noqa: PTH109 - a text; the program may have moved on when the redactor is made

    def create() -> Redactor | None:
        # Start-up cost: the patterns compile when the first export is due, on the thread that exports.
        from codeanatomy_distro.otel.redaction import create_redactor

        return create_redactor(
            config[settings.REDACTION],
            config[settings.REDACT_KEYS],
            os.path.expanduser("~"),  # noqa: PTH111 - never fails, unlike Path.home()
            config[settings.REPO_ROOTS] or repository_roots(started_in),
        )

    return create


def repository_roots(directory: str) -> tuple[str, ...]:
    """Return the root of the repository that holds `directory`, or nothing outside of one."""
    try:
        start = Path(directory)
        return next(((str(one),) for one in (start, *start.parents) if (one / ".git").exists()), ())
    except OSError:  # a directory that may not be looked at
        return ()
