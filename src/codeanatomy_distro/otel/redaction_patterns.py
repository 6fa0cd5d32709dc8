"""The one list of what is redacted, for the SDK and the Collector (``tools/otel/generate.py`` writes it into the YAML).

Every pattern is written in the common part of Python's `re` (with `ASCII`) and RE2, which the Collector uses, and takes
linear time in both: nothing unbounded can begin at more than a few places of the same stretch of text. No pattern ends
or begins inside an escape or a pair of quotes, so a string that holds JSON stays JSON.

Standard library only: the generator loads this file alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import Final

__all__ = [
    "DROPPED_KEYS",
    "LIBRARY_MARK",
    "MASK",
    "MASKED_KEYS",
    "RULES",
    "SECRET_KEY",
    "STRICT_DROPPED_KEYS",
    "STRICT_MASKED_KEYS",
    "STRICT_RULES",
    "SUSPECT",
    "Rule",
    "combined_pattern",
    "combined_replacement",
    "compile_keys",
    "inside_pattern",
    "library_pattern",
    "root_rules",
]

MASK: Final = "****"

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

# The first letters stand outside of what ignores case: both engines skip to them, which halves the cost of the list.
_WORDS: Final = (
    r"[Pp](?i:ass(?:wo?rd|wd|phrase)|rivate[_.-]?key)|[Ss](?i:ecret)|[Cc](?i:redential|ookie|onnection[_.-]?string)"
    r"|[Aa](?i:uthorization|(?:pi|ccess|ccount)[_.-]?key)"
)
_LAST_WORDS: Final = r"[Tt](?i:oken)|[Ss](?i:ignature)"
_NAME: Final = rf"(?:(?:{_WORDS})[\w.-]{{0,12}}|{_LAST_WORDS})"
# A key is secret when it holds one of the words; "token" and "signature" must end it (`max_tokens` is a count).
SECRET_KEY: Final = rf"{_WORDS}|(?:{_LAST_WORDS})$|(?:^|[._-])(?i:pwd|dsn|auth|sas)$"

_ROOT: Final = r"(?:home|Users|root|mnt|media|srv|workspaces?|builds|private|var|tmp)"
_ESCAPED: Final = r"\\u[0-9a-fA-F]{4}"  # a letter as json.dumps writes it: part of the path, unlike any other escape


def _run(stops: str) -> str:
    """Match text up to one of `stops`, a quote, white space or an escape other than a letter's."""
    text = rf"[^\s\"'\\{stops}]*"
    return f"{text}(?:{_ESCAPED}{text})*"


_PATH_REST: Final = _run(r"<>|,;:)\]}")
_URL_REST: Final = _run(r"<>|,;)\]}")


def _hidden(stops: str, first_stops: str = "", other: str = "") -> str:
    """Match a value up to one of `stops`, `first_stops` being what it cannot begin with besides; never the mask itself.

    What is masked does not match again, so that a match means there is something to mask.
    """
    return rf"(?:\*{{0,3}}(?:[^*{stops}{first_stops}]{other})|\*{{5}})(?:[^{stops}]{other})*"


# A value without quotes cannot begin with what follows a closing quote in JSON: there it is no value.
_VALUE: Final = _hidden(r"\s\"'\\<>,;&)}\]|", ":")
_QUOTED: Final = _hidden(r"\"'\\")
_QUOTED_JSON: Final = _hidden(r"\"\\", other=r"|\\.")  # may be cut off by a limit: no closing quote is asked for
_QUOTED_ASSIGNED: Final = _hidden(r"\"'\\", r"\s,:;})\]")
_USER: Final = _hidden(r"\s/?#\"'@<>\\")
# What stands between a secret's name and its value, and the value: the same word is looked for once for all of them.
_ASSIGNED: Final = (
    rf"(\"\s*:\s*\"){_QUOTED_JSON}",
    rf"('\s*:\s*'){_QUOTED}",  # a Python dict as text
    rf"(\\{{1,7}}\"\s*:\s*\\{{1,7}}\"){_QUOTED}",  # JSON within a string of JSON
    rf"(\s?[=:]\s?[\"']){_QUOTED_ASSIGNED}",
    rf"(\s?[=:]\s?)(?:(?:[Bb](?i:earer|asic)|[Tt](?i:oken))\s)?{_VALUE}",
)
_SEPARATOR: Final = r"(?:\\{1,8}|/{1,2})"
_WINDOWS_NAME: Final = r"[^\s\\/\"'<>|,;)\]}:*?]+"
# Where the part of a path begins that is the same on every machine: an installed package, the standard library.
LIBRARY_MARK: Final = r"(?:(?:site|dist)-packages|python3\.[0-9]+)[\\/]+"


