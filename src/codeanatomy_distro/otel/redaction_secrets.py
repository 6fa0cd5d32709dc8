"""How a secret stands in a text: its name, what stands between, and its value.

Part of the list of `redaction_patterns`, and written as its patterns are.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BEARER", "NAMED_SECRET", "OPTION_OF_COMMAND", "OPTION_OF_SQL", "SECRET_KEY", "SECRET_KEY_IN_JSON", "hidden"]

# The first letters stand outside of what ignores case: both engines skip to them, which halves the cost of the list.
_WORDS: Final = (
    r"[Pp](?i:ass(?:wo?rd|wd|phrase)|rivate[_.-]?key)|[Ss](?i:ecret)|[Cc](?i:redential|ookie|onnection[_.-]?string)"
    r"|[Aa](?i:uthorization|(?:pi|ccess|ccount)[_.-]?key)"
)
_LAST_WORDS: Final = r"[Tt](?i:oken)|[Ss](?i:ignature)|[Pp](?i:wd)"
_NAME: Final = rf"(?:(?:{_WORDS})[\w.-]{{0,12}}|{_LAST_WORDS}|[?&]sig)"  # the last in URLs of Azure
# A key is secret when it holds one of the words; "token" and its like must end it (`max_tokens` is a count).
SECRET_KEY: Final = rf"{_WORDS}|(?:{_LAST_WORDS})$|(?:^|[._-])(?i:dsn|auth|sas)$"
# Such a key in compact JSON, with a number, a list or a map under it, which no pattern of texts masks.
SECRET_KEY_IN_JSON: Final = rf'(?:(?:{_WORDS})[^"]*|{_LAST_WORDS}|[."_-](?i:dsn|auth|sas))":[\[{{\d-]'
# What is a secret also where nothing but a blank stands before its value, in quotes, as in the options of SQL.
_NAME_IN_SQL: Final = (
    r"(?:[Pp](?i:assword)|[Ss](?i:ecret(?:[._-]access)?(?:[._-]key)?)|[Aa](?i:(?:pi|ccess|ccount)[._-]key(?:[._-]id)?)"
    r"|[._][Tt](?i:oken))"
)


def hidden(stops: str, first_stops: str = "", more: str = "", first: str = "") -> str:
    """Match a value up to one of `stops`, `first_stops` being what it cannot begin with besides; never the mask itself.

    `first` and `more` are what it can begin and go on with though a stop begins it. What is masked does not match
    again, so that a match means there is something to mask.
    """
    begin = rf"(?:\*{{0,3}}(?:[^*{stops}{first_stops}]{'|' + first if first else ''})|\*{{5}})"
    return begin + rf"[^{stops}]*" + (rf"(?:(?:{more})[^{stops}]*)*" if more else "")


# A value without quotes cannot begin with what follows a closing quote in JSON: there it is no value.
_VALUE: Final = hidden(r"\s\"'\\<>,;&)}\]|", ":")
# Quoted values may be cut off by a limit: no closing quote is asked for. None goes on beyond a double quote, with
# backslashes or without, for that may end the string of JSON that the text stands in.
_ESCAPE: Final = r"\\+[^\"\\]"
_QUOTED_JSON: Final = hidden(r"\"\\", more=r"\\.", first=r"\\.")
_INNER_ESCAPE: Final = r"\\\\(?:\\[\"\\]|[^\"\\])|\\[^\"\\]"  # of JSON within a string of JSON
_QUOTED_INNER_JSON: Final = hidden(r"\"\\", more=_INNER_ESCAPE, first=_INNER_ESCAPE)
_DOUBLE_QUOTED: Final = hidden(r"\"\\", more=_ESCAPE, first=_ESCAPE)
_SINGLE_QUOTED: Final = hidden(r"\"'\\", more=_ESCAPE, first=_ESCAPE)
_AFTER_QUOTE: Final = r"\s,:;})\]"
_DOUBLE_QUOTED_ASSIGNED: Final = hidden(r"\"\\", _AFTER_QUOTE, more=_ESCAPE)
_SINGLE_QUOTED_ASSIGNED: Final = hidden(r"\"'\\", _AFTER_QUOTE, more=_ESCAPE)

# What stands between a secret's name and its value, and the value: the same word is looked for once for all of them.
_ASSIGNED: Final = (
    rf"(\"\s*:\s*\"){_QUOTED_JSON}",
    rf"('\s*:\s*'){_SINGLE_QUOTED}",  # a Python dict as text
    rf"('\s*:\s*\\*\"){_DOUBLE_QUOTED_ASSIGNED}",  # one whose value has an apostrophe
    rf"(\\\"\s*:\s*\\\"){_QUOTED_INNER_JSON}",
    rf"(\\\\+\"\s*:\s*\\\\+\"){_DOUBLE_QUOTED}",  # JSON deeper down
    rf"(\s?[=:]\s?\\*\"){_DOUBLE_QUOTED_ASSIGNED}",
    rf"(\s?[=:]\s?'){_SINGLE_QUOTED_ASSIGNED}",
    rf"(\s?[=:]\s?|%3[Dd])(?:(?:[Bb](?i:earer|asic)|[Tt](?i:oken))\s)?{_VALUE}",
)
# The same for an option of a command: in a shell's line, and in a list of arguments as text.
_GIVEN: Final = (
    rf"((?:\s+|\\*\",\s?)\\*\"){_DOUBLE_QUOTED_ASSIGNED}",
    rf"((?:\s+|',\s?)'){_SINGLE_QUOTED_ASSIGNED}",
    rf"(\s+){_VALUE}",
)

NAMED_SECRET: Final = rf"({_NAME})(?:{'|'.join(_ASSIGNED)})"
OPTION_OF_COMMAND: Final = rf"(-{_NAME})(?:{'|'.join(_GIVEN)})"
OPTION_OF_SQL: Final = rf"({_NAME_IN_SQL}'?\s+'){_SINGLE_QUOTED_ASSIGNED}"
BEARER: Final = r"(\b[Bb](?i:earer)\s)[\w.~+/-]{8,}=*"
