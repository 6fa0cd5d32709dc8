"""The text of an error in an Arrow stream that pyarrow exports for us: the engine's own, to the letter.

pyarrow would put the name of a status before it and our traceback behind it. Of the stream's structure (Arrow C stream
interface) only the function that tells the last error is another: it is called when a pull has failed, by a thread that
has no Python exception pending. Pulling and releasing stay pyarrow's: a release may come with an exception pending, in
which no Python code can run.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.engine import Raw

__all__ = ["ErrorText"]


class _Stream(ctypes.Structure):
    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


_LAST_ERROR: Final = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Stream))
_POINTER_OF: Final = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)

_originals: Final[dict[int, Any]] = {}
"""What pyarrow gave each stream to tell its error by, by the address of the stream's own data, which moves never."""
_texts: Final[dict[int, Any]] = {}
"""The texts of the streams that have failed, as C reads them."""


def _last_error(stream: Raw) -> int | None:
    key: int = stream.contents.private_data
    text = _texts.get(key)
    return ctypes.addressof(text) if text is not None else _originals[key](stream)


_tells_last_error: Final = _LAST_ERROR(_last_error)  # for ever: a stream may outlive all else


class ErrorText:
    """The text of the error of one stream; `set` it when the stream fails, `drop` it when the stream goes."""

    __slots__ = ("_key",)

    def __init__(self, capsule: object) -> None:
        stream = _Stream.from_address(_POINTER_OF(capsule, b"arrow_array_stream"))
        self._key: int = stream.private_data
        _originals[self._key] = _LAST_ERROR(stream.get_last_error)
        stream.get_last_error = ctypes.cast(_tells_last_error, ctypes.c_void_p).value

    def set(self, text: str) -> None:
        """Make `text` what the consumer is told."""
        _texts[self._key] = ctypes.create_string_buffer(text.encode("utf-8", "replace"))

    def drop(self) -> None:
        """Forget the text; nobody asks any more."""
        _texts.pop(self._key, None)
        _originals.pop(self._key, None)
