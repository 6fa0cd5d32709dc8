"""The command line: ``codeanatomy-otel settings | doctor | report``."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast

from codeanatomy_distro.cli.printing import tolerate_any_text
from codeanatomy_distro.environment import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMMANDS: Final = {
    "settings": "codeanatomy_distro.cli.settings_command",
    "doctor": "codeanatomy_distro.cli.doctor",
    "report": "codeanatomy_distro.cli.report",
}


class _Command(Protocol):
    """What each module of a command has: its texts, its arguments, and what it does."""

    HELP: str
    DESCRIPTION: str
    EPILOG: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def main(self, options: argparse.Namespace) -> int: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; 2 for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="codeanatomy-otel",
        description="Settings, health and telemetry of programs observed by codeanatomy-distro.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        # Start-up cost: the modules of the commands import what they need when they run.
        command = cast("_Command", import_module(module))
        below = commands.add_parser(
            name,
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=command.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(below)
        below.set_defaults(main=command.main)
    tolerate_any_text()
    options = parser.parse_args(arguments)
    # As the user set it: importing OpenTelemetry's API mends what it can't read itself (`api_environment`).
    options.environ = dict(environment())
    try:
        code: int = options.main(options)
        print(end="", flush=True)
    except BrokenPipeError:  # such as `codeanatomy-otel settings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
