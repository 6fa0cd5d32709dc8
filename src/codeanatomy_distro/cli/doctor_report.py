"""What the doctor says: findings, each with its cure, and the facts of each section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding", "Section"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    what: str
    cure: str


@dataclass
class Section:
    """One part of the examination: `lines` for people, `data` for machines, and what was found wrong."""

    title: str
    lines: list[str] = field(default_factory=list[str])
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    findings: list[Finding] = field(default_factory=list[Finding])

    def find(self, what: str, cure: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(what, cure))
