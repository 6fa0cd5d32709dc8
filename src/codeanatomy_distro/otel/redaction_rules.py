"""The rules of one mode of redaction, compiled, and the quick looks that spare most texts the rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.otel import redaction_keys as keys
from codeanatomy_distro.otel import redaction_patterns as patterns
from codeanatomy_distro.otel.redaction_secrets import SECRET_KEY
from codeanatomy_distro.otel.redaction_windows import OVERLAP, WINDOW, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeanatomy_distro.otel.redaction_patterns import Rule

__all__ = ["RedactionRules", "create_rules"]

# No rule can match a text without one of these characters or beginnings. Most texts have none, and to look for them
# costs a tenth of what the rules cost.
_SUSPECT: Final = re.compile(r"[/\\=:%]", re.ASCII)
_SUSPECT_TOKEN: Final = re.compile(
    r"A[KS]IA|gh[opsur]_|github_pat_|glpat-|xox|sk-|eyJ|-----BEGIN|B[Ee][Aa][Rr][Ee][Rr]\s|b[Ee][Aa][Rr][Ee][Rr]\s",
    re.ASCII,
)
_SHORTEST_TOKEN: Final = 15
_SUSPECT_OPTION: Final = re.compile(r"-[A-Za-z][\w.-]{0,40}(?:\s|\\*[\"'])", re.ASCII)
_SUSPECT_OPTION_OF_SQL: Final = re.compile(r"\s'", re.ASCII)
_SUSPECT_STRICT: Final = re.compile(r"[/\\=:%@]", re.ASCII)
# A closer look at the suspect ones, which still costs a tenth of what the rules cost.
_SIGN: Final = re.compile("|".join(patterns.SUSPECT), re.ASCII)


@dataclass(frozen=True)
class RedactionRules:
    """What one mode of redaction looks for, compiled."""

    private: re.Pattern[str]
    replacement: str
    suspect: re.Pattern[str]
    known_root: re.Pattern[str]
    dropped: frozenset[str]
    masked: re.Pattern[str]
    secret: re.Pattern[str]
    extra: re.Pattern[str]
    inside_root: re.Pattern[str] | None = None
    strict: bool = False

    def suspects(self, text: str) -> bool:
        """Tell whether `text` may hold what one of the rules matches: most texts do not, and are spared the rules."""
        return self._suspects(text) if len(text) <= WINDOW else any(map(self._suspects, windows(text, OVERLAP)))

    def _suspects(self, text: str) -> bool:
        if (
            self.suspect.search(text)
            or (len(text) >= _SHORTEST_TOKEN and _SUSPECT_TOKEN.search(text))
            or ("-" in text and _SUSPECT_OPTION.search(text))
            or ("'" in text and _SUSPECT_OPTION_OF_SQL.search(text))
        ):
            return bool(self.strict or _SIGN.search(text.lower()) or self.known_root.search(text))
        return False


def create_rules(
    *, strict: bool, extra_keys: Sequence[str], home: str | None, repo_roots: Sequence[str]
) -> RedactionRules:
    """Return the rules of a mode. A root is used if it is absolute and has at least two parts: ``/`` is no secret."""
    roots = tuple(sorted({root for root in map(_clean_root, repo_roots) if root}, key=len, reverse=True))
    homes = tuple(root for root in (_clean_root(home or ""),) if root)
    rules: tuple[Rule, ...] = (
        *patterns.root_rules((*roots, *homes)),
        *(patterns.STRICT_RULES if strict else patterns.RULES),
    )
    masked = keys.MASKED_KEYS + (keys.STRICT_MASKED_KEYS if strict else ())
    dropped = keys.DROPPED_KEYS + (keys.STRICT_DROPPED_KEYS if strict else ())
    return RedactionRules(
        private=re.compile(patterns.combined_pattern(rules), re.ASCII),
        replacement=patterns.combined_replacement(rules, r"\g<{}>"),
        suspect=_SUSPECT_STRICT if strict else _SUSPECT,
        known_root=re.compile(patterns.any_root_pattern((*roots, *homes))),
        dropped=frozenset(dropped),
        masked=keys.compile_keys(masked),
        secret=re.compile(SECRET_KEY, re.ASCII),
        inside_root=re.compile(patterns.inside_pattern(roots), re.ASCII) if roots else None,
        strict=strict,
        extra=keys.compile_keys(tuple(extra_keys)),
    )


def _clean_root(path: str) -> str:
    path = path.rstrip("/\\")
    return path if len([part for part in re.split(r"[/\\]", path) if part]) > 1 and path[:1] != "." else ""
