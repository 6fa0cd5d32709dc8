"""The one list of what is redacted, for the SDK and the Collector (``tools/otel/generate.py`` writes it into the YAML).

Every pattern is written in the common part of Python's `re` (with `ASCII`) and RE2, which the Collector uses, and takes
linear time in both: nothing unbounded can begin at more than a few places of the same stretch of text. No pattern ends
or begins inside an escape or a pair of quotes, so a string that holds JSON stays JSON.

Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from codeanatomy_distro.otel.redaction_secrets import (
    BEARER,
    NAMED_SECRET,
    OPTION_OF_COMMAND,
    OPTION_OF_SQL,
    hidden,
)

__all__ = [
    "LIBRARY_MARK",
    "MASK",
    "RULES",
    "STRICT_RULES",
    "SUSPECT",
    "Rule",
    "any_root_pattern",
    "combined_pattern",
    "combined_replacement",
    "inside_pattern",
    "library_pattern",
    "root_rules",
]

MASK: Final = "****"

_ROOT: Final = (
    r"(?:home|Users|root|mnt|media|srv|workspaces?|builds|private|var|tmp|Volumes|(?:export|usr)/home"
    r"|run/(?:media|user))"
)
_ESCAPED: Final = r"\\u[0-9a-fA-F]{4}"  # a letter as json.dumps writes it: part of the path, unlike any other escape


def _run(stops: str) -> str:
    """Match text up to one of `stops`, a quote, white space or an escape other than a letter's."""
    text = rf"[^\s\"'\\{stops}]*"
    return f"{text}(?:{_ESCAPED}{text})*"


_PATH_REST: Final = _run(r"<>|,;:)\]}")
_URL_REST: Final = _run(r"<>|,;)\]}")


_USER: Final = hidden(r"\s/?#\"'<>\\")
_FILES: Final = hidden(r"\]\"\\\n", more=r"\],")  # as DataFusion writes them: without their first slash
_SEPARATOR: Final = r"(?:\\+|/{1,2})"
_WINDOWS_NAME: Final = r"[^\s\\/\"'<>|,;)\]}:*?]+"
_WINDOWS_NAME_IN_QUOTES: Final = r"[^\\/\"'<>|:*?\n]+"
_WINDOWS_LONG: Final = r"\?\\{1,8}"  # the end of `\\?\`, which canonical paths begin with
_QUOTE_OF_WINDOWS: Final = rf"([\"'](?:\\\\+{_WINDOWS_LONG})?)"
# Where the part of a path begins that is the same on every machine: an installed package, the standard library.
LIBRARY_MARK: Final = r"(?:(?:site|dist)-packages|python3\.[0-9]+)[\\/]+"


# Where a path or a URL can begin: not inside a word, and after an escape of JSON, whose letter is no part of a word.
_EDGE: Final = rf"(^|[^\w\\/]|\\[bfnrt]|\\u[0-9a-fA-F]{{4}}|{_WINDOWS_LONG})"


@dataclass(frozen=True)
class Rule:
    """What a text of one kind looks like. The pattern's groups, if it has any, are kept; the rest of a match is masked.

    A rule that is `free` may match anywhere; any other one only where `_EDGE` does.
    """

    name: str
    pattern: str
    free: bool = False


RULES: Final = (
    Rule("secret assigned", NAMED_SECRET, free=True),
    Rule("secret option of a command", OPTION_OF_COMMAND, free=True),
    Rule("secret option of SQL", OPTION_OF_SQL, free=True),
    Rule("bearer token", BEARER, free=True),
    Rule(
        "token known by its shape",
        r"A[KS]IA[A-Z0-9]{16}|gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}"
        r"|eyJ[\w-]{8,}\.eyJ[\w.-]*",
        free=True,
    ),
    Rule(
        "private key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:(?:-{1,4}|\\+[nrt])?[\w\s+/=:,.])*(?:\\+[nrt])*"
        r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)?",
        free=True,
    ),
    Rule("files of a plan", rf"(file_groups=(?:\{{\d+ groups?: \[)?\[){_FILES}", free=True),
    Rule("path in double quotes", rf"(\")/+{_ROOT}/[^\"\\\n]*(?:{_ESCAPED}[^\"\\\n]*)*", free=True),
    Rule("path in single quotes", rf"(')/+{_ROOT}/[^\"'\\\n]*(?:{_ESCAPED}[^\"'\\\n]*)*", free=True),
    Rule("path in percent form", rf"%2[Ff]{_ROOT}%2[Ff][^\s\"'&<>\\]*", free=True),
    Rule(
        "path of Windows in quotes",
        rf"{_QUOTE_OF_WINDOWS}(?i:[a-z]:{_SEPARATOR}users)(?:{_SEPARATOR}{_WINDOWS_NAME_IN_QUOTES})*",
        free=True,
    ),
    Rule("secret key of a service", r"sk-[\w-]{20,}"),
    Rule(
        "object store",
        r"(?i:(?:s3[an]?|gs|gcs|az|adls?|abfss?|wasbs?|(?:web)?hdfs|viewfs|dbfs|oss|cosn?|r2|file)(?:://|%3a%2f%2f)"
        r"|dbfs:/)" + _URL_REST,
    ),
    Rule(
        "object store over HTTP",
        r"(?i:https?://(?:[\w-]+\.)*(?:s3[\w.-]*\.amazonaws\.com|storage\.googleapis\.com"
        r"|(?:blob|dfs)\.core\.windows\.net|r2\.cloudflarestorage\.com))" + _URL_REST,
    ),
    Rule("path", rf"/+{_ROOT}/{_PATH_REST}"),
    Rule("path of Windows", rf"(?i:[a-z]:{_SEPARATOR}users)(?:{_SEPARATOR}{_WINDOWS_NAME})*"),
)
_LETTERS: Final = "\\w\u0080-\U0010ffff"  # those beyond ASCII too
STRICT_RULES: Final = (
    *RULES,
    Rule(
        "any absolute path in double quotes",
        rf"(\")/\.?[{_LETTERS}@~][^\"\\\n]*(?:{_ESCAPED}[^\"\\\n]*)*",
        free=True,
    ),
    Rule(
        "any absolute path in single quotes",
        rf"(')/\.?[{_LETTERS}@~][^\"'\\\n]*(?:{_ESCAPED}[^\"'\\\n]*)*",
        free=True,
    ),
    Rule(
        "any path of Windows in quotes",
        rf"{_QUOTE_OF_WINDOWS}(?i:[a-z]:)(?:{_SEPARATOR}{_WINDOWS_NAME_IN_QUOTES})+",
        free=True,
    ),
    Rule("any absolute path", rf"/\.?[{_LETTERS}@~]{_PATH_REST}"),
    Rule("any path of Windows", rf"(?i:[a-z]:)(?:{_SEPARATOR}{_WINDOWS_NAME})+"),
    Rule("path of a Windows share", rf"\\\\+[\w.$-]+(?:{_SEPARATOR}{_WINDOWS_NAME})+"),
    Rule("e-mail address", rf"[{_LETTERS}.+-]{{1,64}}@[{_LETTERS}-]{{1,63}}\.[{_LETTERS}.-]{{1,63}}"),
)
# Kept apart, since a part of it stands behind the mask.
_USER_IN_URL: Final = rf"(://){_USER}(@)"


