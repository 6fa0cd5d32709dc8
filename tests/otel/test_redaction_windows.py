"""Long texts, looked at window by window: what comes of it is what one look at the whole would make."""

from __future__ import annotations

import re
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeanatomy_distro.otel import redaction_patterns as patterns
from codeanatomy_distro.otel.redaction import create_redactor
from codeanatomy_distro.otel.redaction_windows import sub_in_windows

ROOTS = ("/data/repos/acme", "C:\\work\\acme")
PATTERNS = [
    re.compile(pattern, re.ASCII)
    for pattern in (
        patterns.combined_pattern((*patterns.root_rules(ROOTS), *patterns.RULES)),
        patterns.combined_pattern(patterns.STRICT_RULES),
        patterns.inside_pattern(ROOTS),
    )
]
PIECES = st.sampled_from(
    [
        "/home/alice/x.py:12", "'/home/alice/my file'", '"/home/alice/my file"', "%2Fhome%2Falice", "/usr/lib",
        "C:\\Users\\alice\\x", "C:\\\\Users\\\\alice", "s3://bucket/key", "https://b.s3.amazonaws.com/k?a=b", "a@b.de",
        "postgresql://bob:pw@db", "password=pw", '"api_key": "k"', '{\\"token\\": \\"k\\"}', "--token t",
        "\\u00e9", "Bearer abcdefghi",
        "AKIA" + "A" * 16, "ghp_" + "a" * 20, "-----BEGIN RSA PRIVATE KEY-----\nMIIE", "/data/repos/acme/src/a.py",
        "C:\\work\\acme\\a", "://", "//", "the words", "a.b.c", *"/\\\"'=:@*{}[]<>|,; \n-%.u",
    ]
)  # fmt: skip


# What a pattern must find is shorter than the overlap, as in a text that means something.
TEXTS = (
    st.lists(PIECES, min_size=30, max_size=90)
    .map("".join)
    .filter(lambda text: not re.search(r"[^\s\"/]{80}|/{20}", text))
)


@settings(max_examples=300)
@given(TEXTS, st.sampled_from(PATTERNS), st.integers(130, 160))
def test_windows_make_what_one_look_would_make(text: str, pattern: re.Pattern[str], window: int) -> None:
    """With windows far shorter than the text each match is the one of the whole text, wherever windows end."""

    def marked(match: re.Match[str]) -> str:
        return f"<{match.group()}>"

    assert sub_in_windows(pattern, marked, text, window, 90) == pattern.sub(marked, text)


@pytest.mark.parametrize(
    "piece",
    ["the quick brown fox at src/main.py:12 ", '{"rows":3,"path":"a/b"},', "aGVsbG8/d29ybGQ+", "/", "\\", "x=0.5,"],
)
def test_a_long_text_does_not_hold_up_the_programs_threads(piece: str) -> None:
    """While half a megabyte is redacted another thread gets its turn again and again, the private end included."""
    redactor = create_redactor("standard", (), "/home/alice", ("/home/alice/repo",))
    assert redactor is not None
    text = piece * (500_000 // len(piece)) + " /home/alice/x"
    redacted: list[str] = []
    thread = threading.Thread(target=lambda: redacted.append(redactor.text(text)))
    turns = 0
    thread.start()
    while thread.is_alive():
        turns += 1
        time.sleep(0.001)
    thread.join()
    assert redacted == [text.removesuffix("/home/alice/x") + patterns.MASK]
    assert turns >= 5
