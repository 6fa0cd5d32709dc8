"""Exporters behind redaction: what a factory makes is wrapped, on the thread and at the time it is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeanatomy_distro import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.batching import Exporter
    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["repository_roots", "with_redaction"]


def with_redaction(create_exporter: Callable[[], Exporter], signal: str, config: OtelConfig) -> Callable[[], Exporter]:
    """Return a factory whose exporter redacts as `config` says, or `create_exporter` itself for ``off``."""
    if config[settings.REDACTION] == "off":
        return create_exporter
    started_in = os.getcwd()  # noqa: PTH109 - a text; the program may have moved on when the exporter is made

    def create() -> Exporter:
        # Start-up cost: the patterns compile when the first export is due, on the thread that exports.
        from codeanatomy_distro.otel import redacting
        from codeanatomy_distro.otel.redaction import create_redactor

        redactor = create_redactor(
            config[settings.REDACTION],
            config[settings.REDACT_KEYS],
            os.path.expanduser("~"),  # noqa: PTH111 - never fails, unlike Path.home()
            config[settings.REPO_ROOTS] or repository_roots(started_in),
        )
        wrappers: dict[str, Any] = {
            "traces": redacting.RedactingSpanExporter,
            "metrics": redacting.RedactingMetricExporter,
            "logs": redacting.RedactingLogRecordExporter,
        }
        exporter = create_exporter()
        return exporter if redactor is None else wrappers[signal](exporter, redactor)

    return create


def repository_roots(directory: str) -> tuple[str, ...]:
    """Return the root of the repository that holds `directory`, or nothing outside of one."""
    try:
        start = Path(directory)
        return next(((str(one),) for one in (start, *start.parents) if (one / ".git").exists()), ())
    except OSError:  # a directory that may not be looked at
        return ()
