"""The version of this distribution: read from here, for reading it from the installed metadata takes 5 ms a start."""

from __future__ import annotations

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
