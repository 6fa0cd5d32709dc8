"""Decoded telemetry as JSON: what ``codeanatomy-otel report --json`` writes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from codeanatomy_distro.testing.otlp import Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeanatomy_distro.testing.otlp import Telemetry

__all__ = ["to_dict", "write_json"]


def to_dict(telemetry: Telemetry) -> dict[str, Any]:
    """Return the telemetry as JSON values, with the field names of the model.

    Each resource and scope stands once, in the lists ``resources`` and ``scopes``; spans, log records and metric points
    refer to them by place. What JSON lacks becomes text: bytes in base64, and ``NaN``, ``Infinity``, ``-Infinity``.
    """
    table = _Table()
    body = {field.name: [table.plain(item) for item in getattr(telemetry, field.name)] for field in fields(telemetry)}
    return {"resources": table.resources, "scopes": table.scopes, **body}


def write_json(telemetry: Telemetry, file: IO[str]) -> None:
    """Write the telemetry as one JSON object."""
    json.dump(to_dict(telemetry), file, indent=1, allow_nan=False, ensure_ascii=False)
    file.write("\n")


class _Table:
    def __init__(self) -> None:
        self.resources: list[Any] = []
        self.scopes: list[Any] = []
        self._places: dict[int, int] = {}

    def plain(self, value: object) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, (Resource, Scope)):
            return self._place(value)
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return self._container(value)

    def _container(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if is_dataclass(value):
            return {field.name: self.plain(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, Mapping):
            return {key: self.plain(item) for key, item in cast("Mapping[str, object]", value).items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in cast("Sequence[object]", value)]
        return value

    def _place(self, value: Resource | Scope) -> int:
        """Return the place of the value in its list; what one request shares is found by identity."""
        place = self._places.get(id(value))
        if place is None:
            known = self.resources if isinstance(value, Resource) else self.scopes
            entry = self._container(value)
            place = known.index(entry) if entry in known else len(known)
            if place == len(known):
                known.append(entry)
            self._places[id(value)] = place
        return place