# What every match of one of `RULES` contains, in lower case, also within JSON. Each begins with what both engines can
# skip to: all of them cost a tenth of the rules, which need run only where one of them matches.
SUSPECT: Final = (
    rf"/{_ROOT.lower()}/",
    r":[\\/]",
    "%2f",
    "pass(?:wo?rd|wd|phrase)",
    "private[_.-]?key",
    "secret",
    "signature",
    "credential",
    "cookie",
    "connection[_.-]?string",
    "pwd",
    r"sig[\s\"'\\:=%]",
    "file_groups=",
    "authorization",
    "api[_.-]?key",
    "access[_.-]?key",
    "account[_.-]?key",
    "token",
    "bearer",
    "akia",
    "asia",
    "gh[opsur]_",
    "github_pat_",
    "glpat-",
    "xox",
    r"sk-[\w-]{20}",
    "eyj",
    "-----begin",
)


def library_pattern() -> str:
    """Return the pattern of a private path down to its `LIBRARY_MARK`; what follows the mark is the same everywhere."""
    return (
        rf"([\"'])/+{_ROOT}/[^\"'\\\n]*/{LIBRARY_MARK}"
        rf"|{_EDGE}/+{_ROOT}/[^\s\"'\\<>|,;:)\]}}]*/{LIBRARY_MARK}"
    )


def combined_pattern(rules: tuple[Rule, ...]) -> str:
    """Return one pattern that matches what any of the rules does, and a URL's user and password.

    A text is read once, however many rules there are.
    """
    free = [rule.pattern for rule in rules if rule.free]
    edged = "|".join(rule.pattern for rule in rules if not rule.free)
    return "|".join([*free, *([f"{_EDGE}(?:{edged})"] if edged else []), _USER_IN_URL])


def combined_replacement(rules: tuple[Rule, ...], group: str) -> str:
    """Return the replacement for `combined_pattern`, `group` being how the regular expressions in use refer to a group.

    Groups that took no part in a match are empty, so that naming all of them keeps those that did. The last one stands
    behind the mask: it is the ``@`` after a URL's user and password.
    """
    last = re.compile(combined_pattern(rules), re.ASCII).groups
    return "".join(group.format(number) for number in range(1, last)) + MASK + group.format(last)


def root_rules(roots: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return rules for directories known by name: what lies in one of them is masked."""
    rules: list[Rule] = []
    for root in roots:
        rest = rf"(?:/|\b){_PATH_REST}" if root.startswith("/") else rf"(?:{_SEPARATOR}{_WINDOWS_NAME})*"
        rules.append(Rule(f"directory {root}", f"{_literal(root)}{rest}"))
    return tuple(rules)


def inside_pattern(roots: tuple[str, ...]) -> str:
    """Return the pattern of the part of a path that leads into one of the directories, its group being kept.

    It ends before a name, lest what remains look like a path of its own.
    """
    leading = [_literal(root) + ("/+" if root.startswith("/") else r"[\\/]+") for root in roots]
    return rf"{_EDGE}(?:{'|'.join(leading)})(?=[\w.])"


def any_root_pattern(roots: tuple[str, ...]) -> str:
    """Return what every match of `root_rules` and of `inside_pattern` contains; it matches nothing without a root."""
    return "|".join(_literal(root).replace("/+", "/", 1) for root in roots) or "(?!)"


def _literal(path: str) -> str:
    """Match an absolute path itself; a backslash may be doubled, as in JSON."""
    named = re.escape(path.strip("/").rstrip("\\")).replace(r"\\", r"\\+")
    return f"/+{named}" if path.startswith("/") else named
