"""Collects the diagnostics of a run and emits each as it is recorded."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codeanatomy_distro.obs.logs import EventKind, emit_diagnostics_event

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Diagnostic", "DiagnosticsCollector"]


@dataclass(frozen=True)
class Diagnostic:
    """One recorded event or artifact."""

    name: str
    kind: EventKind
    payload: Mapping[str, object] = field(default_factory=dict[str, object])


class DiagnosticsCollector:
    """Records events and artifacts: each is emitted at once, and kept, oldest first, up to `capacity`.

    Threads may share one. What is beyond the capacity is still emitted; only the copy kept for reading is dropped.
    """

    def __init__(self, *, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._kept: list[Diagnostic] = []
        self._lock = threading.Lock()

    def record_event(self, name: str, payload: Mapping[str, object] | None = None) -> None:
        """Record that `name` happened."""
        self._record(Diagnostic(name, "event", dict(payload or {})))

    def record_artifact(self, name: str, payload: Mapping[str, object] | None = None) -> None:
        """Record that the artifact `name` was made."""
        self._record(Diagnostic(name, "artifact", dict(payload or {})))

    def events(self) -> list[Diagnostic]:
        """Return the kept events, oldest first."""
        return self._of_kind("event")

    def artifacts(self) -> list[Diagnostic]:
        """Return the kept artifacts, oldest first."""
        return self._of_kind("artifact")

    def _of_kind(self, kind: EventKind) -> list[Diagnostic]:
        with self._lock:
            return [diagnostic for diagnostic in self._kept if diagnostic.kind == kind]

    def _record(self, diagnostic: Diagnostic) -> None:
        with self._lock:
            if len(self._kept) < self._capacity:
                self._kept.append(diagnostic)
        emit_diagnostics_event(diagnostic.name, diagnostic.payload, kind=diagnostic.kind)
