"""Any value as an attribute value: pure functions, no limits of their own beyond what OpenTelemetry can carry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.util.types import AttributeValue

__all__ = ["attribute_value", "flatten_payload", "normalize_attributes", "to_json"]

_INT64 = 1 << 63


def attribute_value(value: object) -> AttributeValue | None:
    """Return `value` as OpenTelemetry carries it, or None for None, which no attribute can hold.

    Booleans, numbers and texts stay; bytes are decoded; sequences and sets whose items are all of one such type become
    tuples; anything else becomes JSON text. An integer beyond 64 bits becomes text, since OTLP would refuse the whole
    batch for it.
    """
    match value:
        case None:
            return None
        case bool() | float() | str():
            return _plain(value)
        case int():
            return int(value) if -_INT64 <= value < _INT64 else str(value)
        case bytes() | bytearray():
            return bytes(value).decode("utf-8", "replace")
        case Mapping():
            return to_json(value)  # pyright: ignore[reportUnknownArgumentType]
        case Sequence() | set() | frozenset():
            return _sequence(value)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return str(value)


def _plain(value: bool | float | str) -> AttributeValue:  # noqa: FBT001 - a value among others
    # Subclasses (enums, numpy scalars, lone surrogates) pass isinstance but not every encoder.
    if isinstance(value, str):
        text = str.__str__(value)
        return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    return float(value) if isinstance(value, float) else bool(value)


def _sequence(value: Sequence[Any] | set[Any] | frozenset[Any]) -> AttributeValue:
    items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
    if not items:
        return ()
    converted = [attribute_value(item) for item in items]
    kinds = {type(item) for item in converted}
    if len(kinds) == 1 and kinds <= {bool, int, float, str}:
        return tuple(converted)  # pyright: ignore[reportReturnType]
    return to_json(value)


def to_json(value: object) -> str:
    """Return `value` as JSON text; what JSON has no word for (a path, a date, an object, NaN) becomes its text."""
    return json.dumps(_jsonable(value, depth=0), ensure_ascii=False, separators=(",", ":"))


_DEEPEST = 32  # beyond that a nested payload is told as text: the JSON encoder has a recursion limit of its own


def _jsonable(value: object, *, depth: int) -> object:
    if depth > _DEEPEST:
        return str(value)
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(key): _jsonable(item, depth=depth + 1) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case bytes() | bytearray():
            return bytes(value).decode("utf-8", "replace")
        case set() | frozenset():
            return [_jsonable(item, depth=depth + 1) for item in sorted(value, key=str)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case Sequence():
            return [_jsonable(item, depth=depth + 1) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return str(value)


def normalize_attributes(attributes: Mapping[str, object] | None) -> dict[str, AttributeValue]:
    """Return `attributes` with each value as OpenTelemetry carries it, those that are None left out."""
    if not attributes:
        return {}
    return {str(key): kept for key, value in attributes.items() if (kept := attribute_value(value)) is not None}


def flatten_payload(payload: Mapping[str, object]) -> dict[str, AttributeValue]:
    """Return a diagnostics payload as flat attributes: nested structures become JSON text under their own key."""
    return normalize_attributes(payload)
