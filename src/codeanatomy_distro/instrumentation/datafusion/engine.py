"""What the engine gives us: its classes have no types of their own, and what the user calls it with may be anything."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Raw"]

Raw: TypeAlias = Any
"""An object of the engine's or pyarrow's, or an argument or result of the user's call."""
