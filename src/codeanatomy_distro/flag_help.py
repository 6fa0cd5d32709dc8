"""What `opentelemetry-instrument --help` says of each flag: the help of its setting.

The command makes its flags of names alone and passes no help on. This adds it in the one process of which nothing is
left once help is printed: that of the command, and only when it was asked for help.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.variable_names import flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeanatomy_distro.setting import Setting

__all__ = ["add_flag_help", "is_help_wanted"]

_COMMAND: Final = "opentelemetry-instrument"


def is_help_wanted(arguments: Sequence[str]) -> bool:
    """Return whether a process with that command line is the command, asked for its help."""
    return bool(arguments) and PurePath(arguments[0]).stem == _COMMAND and not {"-h", "--help"}.isdisjoint(arguments)


def add_flag_help() -> None:
    """Have the command's help tell of each flag what the table of settings says."""
    told = {flag(name): _text(setting) for name, setting in settings.by_name().items()}
    original = ArgumentParser.format_help

    def format_help(self: ArgumentParser) -> str:
        for action in self._actions:  # argparse has no public way to its arguments
            if action.help is None:
                action.help = told.get(action.dest)
        return original(self)

    ArgumentParser.format_help = format_help


def _text(setting: Setting[Any]) -> str:
    allowed = "" if setting.kind.allowed == "any text" else f" Takes {setting.kind.allowed}."
    return f"{setting.help}{allowed} Default: {setting.shown_default}.".replace("%", "%%")
