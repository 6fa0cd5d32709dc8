"""Any value as an attribute value: pure functions that never raise and never make the program's objects do work."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

__all__ = ["attribute_value", "flatten_payload", "is_data", "normalize_attributes", "to_json", "to_text"]

_INT64: Final = 1 << 63
_DEEPEST: Final = 32  # beyond that a nested value is told as text: the JSON encoder has a recursion limit of its own
_MOST_ITEMS: Final = 10_000  # of one value, nested ones counted: a list that holds itself twice has no end otherwise
_DATA: Final = ("__arrow_c_stream__", "__arrow_c_array__", "__array__")


def attribute_value(value: object) -> AttributeValue | None:
    """Return `value` as OpenTelemetry carries it, or None for None, which no attribute can hold. It never raises.

    Booleans, numbers and texts stay; bytes are decoded; sequences and sets whose items are all of one such type become
    tuples; mappings, other sequences and those of more than 10,000 items become JSON text; anything else becomes its
    text (`to_text`). An integer beyond 64 bits becomes text too, since OTLP would refuse the whole batch for it.
    """
    kind = type(value)
    if kind is str:
        return _encodable(value)  # pyright: ignore[reportArgumentType] - a string, as the line above says
    if kind is bool or kind is float:
        return value  # pyright: ignore[reportReturnType] - as above
    try:
        return _converted(value)
    except Exception:  # noqa: BLE001 - a container's own methods may raise anything, as when another thread changes it
        return to_text(value)


def to_text(value: object) -> str:
    """Return the text of `value` as UTF-8 can carry it; never raises, whatever the value's own ``__str__`` does.

    A table or an array is told by the name of its type: its text can cost the execution of a query.
    """
    if is_data(value):
        return f"{type(value).__module__}.{type(value).__qualname__}"
    try:
        return _encodable(str.__str__(value) if isinstance(value, str) else str(value))
    except Exception:  # noqa: BLE001 - see above; also a number of too many digits
        return f"({type(value).__qualname__} without a text)"


def is_data(value: object) -> bool:
    """Return whether `value` is a table or an array, such as a DataFrame: data, and no description of anything."""
    kind = type(value)
    return any(hasattr(kind, name) for name in _DATA)


def to_json(value: object) -> str:
    """Return `value` as JSON text; what JSON has no word for (a path, a date, an object, NaN) becomes its text.

    It never raises. Beyond 10,000 items, nested ones counted, the text says how many more there are.
    """
    return _encodable(json.dumps(_JsonValue().of(value, depth=0), ensure_ascii=False, separators=(",", ":")))


def normalize_attributes(attributes: Mapping[str, object] | None) -> dict[str, AttributeValue]:
    """Return `attributes` with each value as OpenTelemetry carries it; None and the nameless are left out."""
    if not attributes:
        return {}
    return {
        name: kept
        for key, value in attributes.items()
        if (name := to_text(key)) and (kept := attribute_value(value)) is not None
    }


def flatten_payload(payload: Mapping[str, object]) -> dict[str, AttributeValue]:
    """Return a diagnostics payload as flat attributes: nested structures become JSON text under their own key."""
    return normalize_attributes(payload)


def _encodable(text: str) -> str:
    # A lone surrogate (a file name that is no UTF-8) can't be encoded, and one such text loses the whole batch.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _converted(value: object) -> AttributeValue | None:
    match value:
        case None:
            return None
        case bool() | int() | float() | str() | bytes() | bytearray() | memoryview():
            return _plain(value)  # pyright: ignore[reportUnknownArgumentType]
        case Mapping():
            return to_json(value)  # pyright: ignore[reportUnknownArgumentType]
        case Sequence() | set() | frozenset():
            return _sequence(value)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return _scalar(value)


def _plain(value: bool | float | str | bytes | bytearray | memoryview[Any]) -> AttributeValue:  # noqa: FBT001 - one of many
    """Return a value of a built-in kind as that very kind: subclasses (enums) pass isinstance but not every encoder."""
    match value:
        case bool():
            return value
        case str():
            return _encodable(str.__str__(value))
        case float():
            return float(value)
        case int():
            return int(value) if -_INT64 <= value < _INT64 else to_text(int(value))
        case _:
            return bytes(value).decode("utf-8", "replace")


def _scalar(value: Any) -> AttributeValue:  # noqa: ANN401 - whatever is left
    """Return a NumPy scalar as Python's own, anything else as its text."""
    if getattr(value, "ndim", None) == 0 and is_data(value):
        plain = value.item()
        if isinstance(plain, (bool, int, float, str)):
            return _plain(plain)
        return _encodable(str(value))
    return to_text(value)


def _sequence(value: Sequence[Any] | set[Any] | frozenset[Any]) -> AttributeValue:
    items = _in_order(value) if len(value) <= _MOST_ITEMS else ()
    if len(value) > _MOST_ITEMS or any(_is_container(item) for item in items):
        return to_json(value)
    converted = [attribute_value(item) for item in items]
    kinds = {type(item) for item in converted}
    if len(kinds) <= 1 and kinds <= {bool, int, float, str}:
        return tuple(converted)  # pyright: ignore[reportReturnType] - of one kind, as the line above says
    return to_json(value)


def _is_container(item: object) -> bool:
    if isinstance(item, (str, int, float, bytes, bytearray, memoryview)):
        return False
    return isinstance(item, (Mapping, Sequence, set, frozenset))


def _in_order(value: Sequence[Any] | set[Any] | frozenset[Any]) -> Sequence[Any]:
    """Return the items; those of a set sorted by their text, so that equal sets give equal attributes."""
    return sorted(value, key=to_text) if isinstance(value, (set, frozenset)) else value


class _JsonValue:
    """Turns one value into what the JSON encoder takes, within bounds of depth and number of items."""

    def __init__(self) -> None:
        self._left = _MOST_ITEMS

    def of(self, value: object, *, depth: int) -> object:
        if depth > _DEEPEST:
            return to_text(value)
        try:
            return self._converted(value, depth)
        except Exception:  # noqa: BLE001 - as in attribute_value, but the rest of the structure stays
            return to_text(value)

    def _converted(self, value: object, depth: int) -> object:
        match value:
            case None:
                return None
            case float():
                return float(value) if math.isfinite(value) else str(float(value))
            case bool() | int() | str() | bytes() | bytearray() | memoryview():
                return _plain(value)  # pyright: ignore[reportUnknownArgumentType]
            case Mapping():
                return self._mapping(value, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
            case Sequence() | set() | frozenset():
                return self._items(value, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
            case _:
                return _scalar(value)

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, item in mapping.items():
            if self._left <= 0:
                found["…"] = f"{len(mapping) - len(found)} more"
                break
            self._left -= 1
            found[to_text(key)] = self.of(item, depth=depth)
        return found

    def _items(self, values: Sequence[Any] | set[Any] | frozenset[Any], depth: int) -> list[object]:
        found: list[object] = []
        for item in _in_order(values):
            if self._left <= 0:
                found.append(f"… {len(values) - len(found)} more")
                break
            self._left -= 1
            found.append(self.of(item, depth=depth))
        return found
