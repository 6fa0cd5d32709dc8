"""What the text of a statement tells before the engine has seen it: its verb, its tables, and whether it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from codeanatomy_distro.instrumentation.datafusion.sql_tokens import Token, mask, tokenize

__all__ = ["Statement", "read_name", "read_statement"]

_VERBS: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "VALUES"})
_WRITES: Final = frozenset({"COPY", "INSERT", "UPDATE", "DELETE"})
_ENDS_FROM: Final = frozenset(
    {
        "SELECT", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", "QUALIFY",
        "WINDOW", "SET", "VALUES", "RETURNING", "FETCH", "STORED", "OPTIONS",
    }
)  # fmt: skip
_BEFORE_NAME: Final = frozenset({"LATERAL", "ONLY", "TABLE"})
_FROM_INSIDE: Final = frozenset({"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY", "POSITION"})
"""Functions whose arguments are parted by FROM."""
_OF_CREATE: Final = frozenset({"OR", "REPLACE", "TEMP", "TEMPORARY", "EXTERNAL", "UNBOUNDED"})
_IF_EXISTS: Final = ("IF", "NOT", "EXISTS", "TABLE", "INTO", "OVERWRITE")


@dataclass(frozen=True)
class Statement:
    """A statement as its text tells it.

    `operation` is the verb, and `runs` the one that does the work: EXPLAIN ANALYZE runs another. `words` are the words
    that open it, in capitals; `tables` are the names it reads and `target` the one that it writes, `reference` the
    latter with the quotes that it is written with; `location` is the place that a COPY or an external table names;
    `stored_as` the format given to it; `masked` the text with its literals masked.
    """

    operation: str
    runs: str
    words: tuple[str, ...]
    tables: tuple[str, ...]
    target: str | None
    reference: str | None
    location: str | None
    stored_as: str | None
    makes_table: bool
    makes_view: bool
    masked: str


class _Level:
    """One level of parentheses: whether a FROM list is under way in it, and whether a name of that list is due."""

    __slots__ = ("due", "listing", "opened", "plain")

    def __init__(self, opened: int, *, plain: bool) -> None:
        self.opened = opened
        self.plain = plain
        self.listing = False
        self.due = False


class _Reader:
    """Walks the tokens of one statement once."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.upper = [token.text.upper() if token.kind == "word" else "" for token in tokens]
        self.tables: dict[str, None] = {}
        self.aside: set[str] = set()

    def word(self, index: int) -> str:
        return self.upper[index] if 0 <= index < len(self.upper) else ""

    def sign(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def name(self, index: int) -> tuple[str | None, int]:
        """Return the dotted name that starts at `index`, and the index after it."""
        parts: list[str] = []
        while index < len(self.tokens) and self.tokens[index].is_name:
            parts.append(_bare(self.tokens[index]))
            index += 1
            if self.sign(index) != "." or not (index + 1 < len(self.tokens) and self.tokens[index + 1].is_name):
                break
            index += 1
        return (".".join(parts) or None), index

    def walk(self) -> None:  # noqa: C901 - one case a kind of token
        """Collect the tables that the statement reads; names that it defines itself go to `aside`."""
        levels = [_Level(-1, plain=True)]
        closed = -1
        index = 0
        while index < len(self.tokens):
            level, text, word = levels[-1], self.tokens[index].text, self.upper[index]
            if text == "(":
                level.due = False
                levels.append(_Level(index, plain=self.word(index - 1) not in _FROM_INSIDE))
            elif text == ")":
                if len(levels) > 1:
                    closed = levels.pop().opened
            elif text == ",":
                level.due = level.listing
            elif word in {"FROM", "JOIN"} and level.plain and self.word(index - 1) != "DISTINCT":
                level.listing = level.due = True
            elif word in _ENDS_FROM:
                level.listing = level.due = False
            elif word == "AS" and self.sign(index + 1) == "(":
                self._define(closed - 1 if self.sign(index - 1) == ")" else index - 1)
            elif level.due and word not in _BEFORE_NAME:
                level.due = False
                found, after = self.name(index)
                if found is not None:
                    if self.sign(after) != "(" and "/" not in found:  # else a table function, or the place of a file
                        self.tables[found] = None
                    index = after
                    continue
            index += 1

    def _define(self, index: int) -> None:
        if 0 <= index < len(self.tokens) and self.tokens[index].is_name:
            self.aside.add(_bare(self.tokens[index]))

    def after(self, word: str, start: int = 0) -> int | None:
        """Return the index after the first `word` outside parentheses, from `start` on."""
        depth = 0
        for index in range(start, len(self.tokens)):
            text = self.tokens[index].text
            depth += (text == "(") - (text == ")")
            if depth == 0 and self.upper[index] == word:
                return index + 1
        return None


def read_name(text: str) -> str | None:
    """Return the name of a table without the quotes that SQL writes it with; None for the place of a file."""
    name = _Reader(tokenize(text)).name(0)[0] if '"' in text or "`" in text else text
    return None if name is None or "/" in name else name


def _bare(token: Token) -> str:
    if token.kind != "name":
        return token.text
    quote = token.text[0]
    return token.text[1:].removesuffix(quote).replace(quote * 2, quote)


def _literal(token: Token) -> str:
    return token.text.strip("'").replace("''", "'") if token.kind == "string" else token.text


def read_statement(text: str, *, double_quotes: bool = False) -> Statement:
    """Return what `text` tells; anything at all may be given. What is no statement has its first word as operation.

    `double_quotes` tells that the session's dialect puts those around strings.
    """
    tokens = tokenize(text, double_quotes=double_quotes)
    reader = _Reader(tokens)
    reader.walk()
    words = _opening_words(reader)
    first = words[0] if words else "UNKNOWN"
    operation, at = "SELECT" if first == "FROM" else first, 0
    if first == "WITH":
        found = [(after, verb) for verb in _VERBS if (after := reader.after(verb))]
        at, operation = min(found, default=(0, "SELECT"))
        at -= 1
    runs = operation
    if words[:2] == ("EXPLAIN", "ANALYZE"):
        at = next((index for index, word in enumerate(words) if word in _WRITES), 0)
        runs = words[at]
    target, reference = _target(reader, runs, max(at, 0))
    to = reader.after("TO" if runs == "COPY" else "LOCATION") if runs in {"COPY", "CREATE"} else None
    stored = reader.after("STORED", to) if to is not None else None
    stored = stored if stored is not None else (reader.after("STORED") if to is not None else None)
    created = _created(reader) if operation == "CREATE" else None
    return Statement(
        operation=operation,
        runs=runs,
        words=words,
        tables=tuple(table for table in reader.tables if table not in reader.aside and table != target),
        target=target,
        reference=reference,
        location=_literal(tokens[to]) if to is not None and to < len(tokens) and tokens[to].is_literal else None,
        stored_as=reader.word(stored + 1).lower() if stored is not None and reader.word(stored) == "AS" else None,
        makes_table=(runs == "SELECT" and target is not None)
        or (created == "TABLE" and "EXTERNAL" not in words[:4] and reader.after("AS") is not None),
        makes_view=created == "VIEW",
        masked=mask(_without_value(reader) if operation == "SET" else tokens),
    )


def _without_value(reader: _Reader) -> list[Token]:
    """Return the tokens of a SET with one literal for the value, which may be written as a bare word."""
    for index, token in enumerate(reader.tokens):
        if token.text == "=" or reader.upper[index] == "TO":
            return [*reader.tokens[: index + 1], Token("string", "", spaced=True)]
    return reader.tokens


def _opening_words(reader: _Reader) -> tuple[str, ...]:
    words: list[str] = []
    for index, word in enumerate(reader.upper[:8]):
        if word:
            words.append(word)
        elif words or reader.sign(index) != "(":  # a query may stand in parentheses
            break
    return tuple(words)


def _created(reader: _Reader) -> str:
    index = 1
    while reader.word(index) in _OF_CREATE:
        index += 1
    return reader.word(index)


def _target(reader: _Reader, operation: str, at: int) -> tuple[str | None, str | None]:
    index = at + 1
    match operation:
        case "CREATE" | "DROP":
            while reader.word(index) in _OF_CREATE:
                index += 1
            if reader.word(index) not in {"TABLE", "VIEW", "SCHEMA", "DATABASE", "CATALOG"}:
                return None, None
            index += 1
        case "INSERT" | "UPDATE":
            pass
        case "SELECT" if (into := reader.after("INTO")) is not None:
            index = into
        case "COPY":
            found, _ = reader.name(index)
            if found is not None and "/" not in found:
                reader.tables[found] = None
            return None, None
        case _:
            return None, None
    while reader.word(index) in _IF_EXISTS:
        index += 1
    target, after = reader.name(index)
    return target, "".join(token.text for token in reader.tokens[index:after]) or None
