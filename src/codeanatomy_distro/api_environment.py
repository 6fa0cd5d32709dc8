"""Keeps a bad value of a variable that OpenTelemetry's API reads while it is imported from stopping the program.

A name in ``OTEL_PROPAGATORS`` that is not installed makes `import opentelemetry.propagate` fail, and with it
`opentelemetry-instrument`, before any plug-in is asked (opentelemetry-python, `propagate/__init__.py`); one in
``OTEL_PYTHON_CONTEXT`` prints a traceback. ``codeanatomy_distro.pth`` has `install` called at the start of a Python
that has one of them set; the check itself waits until the API is imported.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["install", "mend_environment"]

_API: Final = frozenset({"opentelemetry.context", "opentelemetry.propagate"})


class _BeforeTheApi:
    """Finds no module; it is asked before any other finder, and that is all it is for."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's own
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        """Mend the environment once, when the API is about to be imported; return None."""
        if fullname in _API and self in sys.meta_path:
            sys.meta_path.remove(self)
            mend_environment()
        return None


def install() -> None:
    """Have the environment mended when the API is imported."""
    sys.meta_path.insert(0, _BeforeTheApi())


def mend_environment() -> None:
    """Write what is used in place of a bad name, and warn of it, as the distro does for all other settings later."""
    # Start-up cost: of all this a Python that does not import the API needs nothing.
    import logging
    import os

    from codeanatomy_distro import settings
    from codeanatomy_distro.setting import resolve

    for setting in (settings.PROPAGATORS, settings.PYTHON_CONTEXT):
        found, problems = resolve(setting, os.environ)
        for problem in problems:
            logging.getLogger("codeanatomy_distro").warning("%s", problem)
        if found.variable is not None:
            os.environ[setting.name] = setting.kind.write(found.value)
        else:  # blank, which the API does not take for unset
            os.environ.pop(setting.name, None)
