"""``docs/settings.md``: the reference of all settings, made from their table."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.profiles import PROFILES
from codeanatomy_distro.variable_names import flag

if TYPE_CHECKING:
    from codeanatomy_distro.setting import Setting

__all__ = ["settings_markdown"]

_INTRODUCTION: Final = """\
# Settings

Everything is set by environment variables. `codeanatomy-otel settings` shows what holds here and now, and
`codeanatomy-otel doctor` whether it works. This page is generated from the table of settings
(`codeanatomy-otel settings --markdown`).

- An empty or blank variable counts as unset.
- Words, names of built-in plug-ins and booleans are read in any case.
- What a program passes as `OtelBootstrapOptions(settings=...)` wins over a declarative file, that over the variables,
  they over the profile, and that over the defaults. A setting of one signal wins over the one of all signals, a
  variable over those listed as also read.
- A value that can't be used stops nothing: one warning names the variable, the value, the reason and what is used.
- `opentelemetry-instrument` has a flag for each setting, which wins over its variable;
  `opentelemetry-instrument --help` lists them with their help.
- A setting with a place in the declarative file (`OTEL_CONFIG_FILE`) is taken from there when the file has it.
  `tools/otel/sdk-config.yaml` is a file that equals the defaults. It needs
  `pip install 'codeanatomy-distro[file-config]'`.
"""


def settings_markdown() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for section, rows in groupby(settings.TABLE, key=lambda setting: setting.section):
        parts.append(f"## {section}\n\n" + "\n".join(_entry(setting) for setting in rows))
    parts.append(_profiles())
    return "\n".join(parts)


def _entry(setting: Setting[Any]) -> str:
    default = setting.default_text or (f"`{setting.shown_default}`" if setting.default else setting.shown_default)
    facts = [f"type: {setting.kind.label}", f"default: {default}"]
    if setting.kind.allowed != "any text":
        facts.insert(1, f"allowed: {setting.kind.allowed}")
    if setting.secret:
        facts.append("secret: never shown")
    old = dict.fromkeys(setting.deprecated, " (old name)")
    facts += [f"also read: `{alias}`{old.get(alias, '')}" for alias in setting.aliases]
    facts.append(f"flag: `--{flag(setting.name)}`")
    if setting.place:
        facts.append(f"in a declarative file: `{setting.place}`")
    return f"### `{setting.name}`\n\n{setting.help}\n\n" + "\n".join(f"- {fact}" for fact in facts) + "\n"


def _profiles() -> str:
    lines = [
        "## Profiles\n",
        "`CODEANATOMY_OTEL_PROFILE` chooses one of these sets of defaults (specification, *Operational Profiles*);",
        "every explicit variable wins over them.",
    ]
    for name, values in PROFILES.items():
        lines += [f"\n### `{name}`\n", "| variable | value |", "|---|---|"]
        lines += [f"| `{variable}` | `{value}` |" for variable, value in values.items()]
    return "\n".join(lines) + "\n"
