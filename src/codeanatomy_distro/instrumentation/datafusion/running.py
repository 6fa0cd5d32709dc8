"""The executions under way in this process, for what the engine calls on threads of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw

__all__ = ["Running", "functions", "running"]


class Running:
    """One execution under way: the context that its work belongs to, and the frame that it executes."""

    __slots__ = ("context", "frame", "run_id", "stream", "text")

    def __init__(self, context: Context, frame: Raw, run_id: str | None, stream: Raw = None) -> None:
        self.context = context
        self.frame = frame
        self.run_id = run_id
        self.text: str | None = None
        self.stream = stream

    def calls(self, function: str) -> bool:
        """Tell whether the plan of this execution calls `function`; a plan that can't be asked may."""
        if self.text is None:
            plan = getattr(self.frame, "logical_plan", None)
            try:
                self.text = "" if plan is None else str(plan().display_indent())
            except RuntimeError:  # old releases lend a frame to one call at a time
                return True
        return not self.text or re.search(rf"(?<!\w){re.escape(function)}\(", self.text, re.IGNORECASE) is not None


running: Final[dict[int, Running]] = {}
"""Executions under way, by the identity of each; a dictionary, for its single operations are atomic."""


class _Functions:
    """Whether any function of the user's is wrapped: without one, nobody asks what runs."""

    any_wrapped = False


functions: Final = _Functions()
