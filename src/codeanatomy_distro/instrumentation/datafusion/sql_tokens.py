"""The tokens of SQL text, read in linear time, and the text with its literals masked.

It is a lexer for telemetry, not a parser: what it can't tell apart it takes for a literal, which is then masked.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Token", "mask", "mask_expression", "tokenize"]

MOST_CHARACTERS: Final = 16_384
"""What is read of a text; a longer one is cut here, so that telemetry costs a bounded time a query."""

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<block>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z))
    | (?P<string>(?:[nNxXbBrR]|[uU]&)?'(?:[^']|'')*(?:'|\Z))
    | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$)
    | (?P<placeholder>\$\w+)
    | (?P<name>"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z))
    | (?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?\w*)
    | (?P<word>[^\W\d]\w*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_LITERALS: Final = frozenset({"string", "escaped", "dollar", "number"})


class Token(NamedTuple):
    """A word, a quoted name, a literal, a placeholder or a sign; `spaced` when blanks or a comment stood before it."""

    kind: str
    text: str
    spaced: bool

    @property
    def is_literal(self) -> bool:
        """Tell whether it is a value that the user wrote."""
        return self.kind in _LITERALS

    @property
    def is_name(self) -> bool:
        """Tell whether it may be part of a name."""
        return self.kind in {"word", "name"}


def tokenize(text: str, *, double_quotes: bool = False) -> list[Token]:
    """Return the tokens of the first 16 384 characters of `text`; a literal that may be open reaches to the end.

    With `double_quotes` those are around strings, as some dialects have it, and not around names.
    """
    text = text[:MOST_CHARACTERS]
    tokens: list[Token] = []
    position, spaced = 0, False
    while match := _TOKEN.match(text, position):
        kind = match.lastgroup or "sign"
        position = match.end()
        if kind == "space":
            spaced = True
        elif kind == "block":
            position, spaced = _after_comment(text, position), True
        else:
            if kind == "dollar":
                closing = text.find(match.group(), position)
                position = len(text) if closing < 0 else closing + len(match.group())
            elif kind == "name" and double_quotes and text[match.start()] == '"':
                kind = "string"
            if kind == "string" and _ends_in_doubt(text, match, tokens):
                position = len(text)
            tokens.append(Token(kind, text[match.start() : position], spaced))
            spaced = False
    return tokens


def _ends_in_doubt(text: str, string: re.Match[str], before: list[Token]) -> bool:
    """Tell whether `string` may go on: some dialects escape a quote by a backslash, or open a text by three quotes."""
    after = text[string.end() : string.end() + 1]
    if after.isalnum() or after == "_":
        return True
    inner = string.group()[:-1]
    backslashes = len(inner) - len(inner.rstrip("\\"))
    return backslashes % 2 == 1 and not (before and before[-1].text.upper() == "ESCAPE")


def _after_comment(text: str, position: int) -> int:
    depth = 1  # block comments nest
    while depth and (edge := _COMMENT_EDGE.search(text, position)):
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return len(text) if depth else position


def mask(tokens: list[Token]) -> str:
    """Return the text of `tokens` with ``?`` for each literal, and one ``?`` for a list of nothing but literals."""
    parts: list[str] = []
    for token in tokens:
        if not token.is_literal:
            parts.append(f" {token.text}" if token.spaced and parts else token.text)
        elif len(parts) > 1 and parts[-1] == "," and parts[-2].endswith("?"):
            parts.pop()
        else:
            parts.append(" ?" if token.spaced and parts else "?")
    return "".join(parts)


def mask_expression(text: str) -> str:
    """Return a line of the engine's own plan text with its literals masked as those of SQL are."""
    return mask(tokenize(text))
