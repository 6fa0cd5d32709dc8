"""Entry points, by the look-up that OpenTelemetry itself uses: it reads the installed packages once for all of us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.util import _importlib_metadata as metadata

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

__all__ = ["entry_points"]


def entry_points(*, group: str, name: str | None = None) -> Iterable[EntryPoint]:
    """Return the entry points of `group`, or those of them that are called `name`."""
    return metadata.entry_points(group=group) if name is None else metadata.entry_points(group=group, name=name)
