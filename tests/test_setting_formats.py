"""Values with a grammar: pairs, headers, patterns, files and URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codeanatomy_distro.setting_formats import file, folders, headers, pairs, patterns, url
from codeanatomy_distro.setting_kinds import BadValue

if TYPE_CHECKING:
    from pathlib import Path


def test_pairs_are_read_and_decoded() -> None:
    """Pairs are split at the first equals sign, stripped, and percent-decoded."""
    assert pairs.parse("a=1, b = x%20y%2Cz ,c=d=e,") == (("a", "1"), ("b", "x y,z"), ("c", "d=e"))


def test_a_bad_pair_is_left_out_and_not_quoted() -> None:
    """A pair without an equals sign is left out; what is told of it is its position, for it may be a secret."""
    with pytest.raises(BadValue, match="pair 2 is no key=value") as raised:
        pairs.parse("a=1,hunter2")
    assert raised.value.used == (("a", "1"),)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("raw", ["bad name=1", "ключ=1", "a=é", "a=%0d%0aInjected: 1"])
def test_headers_that_no_request_can_carry_are_left_out(raw: str) -> None:
    """A header that gRPC or HTTP would refuse, with every export, is left out."""
    with pytest.raises(BadValue, match="pair 2 has a"):
        headers.parse(f"ok=1,{raw}")


def test_spaces_around_a_header_are_no_part_of_it() -> None:
    """A request with a space in front of a header's value can't be sent, and the error would hold the value."""
    assert headers.parse("authorization=%20Bearer%20x%20, y = z") == (("authorization", "Bearer x"), ("y", "z"))


def test_headers_survive_being_written() -> None:
    """What is written is read as the same headers, also with signs in them that mean something in the list."""
    given_headers = (("authorization", "Basic a=b,c%"), ("x", ""))
    assert headers.parse(headers.write(given_headers)) == given_headers


def test_patterns_keep_the_good_ones() -> None:
    """A text that is no regular expression is left out; the others stay."""
    with pytest.raises(BadValue, match="no regular expression") as raised:
        patterns.parse("health,[,ready$")
    assert raised.value.used == ("health", "ready$")


def test_file_must_be_there(tmp_path: Path) -> None:
    """The path of a file is read; of a folder, of nothing and of what no path can be, it is refused."""
    here = tmp_path / "a.pem"
    here.write_text("x")
    assert file.parse(str(here)) == str(here)
    for raw in (str(tmp_path), str(tmp_path / "b.pem"), "x" * 10240, "a\0b"):
        with pytest.raises(BadValue, match="no such file"):
            file.parse(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("http://localhost:4317", "http://localhost:4317"),
        ("HTTPS://h/v1/traces", "https://h/v1/traces"),
        ("localhost:4317", "http://localhost:4317"),
        ("[::1]:4317", "http://[::1]:4317"),
        ("http://[::1]:4317/x", "http://[::1]:4317/x"),
        ("http://user:secret@h:1", "http://user:secret@h:1"),
        ("unix:///run/otel.sock", "unix:///run/otel.sock"),
    ],
)
def test_url_is_read(raw: str, value: str) -> None:
    """A URL keeps its path; a bare host and port, which gRPC would take for TLS, is read as plain text."""
    assert url.parse(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        "junk",
        "-1",
        "0",
        "http://",
        "http:///path",
        "ftp://h:1",
        "http://h:0",
        "http://h:99999",
        "http://h:x",
        "http://é",
        "a b:1",
        "h:",
        "http://:4317",
        "http://me@:4317",
        "http://[]:4317",
        "http://a]b:4317",
        "http://" + "h" * 300,
    ],
)
def test_url_refuses_the_rest(raw: str) -> None:
    """What is no address is refused; a single word is a typing error, not a host."""
    with pytest.raises(BadValue):
        url.parse(raw)


@pytest.mark.parametrize("raw", ["relative/path", "/", "/home", "junk", "-1"])
def test_a_folder_is_an_absolute_path_of_its_own(raw: str) -> None:
    """A path that is relative, or so short that it takes in everything, is told, and costs no other."""
    with pytest.raises(BadValue) as refused:
        folders.parse(f"/srv/repository, {raw}")
    assert refused.value.used == ("/srv/repository",)
    assert folders.parse("/srv/repository") == ("/srv/repository",)
