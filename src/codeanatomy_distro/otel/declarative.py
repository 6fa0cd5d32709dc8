"""The declarative configuration file: read, checked, and asked what it says of each setting.

Reading and checking are `opentelemetry-configuration`'s (OpenTelemetry specification, *Declarative configuration*);
this adds the place of a fault, and keeps its own log lines out of the program's, for a fault is told once.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from codeanatomy_distro.setting_formats import file
from codeanatomy_distro.setting_kinds import BadValue
from codeanatomy_distro.version import DISTRO_NAME

if TYPE_CHECKING:
    from opentelemetry.configuration import OpenTelemetryConfiguration

    from codeanatomy_distro.setting import Setting

__all__ = ["INSTALL", "ConfigFile", "members", "read_config_file"]

T = TypeVar("T")

INSTALL: Final = "pip install 'codeanatomy-distro[file-config]'"
_LOADER: Final = "opentelemetry.configuration"
_PACKAGE: Final = "opentelemetry-configuration"
_UNREAD: Final = ("instrumentation/development", "distribution")
_UNREAD_OF_READERS: Final = ("cardinality_limits", "max_export_batch_size_development", "producers")
_LONGEST_REASON: Final = 300
# What the file calls by another name than the variables do.
_NAMES: Final = {
    "trace_id_ratio_based": "traceidratio",
    "otlp_grpc": "otlp_proto_grpc",
    "otlp_http": "otlp_proto_http",
    "service": "otel",
}
_OUR_SAMPLER: Final = (
    f"tracer_provider.sampler.{DISTRO_NAME}",
    f"tracer_provider.sampler.parent_based.root.{DISTRO_NAME}",
)
_OF_OUR_SAMPLER: Final = frozenset({"ratio", "rule", "rules"})


@dataclass(frozen=True)
class ConfigFile:
    """A file that was read: `model` is what `opentelemetry-configuration` made of it, `said` what it warned of."""

    path: str
    model: OpenTelemetryConfiguration
    said: tuple[str, ...] = ()

    def find(self, setting: Setting[T]) -> T | None:
        """Return what the file says of `setting`, or None where it says nothing of it.

        Raises `BadValue`, with the place, for what the setting can't express.
        """
        for place in setting.place.split(", ") if setting.place else ():
            found = _walk(self.model, place)
            text = "" if found is None else _text(found).strip()
            if text:
                try:
                    return setting.kind.parse(text)
                except BadValue as bad:
                    bad.args = (f"{place}: {bad}",)
                    raise
        return None

    @property
    def unused(self) -> tuple[str, ...]:
        """Return why parts of the file have no effect, a sentence each."""
        found = [place for place in _UNREAD if _walk(self.model, place) is not None]
        # A typing error in the name of a section would switch its signal off without a word.
        found += cast("Mapping[str, object]", getattr(self.model, "additional_properties", {}))
        for reader in cast("Sequence[object]", _walk(self.model, "meter_provider.readers") or ()):
            periodic = members(members(reader).get("periodic"))
            found += [f"meter_provider.readers[].periodic.{key}" for key in _UNREAD_OF_READERS if key in periodic]
        for place in _OUR_SAMPLER:
            ours = cast("Mapping[str, object]", _walk(self.model, place) or {})
            found += [f"{place}.{key}" for key in ours if key not in _OF_OUR_SAMPLER]
        unread = (f"nothing here reads {', '.join(dict.fromkeys(found))}",) if found else ()
        return (*self.said, *unread)


def read_config_file(path: str) -> ConfigFile:
    """Read the file at `path`; raise `BadValue` with what is wrong and where, on one line."""
    try:
        # Start-up cost, and an extra: it imports the SDK and a schema library.
        from opentelemetry.configuration import ConfigurationError, load_config_file
    except ImportError as error:
        reason = f"a declarative file needs {error.name or _PACKAGE}: {INSTALL}"
        raise BadValue(reason) from None
    _check_version()
    file.parse(path)
    try:
        with _loader_warnings() as said:
            model = load_config_file(path)
        return ConfigFile(path, model, tuple(said))
    except ConfigurationError as error:
        if isinstance(error.__cause__, OSError):
            reason = f"it can't be read ({error.__cause__.strerror})"
            raise BadValue(reason) from None
        raise BadValue(_one_line(f"{error}{_place(path, error)}")) from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # bytes that are no UTF-8, a path that no file can have, endless nesting
        reason = _one_line(f"it can't be read ({type(error).__name__}: {error})")
        raise BadValue(reason) from None


def _check_version() -> None:
    try:
        from codeanatomy_distro.otel import declared_parts  # start-up cost, as above

        declared_parts.check()
    except (ImportError, AttributeError, TypeError):
        reason = f"opentelemetry-configuration {version(_PACKAGE)} is not a version that we know: {INSTALL}"
        raise BadValue(reason) from None


@contextmanager
def _loader_warnings() -> Generator[list[str]]:
    """Keep the loader's own messages back and give those that are no errors: each of these it raises as well."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno < logging.ERROR:
                said.append(_one_line(record.getMessage()).rstrip("."))

    logger, listener = logging.getLogger(_LOADER), Listener()
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(listener)
    try:
        yield said
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)  # which also has loggers ask for it anew
        logger.propagate = propagate


