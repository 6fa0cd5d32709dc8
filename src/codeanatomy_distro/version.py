"""Our name and version, apart from all else for start-up cost: the installed metadata takes 5 ms to read."""

from __future__ import annotations

from typing import Final

__all__ = ["DISTRO_NAME", "__version__"]

DISTRO_NAME: Final = "codeanatomy"
"""The name of our distro, configurator, sampler and default service."""

__version__: Final = "0.1.0"