# Where a path or a URL can begin: not inside a word, and after an escape of JSON, whose letter is no part of a word.
_EDGE: Final = r"(^|[^\w\\/]|\\[bfnrt]|\\u[0-9a-fA-F]{4})"


@dataclass(frozen=True)
class Rule:
    """What a text of one kind looks like. The pattern's groups, if it has any, are kept; the rest of a match is masked.

    A rule that is `free` may match anywhere; any other one only where `_EDGE` does.
    """

    name: str
    pattern: str
    free: bool = False


RULES: Final = (
    Rule("secret assigned", rf"({_NAME})(?:{'|'.join(_ASSIGNED)})", free=True),
    Rule("secret option of a command", rf"(-{_NAME}\s){_VALUE}", free=True),
    Rule("bearer token", r"(\b[Bb](?i:earer)\s)[\w.~+/-]{8,}=*", free=True),
    Rule(
        "token known by its shape",
        r"A[KS]IA[A-Z0-9]{16}|gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}"
        r"|eyJ[\w-]{8,}\.eyJ[\w.-]*",
        free=True,
    ),
    Rule(
        "private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\w\s\\+/=]*(?:-----END [A-Z ]*PRIVATE KEY-----)?", free=True
    ),
    Rule("path in double quotes", rf"(\")/+{_ROOT}/[^\"\\\n]*(?:{_ESCAPED}[^\"\\\n]*)*", free=True),
    Rule("path in single quotes", rf"(')/+{_ROOT}/[^\"'\\\n]*(?:{_ESCAPED}[^\"'\\\n]*)*", free=True),
    Rule("path in percent form", rf"%2[Ff]{_ROOT}%2[Ff][^\s\"'&<>\\]*", free=True),
    Rule("secret key of a service", r"sk-[\w-]{20,}"),
    Rule(
        "object store",
        r"(?i:(?:s3[an]?|gs|gcs|az|adls?|abfss?|wasbs?|(?:web)?hdfs|viewfs|dbfs|oss|cosn?|r2|file)://)" + _URL_REST,
    ),
    Rule(
        "object store over HTTP",
        r"(?i:https?://(?:[\w-]+\.)*(?:s3[\w.-]*\.amazonaws\.com|storage\.googleapis\.com"
        r"|(?:blob|dfs)\.core\.windows\.net|r2\.cloudflarestorage\.com))" + _URL_REST,
    ),
    Rule("path", rf"/+{_ROOT}/{_PATH_REST}"),
    Rule("path of Windows", rf"(?i:[a-z]:{_SEPARATOR}users)(?:{_SEPARATOR}{_WINDOWS_NAME})*"),
)
STRICT_RULES: Final = (
    *RULES,
    Rule("any absolute path", rf"/\w[\w.@+-]*/{_PATH_REST}"),
    Rule("any path of Windows", rf"(?i:[a-z]:)(?:{_SEPARATOR}{_WINDOWS_NAME})+"),
    Rule("e-mail address", r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,63}"),
)
# Kept apart, since a part of it stands behind the mask.
_USER_IN_URL: Final = rf"(://){_USER}(@)"


# What every match of a rule contains, in lower case, also within JSON. Each begins with letters, to which RE2 skips:
# all of them cost a tenth of the rules, which need run only where one of them matches.
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


def _literal(path: str) -> str:
    """Match an absolute path itself; a backslash may be doubled, as in JSON."""
    named = re.escape(path.strip("/").rstrip("\\")).replace(r"\\", r"\\{1,8}")
    return f"/+{named}" if path.startswith("/") else named


def compile_keys(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that matches whole keys, out of names with ``*`` and ``?``; case is not minded."""
    return re.compile("|".join(translate(glob) for glob in globs) or "(?!)", re.IGNORECASE)