def _one_line(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."


def _place(path: str, error: Exception) -> str:
    """Return the line of the file that the schema found fault with, as far as it can be told."""
    keys = getattr(error.__cause__, "absolute_path", None)
    if keys is None:
        return ""
    import yaml  # of the same extra

    try:
        node = cast("Any", yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    for key in cast("Sequence[object]", keys):
        node = _child(node, key) or node
    return f" (line {node.start_mark.line + 1})" if node is not None else ""


def _child(node: Any, key: object) -> Any:  # noqa: ANN401 - nodes of a library without types
    import yaml  # of the same extra

    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key]
    return None


def _walk(model: object, place: str) -> object:
    """Return what stands at `place` (see `Setting`), None where nothing does."""
    node: object = model
    for step in re.findall(r"[^.\[\]]+(?=[.\[]|$)|\[[^\]]*\]", place):
        if node is None:
            return None
        node = _step(node, step)
    return node


def _step(node: object, step: str) -> object:
    if step.startswith("["):
        items = cast("Sequence[object]", node) if isinstance(node, Sequence) else ()
        if step == "[]":
            return items[0] if items else None
        return next((getattr(item, "value", None) for item in items if getattr(item, "name", None) == step[1:-1]), None)
    if step == "*":
        return next(iter(members(node).values()), None)
    given = cast("Mapping[str, object]", node) if isinstance(node, Mapping) else members(node)
    return given.get(step.replace("/", "_"), given.get(step))


def members(node: object) -> dict[str, object]:
    """Return the keys that the file gives in a part of the model, with what they hold."""
    if not is_dataclass(node):
        return {}
    given = {field.name: value for field in fields(node) if (value := getattr(node, field.name)) is not None}
    return {**given, **cast("Mapping[str, object]", getattr(node, "additional_properties", {}))}


def _text(found: object) -> str:
    match found:
        case bool():
            return str(found).lower()
        case Enum():
            return str(found.value)
        case dict():
            return json.dumps(found, default=str)  # what a plug-in of ours is given, here and below
        case list() | tuple():
            items = cast("Sequence[object]", found)
            given = any(isinstance(item, dict) for item in items)
            return json.dumps(items, default=str) if given else ",".join(map(_text, items))
        case _ if is_dataclass(found):
            return _name(found)
        case _:
            return str(found)


def _name(part: object) -> str:
    """Return the name of a part whose only key is one: a sampler, a detector, an exporter."""
    key, below = next(iter(members(part).items()), ("", None))
    root = getattr(below, "root", None) if key == "parent_based" else None
    if root is None:
        return _NAMES.get(key, key)
    name = _name(root)
    return name if name == DISTRO_NAME else f"parentbased_{name}"  # ours follows each parent by itself
