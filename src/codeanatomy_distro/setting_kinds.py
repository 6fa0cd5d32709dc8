"""The kinds of value a setting can have: how each is read from text, and what it says when it can't be.

A kind never guesses: it returns the value or raises `BadValue` with a reason that completes the sentence
"<VARIABLE> is ignored: …".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

__all__ = [
    "BadValue",
    "Kind",
    "boolean",
    "choice",
    "integer",
    "names",
    "number",
    "pairs",
    "patterns",
    "ratio",
    "text",
    "url",
]

T_co = TypeVar("T_co", covariant=True)

_UNSET: Any = object()


class BadValue(ValueError):  # noqa: N818 - it is a value that is bad; the caller reports it and goes on
    """A text that a kind can't read. `used` is what takes its place, when that is not the setting's default."""

    def __init__(self, reason: str, *, used: object = _UNSET) -> None:
        super().__init__(reason)
        self.used = used

    @property
    def names_its_own_value(self) -> bool:
        """Whether the kind itself says which value takes the bad one's place."""
        return self.used is not _UNSET


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """How one kind of setting is read: `label` names it in tables, `parse` turns text into a value."""

    label: str
    parse: Callable[[str], T_co]


def _boolean(raw: str) -> bool:
    # "All Boolean environment variables … any value not explicitly defined here as a true value MUST be interpreted
    # as false" is how the OpenTelemetry specification (environment variables, boolean value) rules the junk case.
    word = raw.strip().lower()
    if word in {"true", "false"}:
        return word == "true"
    reason = "expected true or false"
    raise BadValue(reason, used=False)


boolean: Kind[bool] = Kind("boolean", _boolean)
text: Kind[str] = Kind("text", lambda raw: raw)


def integer(minimum: int = 0, maximum: int = 2**31 - 1, unit: str = "") -> Kind[int]:
    """Return the kind of a whole number from `minimum` to `maximum`; `unit` (such as ``ms``) is shown in its label."""

    def parse(raw: str) -> int:
        # int() takes underscores, signs and non-ASCII digits; a number in an environment variable has none of them.
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", raw):
            reason = "expected a whole number"
            raise BadValue(reason)
        value = int(raw)
        if not minimum <= value <= maximum:
            reason = f"must be at least {minimum}" if value < minimum else f"must be at most {maximum}"
            raise BadValue(reason)
        return value

    return Kind(f"integer, {unit}" if unit else "integer", parse)


def number(minimum: float = 0.0, maximum: float = math.inf, label: str = "number") -> Kind[float]:
    """Return the kind of a finite number from `minimum` to `maximum`."""

    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            reason = "is no number"
            raise BadValue(reason) from None
        if not math.isfinite(value) or not minimum <= value <= maximum:
            reason = f"must be from {minimum:g} to {maximum:g}" if maximum < math.inf else f"must be at least {minimum:g}"
            raise BadValue(reason)
        return value

    return Kind(label, parse)


ratio: Kind[float] = number(0.0, 1.0, "ratio, 0 to 1")


def choice(*allowed: str, synonyms: dict[str, str] | None = None) -> Kind[str]:
    """Return the kind of one word among `allowed`, read in any case; `synonyms` maps other accepted spellings."""
    known = {word.lower(): word for word in allowed} | {k.lower(): v for k, v in (synonyms or {}).items()}

    def parse(raw: str) -> str:
        try:
            return known[raw.strip().lower()]
        except KeyError:
            reason = f"expected one of {', '.join(allowed)}"
            raise BadValue(reason) from None

    return Kind(" \\| ".join(allowed), parse)


def _names(raw: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for item in raw.split(",") if (part := item.strip())))


names: Kind[tuple[str, ...]] = Kind("list, comma-separated", _names)


def _pairs(raw: str) -> tuple[tuple[str, str], ...]:
    good: dict[str, str] = {}
    bad: list[str] = []
    for item in raw.split(","):
        key, equals, value = item.partition("=")
        if equals and key.strip():
            good[key.strip()] = unquote(value.strip())
        elif item.strip():
            bad.append(item.strip())
    if bad:
        reason = f"expected key=value pairs, got {bad[0][:80]!r}"
        raise BadValue(reason, used=tuple(good.items()))
    return tuple(good.items())


pairs: Kind[tuple[tuple[str, str], ...]] = Kind("key=value list", _pairs)


def _patterns(raw: str) -> tuple[str, ...]:
    good: list[str] = []
    reason = ""
    for pattern in _names(raw):
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            reason = reason or f"{pattern[:80]!r} is no regular expression ({error})"
        else:
            good.append(pattern)
    if reason:
        raise BadValue(reason, used=tuple(good))
    return tuple(good)


patterns: Kind[tuple[str, ...]] = Kind("list of regular expressions", _patterns)


def _url(raw: str) -> str:
    if not re.fullmatch(r"[!-~]+", raw):
        reason = "expected a URL such as http://localhost:4317"
        raise BadValue(reason)
    scheme, separator, rest = raw.partition("://")
    if not separator:
        # gRPC reads a bare host:port as TLS and fails its handshake without a word (opentelemetry-python reads the
        # scheme alone). A collector on loopback or in a cluster speaks plain text, so that is what is meant.
        return _url(f"http://{raw}")
    if scheme.lower() not in {"http", "https", "unix"} or not rest.strip("/"):
        reason = "expected a URL that starts with http:// or https://"
        raise BadValue(reason)
    host = rest.split("/", 1)[0].rpartition("@")[2]
    port = host.rpartition("]")[2].partition(":")[2]
    if port and not (port.isdigit() and 0 < int(port[:6]) < 2**16):
        reason = f"{port[:20]!r} is no port"
        raise BadValue(reason)
    return f"{scheme.lower()}://{rest}"


url: Kind[str] = Kind("URL", _url)
