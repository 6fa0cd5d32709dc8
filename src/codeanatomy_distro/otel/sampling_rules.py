"""Rules of the ``codeanatomy`` sampler: which spans they match, what share of them is recorded, under what name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from codeanatomy_distro import settings
from codeanatomy_distro.setting_kinds import BadValue

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

__all__ = ["SamplingRule", "parse_rules", "write_rules"]

_KEYS: Final = frozenset({"match", "ratio", "rule"})
_CONDITIONS: Final = frozenset({"name", "scope", "attributes"})
_LARGEST: Final = 1_000_000  # bytes of a file of rules
_NEEDS_YAML: Final = "it is no JSON, and YAML needs PyYAML: pip install 'codeanatomy-distro[file-config]'"


@dataclass(frozen=True)
class SamplingRule:
    """One rule. A condition that is not given matches everything; patterns are globs that match the whole text."""

    rule: str
    ratio: float
    name: re.Pattern[str] | None = None
    scope: re.Pattern[str] | None = None
    attributes: tuple[tuple[str, re.Pattern[str]], ...] = ()
    source: Mapping[str, object] = field(default_factory=dict[str, object], compare=False, repr=False)

    def matches(self, name: str, scope: str | None, attributes: Attributes) -> bool:
        """Return whether a span of that name, scope and attributes at its creation is this rule's to decide.

        A rule that asks for a scope matches no span whose scope is unknown.
        """
        if self.name is not None and not self.name.fullmatch(name):
            return False
        if self.scope is not None and (scope is None or not self.scope.fullmatch(scope)):
            return False
        if not self.attributes:
            return True
        return attributes is not None and all(
            key in attributes and _any_matches(pattern, attributes[key]) for key, pattern in self.attributes
        )


def _any_matches(pattern: re.Pattern[str], value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return any(pattern.fullmatch(_as_text(item)) for item in cast("Sequence[object]", value))
    return pattern.fullmatch(_as_text(value)) is not None


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_rules(text: str) -> tuple[tuple[SamplingRule, ...], str]:
    """Return the rules that `text` holds, or the file that it names, and what is wrong with those left out, if any.

    Raises `BadValue` when there is no list of rules at all.
    """
    if not text.lstrip().startswith(("[", "{", "-")) and "\n" not in text:
        text = _file_text(text)
    document = _load(text)
    if not isinstance(document, list):
        reason = "expected a list of rules, or the path of a file that holds one"
        raise BadValue(reason)
    return _create_rules(cast("list[object]", document))


def write_rules(rules: Sequence[SamplingRule]) -> str:
    """Return a text that is read as `rules`."""
    return json.dumps([rule.source for rule in rules], default=str)


def _create_rules(document: Sequence[object]) -> tuple[tuple[SamplingRule, ...], str]:
    """Return the rules of a parsed list, and what is wrong with the first of those left out, if any."""
    rules: list[SamplingRule] = []
    reason = ""
    for position, item in enumerate(document, 1):
        try:
            rules.append(_create_rule(item))
        except BadValue as bad:  # noqa: PERF203 - one bad rule must not cost the others
            reason = reason or f"rule {position}: {bad}"
    return tuple(rules), reason


def _file_text(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_LARGEST)
    except (OSError, ValueError) as error:  # ValueError: bytes that are no UTF-8, a path that no file can have
        reason = f"no such file can be read ({type(error).__name__})"
        raise BadValue(reason) from None


def _load(text: str) -> Any:  # noqa: ANN401 - whatever a document holds
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON: then YAML, which JSON's readers need not pay for
        try:
            import yaml  # an extra
        except ImportError:
            raise BadValue(_NEEDS_YAML) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        reason = f"it is neither JSON nor YAML{where}"
        raise BadValue(reason) from None


def _create_rule(item: object) -> SamplingRule:
    given = _mapping(item, "a rule", _KEYS)
    match = _mapping(given.get("match") or {}, "match", _CONDITIONS)
    attributes = _mapping(match.get("attributes") or {}, "attributes", None)
    rule = given.get("rule")
    if not isinstance(rule, str) or not rule:
        reason = "it has no name (rule)"
        raise BadValue(reason)
    if "ratio" not in given or isinstance(given["ratio"], bool):
        reason = "it has no ratio"
        raise BadValue(reason)
    try:
        ratio = settings.RATIO.parse(str(given["ratio"]))
    except BadValue as bad:
        reason = f"ratio {bad}"
        raise BadValue(reason) from None
    return SamplingRule(
        rule,
        ratio,
        _glob(match.get("name")),
        _glob(match.get("scope")),
        tuple((key, pattern) for key, value in attributes.items() if (pattern := _glob(value)) is not None),
        given,
    )


def _mapping(item: object, what: str, keys: frozenset[str] | None) -> Mapping[str, object]:
    if not isinstance(item, Mapping) or not all(isinstance(key, str) for key in cast("Mapping[object, object]", item)):
        reason = f"{what} must be a mapping"
        raise BadValue(reason)
    given = cast("Mapping[str, object]", item)
    unknown = sorted(given.keys() - keys) if keys is not None else []
    if keys is not None and unknown:
        reason = f"{what} has no {unknown[0][:60]!r}, only {', '.join(sorted(keys))}"
        raise BadValue(reason)
    return given


def _glob(value: object) -> re.Pattern[str] | None:
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        reason = "a condition must be a text, in which * stands for anything"
        raise BadValue(reason)
    return re.compile(translate(_as_text(value)))
