"""``codeanatomy-otel settings``: every setting with its value, where that came from, its default and its meaning."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.cli.printing import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Setting

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "add_arguments", "main"]

HELP: Final = "show every setting, its value and where that comes from"
DESCRIPTION: Final = (
    "Show every setting with its value, the origin of that value, its default and its meaning. Secrets are masked.\n"
    "The exit code is 1 when a value can't be used or a name is unknown, else 0."
)
EPILOG: Final = "examples:\n  codeanatomy-otel settings --changed\n  codeanatomy-otel settings --json | jq .settings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``settings`` to its parser."""
    parser.add_argument("--changed", action="store_true", help="show only what is not at its default")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print the reference of all settings, docs/settings.md")
    parser.add_argument(
        "--check", metavar="FILE", type=Path, help="with --markdown: compare with FILE; exit 1 when it differs"
    )


def main(options: argparse.Namespace) -> int:
    """Print what `options` ask for; return 1 when something is wrong, else 0."""
    if options.markdown or options.check:
        return _print_reference(options.check)
    # Imports inside functions for start-up cost, here and below: `codeanatomy-otel --help` needs none of these.
    from codeanatomy_distro.otel.config import resolve_otel_config
    from codeanatomy_distro.variable_names import unknown_names

    config = resolve_otel_config(options.environ)
    unknown = unknown_names(config.environ)
    if options.json:
        print(json.dumps(_as_json(config, unknown, changed=options.changed), indent=2))
    else:
        _print_table(config, changed=options.changed)
        for line in _wrong_lines(config, unknown):
            print(printable(line), file=sys.stderr)
    return 1 if config.problems or unknown else 0


def _print_reference(file: Path | None) -> int:
    from codeanatomy_distro.cli.settings_markdown import settings_markdown  # start-up cost

    text = settings_markdown()
    if file is None:
        print(text, end="")
        return 0
    current = file.read_text(encoding="utf-8") if file.is_file() else ""
    if current.endswith(text):  # a note of who made it may stand before
        return 0
    print(f"{file} is not what the table of settings gives: make it anew", file=sys.stderr)
    return 1


def _wrong_lines(config: OtelConfig, unknown: Mapping[str, str | None]) -> list[str]:
    """Return one line for each value that can't be used and each name that nobody reads."""
    names = [
        f"{name} is read by nothing{f'; did you mean {nearest}?' if nearest else ''}"
        for name, nearest in unknown.items()
    ]
    return [*map(str, config.problems), *names]


def _print_table(config: OtelConfig, *, changed: bool) -> None:
    from codeanatomy_distro import settings  # start-up cost

    section = ""
    rows = [setting for setting in settings.TABLE if not changed or _is_changed(config, setting)]
    if not rows:
        print("every setting is at its default")
    for setting in rows:
        if setting.section != section:
            section = setting.section
            print(f"\n{section}")
        resolved = config.resolved(setting)
        origin = resolved.origin
        if resolved.variable not in {None, setting.name} and origin == "variable":
            origin = f"variable {resolved.variable}"
        print(f"  {setting.name} = {printable(setting.show(resolved.value))}  [{origin}]")
        if not changed:
            print(f"      {setting.help} Default: {setting.shown_default}.")


def _is_changed(config: OtelConfig, setting: Setting[Any]) -> bool:
    return config.resolved(setting).origin != "default"


def _as_json(config: OtelConfig, unknown: Mapping[str, str | None], *, changed: bool) -> dict[str, Any]:
    from codeanatomy_distro import settings  # start-up cost
    from codeanatomy_distro.variable_names import flag

    return {
        "settings": [
            {
                "name": setting.name,
                "section": setting.section,
                "value": printable(setting.show(config[setting])),
                "origin": config.resolved(setting).origin,
                "variable": config.resolved(setting).variable,
                "default": setting.shown_default,
                "type": setting.kind.label,
                "allowed": setting.kind.allowed,
                "aliases": list(setting.aliases),
                "flag": f"--{flag(setting.name)}",
                "secret": setting.secret,
                "help": setting.help,
            }
            for setting in settings.TABLE
            if not changed or _is_changed(config, setting)
        ],
        "problems": [
            {"variable": one.variable, "value": one.value, "reason": one.reason, "used": one.used}
            for one in config.problems
        ],
        "unknown": [{"name": name, "nearest": nearest} for name, nearest in unknown.items()],
    }
