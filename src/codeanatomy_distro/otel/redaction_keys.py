"""The keys of attributes whose values are private whatever they hold; secret ones are in `redaction_secrets`."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Final

__all__ = ["DROPPED_KEYS", "MASKED_KEYS", "STRICT_DROPPED_KEYS", "STRICT_MASKED_KEYS", "compile_keys"]

# Attributes that never leave: they describe the machine or its user, and nobody needs them to read a pipeline's run.
DROPPED_KEYS: Final = (
    "cache.path",
    "host.id",
    "host.ip",
    "host.mac",
    "process.command",
    "process.command_args",
    "process.command_line",
    "process.executable.path",
    "process.owner",
    "process.working_directory",
)
STRICT_DROPPED_KEYS: Final = ("host.name", "user.email", "user.full_name", "user.id", "user.name", "enduser.id")

# Attributes that stay with their value masked: where a repository lies is private, that there is one is not.
MASKED_KEYS: Final = ("repo_root", "*.repo_root")
STRICT_MASKED_KEYS: Final = (
    "db.query.parameter.*",
    "db.query.text",
    "db.statement",
    "exception.message",
    "http.target",
    "http.url",
    "url.full",
    "url.query",
)


def compile_keys(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that matches whole keys, out of names with ``*`` and ``?``; case is not minded."""
    return re.compile("|".join(translate(glob) for glob in globs) or "(?!)", re.IGNORECASE)
