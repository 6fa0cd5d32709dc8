"""Redaction of texts, values and attributes: what a `Redactor` does inside each span, log record and metric."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from codeanatomy_distro.otel.redaction_patterns import LIBRARY_MARK, MASK
from codeanatomy_distro.otel.redaction_traces import places_only
from codeanatomy_distro.otel.redaction_windows import sub_in_windows

if TYPE_CHECKING:
    from codeanatomy_distro.otel.redaction_rules import RedactionRules

__all__ = ["ValueRedactor"]

_LIBRARY_MARK: Final = re.compile(LIBRARY_MARK, re.ASCII)
_STACK_TRACE: Final = "exception.stacktrace"

_CACHED_LENGTH: Final = 512  # longer texts are rare, and a cache of them would be large
_CACHED_TEXTS: Final = 4096
_PASSES: Final = 4

_PLAIN: Final = frozenset({int, float, bool, type(None)})


@dataclass(frozen=True)
class _Verdict:
    """What becomes of an attribute whose key does not let it through as it is."""

    key: str
    hidden: bool = False
    dropped: bool = False


class ValueRedactor:
    """Redacts texts, values and attributes by one set of rules, from any thread, without a change to what it gets."""

    def __init__(self, rules: RedactionRules) -> None:
        self._rules = rules
        # What became of a text or a key; True where it stays as it is. Most repeat from span to span.
        self._texts: dict[str, str | Literal[True]] = {}
        self._keys: dict[str, _Verdict | Literal[True]] = {}

    def text(self, text: str) -> str:
        """Return `text` with what is private in it masked; the very same object when there is nothing."""
        known = self._texts.get(text)
        if known is None:
            known = self._judge_text(text)
        return text if known is True else known

    def value(self, key: str, value: Any) -> Any:  # noqa: ANN401 - any attribute value or log body
        """Return the value of attribute `key` redacted: masked under a secret key, else with its texts redacted."""
        if value is None or value == MASK:
            return value
        verdict = self._verdict(key)
        if verdict is not True and verdict.hidden:
            return MASK
        if self._rules.strict and key == _STACK_TRACE and isinstance(value, str):
            kept = places_only(value)
            return value if kept == value and self.text(kept) == value else self.text(kept)
        return self.nested(value)

    def nested(self, value: Any) -> Any:  # noqa: ANN401, PLR0911 - any attribute value or log body, one return a kind
        """Return a value redacted at every depth; the very same object when there is nothing private in it."""
        if isinstance(value, str):
            return self.text(value)
        if type(value) in _PLAIN:
            return value
        if isinstance(value, (bytes, bytearray)):
            before = bytes(value).decode("latin-1")  # every byte is one character: what is not text comes back unharmed
            after = self.text(before)
            return value if after == before else after.encode("latin-1")
        if isinstance(value, Mapping):
            return self.attributes(value)  # pyright: ignore[reportUnknownArgumentType] - any mapping
        if isinstance(value, Sequence):
            items = [self.nested(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
            if all(map(operator.is_, items, value)):  # pyright: ignore[reportUnknownArgumentType]
                return value  # pyright: ignore[reportUnknownVariableType]
            return tuple(items) if isinstance(value, tuple) else items
        return self.text(str(value))

    def attributes(self, attributes: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return attributes redacted, keys included; the very same object when there is nothing private in them."""
        if not attributes:
            return attributes if attributes is not None else {}
        # The SDK's mapping is slow to walk: each step of it runs Python code under a lock.
        items = cast(
            "dict[str, Any]", cast("Any", attributes).copy() if hasattr(attributes, "copy") else dict(attributes)
        )
        keys, texts = self._keys, self._texts
        changed: dict[str, Any] = {}
        for key, value in items.items():
            if keys.get(key) is True:
                # Numbers, and texts under keys that say nothing, are nearly all there is: decided here, without calls.
                kind = cast("type[object]", type(value))
                if kind in _PLAIN:
                    continue
                if kind is str:
                    known = texts.get(value)
                    if known is None:
                        known = self._judge_text(value)
                    if known is not True:
                        changed[key] = known
                    continue
            after = self.value(key, value)
            verdict = self._verdict(key)
            if after is not value or (verdict is not True and (verdict.dropped or verdict.key != key)):
                changed[key] = after
        return self._with(items, changed) if changed else attributes

    def _with(self, items: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
        redacted: dict[str, Any] = {}
        for key, value in items.items():
            verdict = self._verdict(key)
            if verdict is True:
                redacted[key] = changed.get(key, value)
            elif not verdict.dropped:
                redacted[verdict.key] = changed.get(key, value)
        return redacted

    def message(self, text: str) -> str:
        """Return an error's message redacted; in strict mode only the error's type is left of it."""
        if self._rules.strict and text != MASK:
            kind, colon, _ = text.partition(":")
            return f"{kind}: {MASK}" if colon and kind.replace(".", "").isidentifier() else MASK
        return self.text(text)

    def optional(self, text: str | None) -> str | None:
        """Return `text` redacted, or None where there is none."""
        return None if text is None else self.text(text)

    def _verdict(self, key: str) -> _Verdict | Literal[True]:
        known = self._keys.get(key)
        if known is None:
            if len(self._keys) >= _CACHED_TEXTS:
                self._keys.clear()
            known = self._keys[key] = self._judge_key(str(key))
        return known

    def _judge_key(self, key: str) -> _Verdict | Literal[True]:
        rules = self._rules
        if key in rules.dropped:
            return _Verdict(key, hidden=True, dropped=True)
        if rules.secret.search(key) or rules.masked.match(key) or rules.extra.match(key):
            return _Verdict(self.text(key), hidden=True)
        clean = self.text(key)
        looked_into = rules.strict and key == _STACK_TRACE
        return True if clean == key and not looked_into else _Verdict(clean)

    def _judge_text(self, text: str) -> str | Literal[True]:
        clean: str | Literal[True] = True
        if self._rules.suspects(text):
            redacted = self._redact(text)
            clean = True if redacted == text else redacted
        if len(text) <= _CACHED_LENGTH:
            if len(self._texts) >= _CACHED_TEXTS:
                self._texts.clear()
            self._texts[text] = clean
        return clean

    def _redact(self, text: str) -> str:
        # One pass leaves nothing private. More are taken until the text stays as it is, for the rare one where a mask
        # beside other text looks like something new; so that a second redactor changes nothing either.
        for _ in range(_PASSES):
            before = text
            if self._rules.inside_root is not None:
                text = sub_in_windows(self._rules.inside_root, _edge, text)
            text = sub_in_windows(self._rules.private, self._mask, text)
            if text == before:
                break
        return text

    def _mask(self, match: re.Match[str]) -> str:
        masked = match.expand(self._rules.replacement)
        kept = len(masked) - len(MASK)
        found = match.group()
        if found[kept : kept + 1] == "/":
            marks = [mark.end() for mark in _LIBRARY_MARK.finditer(found)]
            if marks:
                return found[:kept] + found[marks[-1] :]
        return masked


def _edge(match: re.Match[str]) -> str:
    return match[1]
