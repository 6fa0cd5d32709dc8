"""OTLP over HTTP with protobuf bodies: one session, one attempt at a time."""

from __future__ import annotations

import gzip
import logging
import math
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import requests
from opentelemetry.exporter.otlp.proto.http.version import __version__
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from codeanatomy_distro.otel.otlp_exporter import answer_reader
from codeanatomy_distro.otel.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["HttpSender", "retry_after_seconds"]

_logger = logging.getLogger("codeanatomy_distro.export")
_OK: Final = range(200, 300)
_RETRYABLE: Final = frozenset({429, 502, 503, 504})  # OTLP specification, *Retryable Response Codes*
_LONGEST_ANSWER: Final = 1 << 16  # bytes: what OTLP has to say takes a few hundred
_COMPRESSIONS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"gzip": gzip.compress, "deflate": zlib.compress}


class _OfTheProgramOnly(logging.Filter):
    """Keeps urllib3's word about our own connections out of the program's logs."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the base class's own
        return is_instrumentation_enabled()


class HttpSender:
    """Posts requests of one signal to `url`; `certificate` is a file of authorities, `client` a certificate and
    its key.
    """

    cancels = False

    def __init__(  # noqa: PLR0913 - what a connection needs
        self,
        signal: str,
        url: str,
        *,
        certificate: str | None = None,
        client: str | tuple[str, str] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        compression: str = "none",
    ) -> None:
        self._read_answer = answer_reader(signal)
        self._url = url
        self._compress = _COMPRESSIONS.get(compression)
        self._session = requests.Session()
        self._session.headers.update(
            {"Content-Type": "application/x-protobuf", "User-Agent": f"OTel-OTLP-Exporter-Python/{__version__}"}
        )
        if self._compress is not None:
            self._session.headers["Content-Encoding"] = compression
        self._session.headers.update(dict(headers))
        self._authorities = certificate
        self._session.cert = client
        pool_log = logging.getLogger("urllib3.connectionpool")
        if not any(isinstance(known, _OfTheProgramOnly) for known in pool_log.filters):
            pool_log.addFilter(_OfTheProgramOnly())

    def send(self, body: bytes, timeout: float, /) -> Outcome:
        """Try once to deliver an encoded request, for at most `timeout` seconds."""
        data = body if self._compress is None else self._compress(body)
        end = time.monotonic() + timeout
        try:
            with self._post(data, end) as answer:
                return self._outcome(answer, _content(answer, end))
        except requests.RequestException as error:
            # A connection that failed may be back; whatever else requests raises is about the request itself.
            retryable = isinstance(error, (requests.ConnectionError, requests.Timeout))
            return Outcome(arrived=False, retryable=retryable, reason=_first_cause(error))

    def _outcome(self, answer: requests.Response, content: bytes) -> Outcome:
        if answer.status_code in _OK:
            return self._read_answer(content)
        retryable = answer.status_code in _RETRYABLE
        retry_after = retry_after_seconds(answer.headers.get("Retry-After")) if retryable else None
        reason = f"HTTP {answer.status_code} {answer.reason or ''}".rstrip()
        return Outcome(arrived=False, retryable=retryable, retry_after=retry_after, reason=reason)

    def _post(self, data: bytes, end: float) -> requests.Response:
        try:
            return self._request(data, end - time.monotonic())
        except requests.ConnectionError as error:
            # A receiver may have closed a connection that was kept for reuse; another is made at once.
            left = end - time.monotonic()
            if left <= 0 or isinstance(error, requests.Timeout):
                raise
            return self._request(data, left)

    def _request(self, data: bytes, timeout: float) -> requests.Response:
        # The authorities go with the request: where the session has them, a REQUESTS_CA_BUNDLE of the environment wins.
        # The body of the answer is read apart: requests would read one of any size, for any time.
        return self._session.post(
            self._url,
            data=data,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            verify=self._authorities,
        )

    def close(self) -> None:
        """Close the session's idle connections."""
        self._session.close()


def _content(answer: requests.Response, end: float) -> bytes:
    """Return the body of `answer`; nothing where it is cut off, can't be decoded, is too long or not there in time.

    The status, which is known by then, says whether the batch has arrived.
    """
    content = bytearray()
    try:
        for piece in answer.iter_content(1):  # byte by byte: a longer piece is waited for until it is complete
            content += piece
            if len(content) > _LONGEST_ANSWER or time.monotonic() > end:
                return b""
    except requests.RequestException as error:
        _logger.debug("an answer breaks off: %s", error)
        return b""
    return bytes(content)


def retry_after_seconds(value: str | None) -> float | None:
    """Return what a ``Retry-After`` header asks for, in seconds from now; None when it says nothing that can be
    read.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value.strip()).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _first_cause(error: BaseException) -> str:
    """Return the text of what began it: requests and urllib3 wrap it three times."""
    cause: BaseException = error
    seen = 0
    while seen < 8:  # noqa: PLR2004 - more than there are layers
        seen += 1
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return f"{type(cause).__name__}: {cause}"
