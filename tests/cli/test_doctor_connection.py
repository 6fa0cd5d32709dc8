"""What the doctor says of a connection: who listens, and in which language."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from codeanatomy_distro.cli.doctor_connection import address, connect, speaks_tls
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def _tls_server(*, asks_for_certificate: bool) -> Generator[int]:
    """Answer one TLS handshake on a port of loopback, which is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    if asks_for_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # where the refusal comes within the handshake
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            with plain:
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:  # refused, as it should be
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("asks_for_certificate", [False, True])
def test_tls_is_told_whosever_certificate_it_has(*, asks_for_certificate: bool) -> None:
    """A server that nobody trusts, or that refuses us for want of a certificate of ours, speaks TLS all the same."""
    with _tls_server(asks_for_certificate=asks_for_certificate) as port:
        assert speaks_tls(f"http://127.0.0.1:{port}", 5)


def test_plain_text_is_no_tls() -> None:
    """Neither gRPC nor HTTP in plain text, nor nobody at all, is taken for TLS."""
    with OtlpReceiver() as receiver:
        endpoints = (receiver.grpc_endpoint, receiver.http_endpoint)
        assert not any(speaks_tls(endpoint, 5) for endpoint in endpoints)
    assert not any(speaks_tls(endpoint, 5) for endpoint in endpoints)


def test_who_listens() -> None:
    """A connection that is made is no reason; one that is refused, or leads nowhere, is told in a few words."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert not connect(f"http://127.0.0.1:{port}", 5)
    assert connect(f"http://127.0.0.1:{port}", 5) == "Connection refused"
    assert connect("http://[", 5)
    assert not connect("unix:///run/otel.sock", 5)


def test_an_address_is_short() -> None:
    """Path and credentials are no part of an address."""
    assert address("https://me:hunter2@collector:4318/v1/traces") == "https://****@collector:4318"
