"""Keeps a bad value of a variable that OpenTelemetry's API reads while it is imported from stopping the program.

A name in ``OTEL_PROPAGATORS`` that is not installed, or fails, makes `import opentelemetry.propagate` fail, and with it
`opentelemetry-instrument`, before any plug-in is asked (opentelemetry-python, `propagate/__init__.py`); one in
``OTEL_PYTHON_CONTEXT`` prints a traceback. ``codeanatomy_distro.pth`` has `install` called at the start of a Python
that has one of them set; the check itself waits until the API is imported.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from codeanatomy_distro.setting import Problem, Setting

__all__ = ["install", "mend_context", "mend_propagators"]

_CONTEXT: Final = "opentelemetry.context"


class _BeforeTheApi:
    """Finds no module; it is asked before any other finder, and that is all it is for."""

    def __init__(self) -> None:
        # Each by itself: loading a propagator imports the context, which must not be on its way just then.
        self._mends: dict[str, Callable[[], None]] = {
            _CONTEXT: mend_context,
            "opentelemetry.propagate": mend_propagators,
        }

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's own
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        """Mend a variable once, when the module that reads it is about to be imported; return None."""
        mend = self._mends.pop(fullname, None)
        if mend is not None:
            mend()
        return None


def install() -> None:
    """Have the environment mended when the API is imported."""
    sys.meta_path.insert(0, _BeforeTheApi())


def mend_propagators() -> None:
    """Write what is used in place of a bad or broken name, and warn of it as the distro does of all other settings."""
    # Start-up cost: of all this a Python that does not import the API needs nothing.
    from codeanatomy_distro import settings
    from codeanatomy_distro.plugins import entry_points
    from codeanatomy_distro.setting import Problem

    row = settings.PROPAGATORS
    named = _mend(row)
    good: list[str] = []
    reasons: dict[str, str] = {}
    for name in named:
        try:
            for entry in entry_points(group="opentelemetry_propagator", name=name):
                entry.load()()
            good.append(name)
        except Exception as error:  # noqa: BLE001, PERF203 - somebody else's propagator; the program must start
            reasons[name] = f"it failed: {type(error).__name__}: {error}"
    if reasons:
        os.environ[row.name] = row.kind.write(tuple(good) or row.default)
    for name, reason in reasons.items():
        _warn(Problem(row.name, name, reason, os.environ[row.name]))


def mend_context() -> None:
    """Do the same for the context, whose package can only be tried by the API itself: a failure becomes one line."""
    import logging  # start-up cost, as above

    from codeanatomy_distro import settings
    from codeanatomy_distro.setting import Problem

    row = settings.PYTHON_CONTEXT
    name = _mend(row)

    def tell_in_one_line(record: logging.LogRecord) -> bool:
        if str(record.msg).startswith("Failed to load context") and record.exc_info:
            error = record.exc_info[1]
            reason = f"it failed: {type(error).__name__}: {error}"
            record.msg, record.args = "%s", (str(Problem(row.name, name, reason, row.default)),)
            record.exc_info = None
            os.environ.pop(row.name, None)  # the processes that this one starts find the default, and repeat nothing
        return True

    if name != row.default:
        logging.getLogger(_CONTEXT).addFilter(tell_in_one_line)


def _mend(setting: Setting[Any]) -> Any:  # noqa: ANN401 - a value of any setting
    """Return the value of `setting`, with the variable set to what says just that, and each problem told."""
    from codeanatomy_distro.setting import resolve  # start-up cost, as above

    found, problems = resolve(setting, os.environ)
    for problem in problems:
        _warn(problem)
    if found.variable is not None:
        os.environ[setting.name] = setting.kind.write(found.value)
    else:  # blank, which the API does not take for unset
        os.environ.pop(setting.name, None)
    return found.value


def _warn(problem: Problem) -> None:
    import logging  # start-up cost, as above

    logging.getLogger("codeanatomy_distro").warning("%s", problem)
