"""OTLP attribute values and ids as Python values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1 import common_pb2

    from codeanatomy_distro.testing.otlp import AnyValue

__all__ = ["any_value", "attributes", "optional_hex"]


def any_value(message: common_pb2.AnyValue) -> AnyValue:
    """Return the value with the type it was sent with; None when it holds nothing."""
    which = message.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [any_value(item) for item in message.array_value.values]
    if which == "kvlist_value":
        return attributes(message.kvlist_value.values)
    value: AnyValue = getattr(message, which)
    return value


def attributes(pairs: Iterable[common_pb2.KeyValue]) -> dict[str, AnyValue]:
    """Return the pairs as a dictionary; of a key sent twice, which OTLP forbids, the last value."""
    return {pair.key: any_value(pair.value) for pair in pairs}


def optional_hex(identifier: bytes) -> str | None:
    """Return the id in hex, or None for one that is empty or all zero: OTLP's two ways to say that there is none."""
    return identifier.hex() if any(identifier) else None
