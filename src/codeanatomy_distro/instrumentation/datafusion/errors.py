"""The engine's own error variant, read from the text of the bare exceptions that it raises in Python."""

from __future__ import annotations

import re
from typing import Final

from codeanatomy_distro.obs.errors import error_type

__all__ = ["engine_error_type"]

_VARIANTS: Final = (
    ("Error during planning: ", "Plan"),
    ("SQL error: ", "SQL"),
    ("Schema error: ", "SchemaError"),
    ("Execution error: ", "Execution"),
    ("Arrow error: ", "ArrowError"),
    ("Parquet error: ", "ParquetError"),
    ("Avro error: ", "AvroError"),
    ("Object Store error: ", "ObjectStore"),
    ("IO error: ", "IoError"),
    ("Resources exhausted: ", "ResourcesExhausted"),
    ("This feature is not implemented: ", "NotImplemented"),
    ("Invalid or Unsupported Configuration: ", "Configuration"),
    ("Internal error: ", "Internal"),
    ("ExecutionJoin error: ", "ExecutionJoin"),
    ("Substrait error: ", "Substrait"),
    ("FFI error: ", "Ffi"),
)
_OLD: Final = re.compile(
    r"(?:Diagnostic\(Diagnostic \{.{0,4000}?\}, )?(?:Context\(\"(?:[^\"\\]|\\.){0,4000}\", )?"
    rf"({'|'.join(variant for _, variant in _VARIANTS)})\(",
    re.DOTALL,
)
"""How releases before 50 write an error: the variant's name, and what it holds in parentheses."""
_EXTERNAL: Final = "External error: "
_WRAPPINGS: Final = ("DataFusion error: ", _EXTERNAL, "Invalid: ")
_CAUSE: Final = "\ncaused by\n"
_PYTHON: Final = re.compile(r"PyErr \{ type: <class '([^']{1,200})'>")
_ENGINES: Final = {"Exception", "ValueError", "RuntimeError", "pyarrow.lib.ArrowInvalid", "pyarrow.lib.ArrowException"}
"""Classes that the engine raises for errors of any kind; another class says more than any text."""


def engine_error_type(error: BaseException) -> str:
    """Return ``error.type`` of an error that a call of the engine raised.

    That is the class of the Python exception behind it where there is one, such as a UDF's; else the variant of the
    engine's error, such as ``datafusion.Plan``; else the class of `error`. Anything in the text is user input: it is
    searched in linear time, and what is returned is a class name or a word of the engine's fixed set.
    """
    named = error_type(error)
    if named not in _ENGINES:
        return named
    text = str(error)
    if found := _PYTHON.search(text):
        return found[1].removeprefix("builtins.")
    text = text.rpartition(_CAUSE)[2]
    inner = text
    for wrapping in _WRAPPINGS:
        inner = inner.removeprefix(wrapping)
    for prefix, variant in _VARIANTS:
        if inner.startswith(prefix):
            return f"datafusion.{variant}"
    if found := _OLD.match(inner):
        return f"datafusion.{found[1]}"
    return "datafusion.External" if _EXTERNAL in text.removesuffix(inner) else named
