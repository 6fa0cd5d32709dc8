"""The kinds of value a setting can have: how each is read from text, and what it says when it can't be.

A kind never guesses: it returns the value or raises `BadValue` with a reason that completes the sentence
"<VARIABLE>=<value> is ignored: …". Kinds with a grammar of their own are in `setting_formats`, those that name
something installed in `setting_plugins`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "BadValue",
    "Kind",
    "boolean",
    "checked",
    "choice",
    "each",
    "integer",
    "join",
    "names",
    "number",
    "ratio",
    "shown",
    "text",
    "without_credentials",
    "words",
]

T_co = TypeVar("T_co", covariant=True)

_UNSET: Any = object()
_LONGEST_WORD = 60


class BadValue(ValueError):  # noqa: N818 - it is a value that is bad; the caller reports it and goes on
    """A text that a kind can't read. `used` is what takes its place, when that is not the setting's default."""

    def __init__(self, reason: str, *, used: object = _UNSET) -> None:
        super().__init__(reason)
        self.used = used

    @property
    def names_its_own_value(self) -> bool:
        """Whether the kind itself says which value takes the bad one's place."""
        return self.used is not _UNSET


class Kind(Generic[T_co]):
    """How one kind of setting is read and written.

    `label` names the type and `allowed` its values, for tables. `parse` turns a stripped, non-empty text into a value;
    `write` turns a value into the text that every OpenTelemetry package reads as that value.
    """

    # No dataclass, for start-up cost: each takes 0.4 ms to define, a named tuple 0.1 and a class next to nothing.
    def __init__(
        self,
        label: str,
        parse: Callable[[str], T_co],
        write: Callable[[Any], str] = str,
        allowed: str = "any text",
    ) -> None:
        self.label: Final = label
        self.parse: Final = parse
        self.write: Final = write
        self.allowed: Final = allowed


def shown(word: str) -> str:
    """Return a word quoted for a message, cut where it is long."""
    return repr(word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 3]}...")


def without_credentials(text: str) -> str:
    """Return `text` with the user and password of a URL in it masked; they stand between its scheme and its host."""
    before, at, host = text.rpartition("@")
    scheme, slashes, _ = before.partition("//")
    if not at or not (slashes or ":" in before):
        return text
    return f"{scheme}{slashes}****@{host}" if slashes else f"****@{host}"


def join(items: tuple[str, ...]) -> str:
    """Return a list of words as one text."""
    return ",".join(items)


def _boolean(raw: str) -> bool:
    # "All Boolean environment variables … any value not explicitly defined here as a true value MUST be interpreted
    # as false" is how the OpenTelemetry specification (environment variables, boolean value) rules the junk case.
    word = raw.lower()
    if word in {"true", "false"}:
        return word == "true"
    reason = "expected true or false"
    raise BadValue(reason, used=False)


boolean: Kind[bool] = Kind("boolean", _boolean, lambda value: str(value).lower(), "true, false")


def _text(raw: str) -> str:
    # An environment holds bytes; those that are no UTF-8 arrive as lone surrogates, which no exporter can encode.
    if raw.isprintable() or not any("\ud800" <= character <= "\udfff" for character in raw):
        return raw
    reason = "it is no UTF-8 text"
    raise BadValue(reason, used=raw.encode("utf-8", "replace").decode())


text: Kind[str] = Kind("text", _text)


def integer(minimum: int = 0, maximum: int = 2**31 - 1, unit: str = "") -> Kind[int]:
    """Return the kind of a whole number from `minimum` to `maximum`; `unit` (such as ``ms``) is shown in its label."""

    def parse(raw: str) -> int:
        # int() takes underscores, signs and non-ASCII digits; a number in an environment variable has none of them.
        digits = re.fullmatch(r"([+-]?)([0-9]+)", raw)
        if not digits:
            reason = "expected a whole number"
            raise BadValue(reason)
        # Python refuses to convert thousands of digits; what is longer than this is out of any range of ours.
        value = int(digits[1] + digits[2].lstrip("0")[:20].ljust(1, "0"))
        if not minimum <= value <= maximum:
            reason = f"must be at least {minimum}" if value < minimum else f"must be at most {maximum}"
            raise BadValue(reason)
        return value

    return Kind(f"integer, {unit}" if unit else "integer", parse, allowed=f"{minimum} to {maximum}")


def number(minimum: float = 0.0, maximum: float = math.inf, label: str = "number") -> Kind[float]:
    """Return the kind of a finite number from `minimum` to `maximum`."""
    bounds = f"from {minimum:g} to {maximum:g}" if maximum < math.inf else f"at least {minimum:g}"

    def parse(raw: str) -> float:
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", raw):
            reason = f"expected a number {bounds}"
            raise BadValue(reason)
        value = float(raw)
        if not minimum <= value <= maximum:
            reason = f"must be {bounds}"
            raise BadValue(reason)
        return value

    return Kind(label, parse, lambda value: f"{value:.12g}", bounds.removeprefix("from "))


ratio: Kind[float] = number(0.0, 1.0, "ratio")


def choice(*allowed: str, synonyms: Mapping[str, str] | None = None) -> Kind[str]:
    """Return the kind of one word among `allowed`, read in any case; `synonyms` maps other accepted spellings."""
    known = {word.lower(): word for word in allowed} | {k.lower(): v for k, v in (synonyms or {}).items()}
    extra = f" (also {', '.join(synonyms)})" if synonyms else ""

    def parse(raw: str) -> str:
        try:
            return known[raw.lower()]
        except KeyError:
            reason = f"expected one of {', '.join(allowed)}"
            raise BadValue(reason) from None

    return Kind("choice", parse, allowed=f"{', '.join(allowed)}{extra}")


def _names(raw: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for item in raw.split(",") if (part := item.strip())))


names: Kind[tuple[str, ...]] = Kind("list", _names, join, "words separated by commas")


def each(parse: Callable[[str], str], raw: str) -> tuple[tuple[str, ...], list[str]]:
    """Return what `parse` makes of each word of a list, without repetition, and what was wrong with the others."""
    good: list[str] = []
    faults: list[str] = []
    for name in _names(raw):
        try:
            good.append(parse(name))
        except BadValue as bad:  # noqa: PERF203 - one bad word must not cost the others
            faults.append(f"{shown(name)}: {bad}")
    return tuple(dict.fromkeys(good)), faults


def checked(good: tuple[str, ...], faults: Sequence[str]) -> tuple[str, ...]:
    """Return `good`, or raise `BadValue` with the first of `faults`, if any; `good` is used all the same."""
    if faults:
        raise BadValue(faults[0], used=good) if good else BadValue(faults[0])
    return good


def words(*allowed: str, synonyms: Mapping[str, str] | None = None) -> Kind[tuple[str, ...]]:
    """Return the kind of a list of words among `allowed`, each read as `choice` reads one; the others are left out."""
    one = choice(*allowed, synonyms=synonyms)

    def parse(raw: str) -> tuple[str, ...]:
        return checked(*each(one.parse, raw))

    return Kind("list", parse, join, f"{one.allowed}; several with commas")
