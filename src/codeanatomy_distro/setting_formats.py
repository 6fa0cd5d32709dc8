"""Kinds of value with a grammar of their own: pairs, headers, regular expressions, files and URLs."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from codeanatomy_distro.setting_kinds import BadValue, Kind, checked, each, join

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["file", "folders", "headers", "pairs", "patterns", "traceparent", "url"]

_LONGEST_HOST: Final = 253


def _pairs(
    raw: str,
    *,
    read: Callable[[str], str] = unquote,
    check: Callable[[str, str], str] = lambda _key, _value: "",
) -> tuple[tuple[str, str], ...]:
    # What is wrong is told by position, not quoted: headers hold secrets.
    good: dict[str, str] = {}
    wrong = ""
    for position, item in enumerate(raw.split(","), 1):
        key, equals, value = item.partition("=")
        if not item.strip():
            continue
        key, value = key.strip(), _text_of(read(value.strip()))
        fault = "is no key=value" if not equals or not key else check(key, value)
        if fault:
            wrong = wrong or f"pair {position} {fault}"
        else:
            good[key] = value
    if wrong:
        raise BadValue(wrong, used=tuple(good.items())) if good else BadValue(wrong)
    return tuple(good.items())


def _text_of(raw: str) -> str:
    return raw.encode("utf-8", "replace").decode()


def _write_pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f"{key}={quote(value, safe=' /:;@!$&()*+.~')}" for key, value in pairs)


pairs: Kind[tuple[tuple[str, str], ...]] = Kind("pairs", _pairs, _write_pairs, "key=value, several with commas")


def _header_value(raw: str) -> str:
    # What a space around a value means is nothing (RFC 9110, section 5.5), and requests refuses to send one in front.
    return unquote(raw).strip(" \t")


def _header(key: str, value: str) -> str:
    # gRPC and HTTP both refuse the whole request for one bad header, at every export.
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", key):
        return "has a name that no header can have"
    return "" if re.fullmatch(r"[ -~]*", value) else "has a value that is not printable ASCII"


headers: Kind[tuple[tuple[str, str], ...]] = Kind(
    "headers",
    lambda raw: _pairs(raw, read=_header_value, check=_header),
    _write_pairs,
    "name=value, several with commas",
)


def _pattern(raw: str) -> str:
    try:
        re.compile(raw)
    except (re.error, RecursionError, OverflowError) as error:
        reason = f"no regular expression ({error})"
        raise BadValue(reason) from None
    return raw


patterns: Kind[tuple[str, ...]] = Kind(
    "list", lambda raw: checked(*each(_pattern, raw)), join, "regular expressions separated by commas"
)


def _file(raw: str) -> str:
    try:
        if Path(raw).is_file():
            return raw
        reason = "no such file"
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be entered
        reason = f"no such file can be read ({type(error).__name__})"
    raise BadValue(reason)


file: Kind[str] = Kind("file", _file, allowed="path of a file")


def _folder(raw: str) -> str:
    # A single part, such as /home, would take in what is no repository; a relative path matches nothing.
    path = PurePath(raw)
    if not path.is_absolute() or len(path.parts) <= len(PurePath("/a").parts):
        reason = "expected an absolute path of two parts or more"
        raise BadValue(reason)
    return raw


folders: Kind[tuple[str, ...]] = Kind(
    "list", lambda raw: checked(*each(_folder, raw)), join, "absolute paths separated by commas"
)


def _url(raw: str) -> str:
    example = "expected a URL such as http://localhost:4317"
    if not re.fullmatch(r"[!-~]+", raw):
        raise BadValue(example)
    scheme, separator, rest = raw.partition("://")
    if not separator:
        # gRPC reads a bare host:port as TLS and fails its handshake without a word (opentelemetry-python reads the
        # scheme alone). A collector on loopback or in a cluster speaks plain text, so that is what is meant.
        if not re.fullmatch(r"[^:/]+:[0-9]+(/.*)?|\[[0-9A-Fa-f:.]+\]:[0-9]+(/.*)?", raw):
            raise BadValue(example)
        return _url(f"http://{raw}")
    scheme = scheme.lower()
    found = f"{scheme}://{rest}"
    if scheme not in {"http", "https", "unix"} or not rest.strip("/"):
        reason = "expected a URL that starts with http:// or https://"
        raise BadValue(reason)
    if scheme != "unix":
        _check_host(found)
    return found


def _check_host(found: str) -> None:
    try:
        host = urlsplit(found).hostname or ""
    except ValueError:  # brackets that hold no address
        host = ""
    if not 0 < len(host) <= _LONGEST_HOST:
        reason = "no host has a name that long" if host else "it names no host"
        raise BadValue(reason)
    try:
        port = urlsplit(found).port
    except ValueError:
        port = 0
    if port == 0:
        reason = "its port is no number from 1 to 65535"  # not quoted: a password with a slash would look like one
        raise BadValue(reason)


url: Kind[str] = Kind("URL", _url, allowed="http://host:port, https://host:port")


def _traceparent(raw: str) -> str:
    if re.fullmatch(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", raw):
        return raw
    reason = "expected a W3C traceparent"
    raise BadValue(reason)


traceparent: Kind[str] = Kind("traceparent", _traceparent, allowed="00-<trace id>-<span id>-<flags>")
