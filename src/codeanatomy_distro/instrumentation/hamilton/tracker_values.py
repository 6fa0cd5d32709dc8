"""Inputs and configuration as the Hamilton UI may have them: cut to the limits, and with secrets left out.

The UI's own SDK cuts results and sends inputs whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.hamilton.profiles import Limits

__all__ = ["REDACTED", "cut"]

REDACTED: Final = "(redacted)"

_SECRET_NAME: Final = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|api_?key|access_?key|private_?key|authorization|cookie",
    re.IGNORECASE,
)
_LONGEST_TEXT: Final = 1000
_DEEPEST: Final = 8


def cut(value: object, limits: Limits, *, depth: int = 0) -> Any:  # noqa: ANN401
    """Return `value` as it may be sent: the first items of lists and dictionaries, and what else may be captured.

    Where statistics may not be captured, a value within is told by its type alone; only None, truth values and numbers
    of items stay. Under a key that sounds like a secret nothing is told at all.
    """
    if depth > _DEEPEST:
        return _kind(value)
    if isinstance(value, Mapping):
        items = _first(value.items(), limits.max_dict_length)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return {str(key): REDACTED if _is_secret(key) else cut(item, limits, depth=depth + 1) for key, item in items}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, (str, bytes, bytearray)):
        return [cut(item, limits, depth=depth + 1) for item in _first(value, limits.max_list_length)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if value is None or isinstance(value, bool) or (limits.capture_statistics and isinstance(value, (int, float))):
        return value
    if limits.capture_statistics and isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}..."
    # A data frame or anything else may hold any amount of data: its kind tells enough.
    return _kind(value)


def _first(items: Any, most: int) -> list[Any]:  # noqa: ANN401
    return [item for _, item in zip(range(most), items, strict=False)]


def _is_secret(key: object) -> bool:
    return _SECRET_NAME.search(str(key)) is not None


def _kind(value: object) -> str:
    return f"({type(value).__qualname__})"
