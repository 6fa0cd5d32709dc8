"""The doctor on a connection: whether something listens at an endpoint, and whether it speaks TLS."""

from __future__ import annotations

import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from codeanatomy_distro.setting_kinds import without_credentials

__all__ = ["address", "connect", "speaks_tls"]

_PORTS: Final = {"http": 80, "https": 443}


def address(endpoint: str) -> str:
    """Return where `endpoint` leads, without its path and without credentials."""
    parts = urlsplit(endpoint)
    return without_credentials(f"{parts.scheme}://{parts.netloc}" if parts.netloc else endpoint)


def connect(endpoint: str, timeout: float) -> str:
    """Return why nothing answers at `endpoint` within `timeout` seconds, or an empty text."""
    if endpoint.startswith("unix:"):
        return ""  # gRPC tells
    try:
        with _connection(endpoint, timeout):
            return ""
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__


def speaks_tls(endpoint: str, timeout: float) -> bool:
    """Return whether what listens at `endpoint` answers a TLS handshake; whose certificate it has does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connection(endpoint, timeout) as plain, context.wrap_socket(plain, server_hostname=_host(endpoint)):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it refuses us in TLS, for want of a client's certificate, say
    except (OSError, ValueError):
        return False


def _connection(endpoint: str, timeout: float) -> socket.socket:
    parts = urlsplit(endpoint)
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return socket.create_connection((_host(endpoint), port), timeout=timeout)


def _host(endpoint: str) -> str:
    return urlsplit(endpoint).hostname or ""
