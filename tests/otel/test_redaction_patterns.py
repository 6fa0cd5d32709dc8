"""The list of patterns: what it masks and leaves, the same in Python and in the Collector's engine, in linear time."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codeanatomy_distro.otel import redaction_patterns as patterns
from codeanatomy_distro.otel.redaction import Redactor, create_redactor
from codeanatomy_distro.otel.redaction_rules import create_rules
from codeanatomy_distro.otel.redaction_secrets import SECRET_KEY

RULES = re.compile(patterns.combined_pattern(patterns.RULES), re.ASCII)
REPLACEMENT = patterns.combined_replacement(patterns.RULES, r"\g<{}>")
STANDARD = create_redactor("standard", (), "/home/alice", ("/data/repos/acme",))
STRICT = create_redactor("strict", (), "/home/alice", ("/data/repos/acme",))

MASKED = {
    "/home/alice/x.py": "****",
    "/home/alice/x.py:42: error": "****:42: error",
    "/Users/alice/a,b": "****,b",
    'File "/home/alice/my project/a.py", line 3, in f': 'File "****", line 3, in f',
    "No such file: '/root/my data/x.csv'": "No such file: '****'",
    "PATH=/root/bin:/usr/bin": "PATH=****:/usr/bin",
    '["/home/a/b", "/Users/c/d"]': '["****", "****"]',
    "file:///home/alice/x": "****",
    "s3://bucket/key and more": "**** and more",
    "S3A://bucket/key": "****",
    "gs://bucket/k?x=1": "****",
    "abfss://c@account.dfs.core.windows.net/p": "****",
    "hdfs://namenode:8020/p": "****",
    "https://acme.s3.eu-west-1.amazonaws.com/k?X-Amz-Signature=abc tail": "**** tail",
    "https://storage.googleapis.com/bucket/k": "****",
    "https://account.blob.core.windows.net/c/b?sig=x": "****",
    "postgresql://bob:hunter2@db.local:5432/x": "postgresql://****@db.local:5432/x",
    "C:\\Users\\alice\\new\\x.py": "****",
    "c:/users/alice/x": "****",
    json.dumps({"p": "C:\\Users\\alice\\x"}): '{"p": "****"}',
    json.dumps({"p": "/home/alicé/x y"}): '{"p": "****"}',
    json.dumps({"o": json.dumps({"p": "/home/alice/x", "password": "a b"})}): (
        '{"o": "{\\"p\\": \\"****\\", \\"password\\": \\"****\\"}"}'
    ),
    "see %2Fhome%2Falice%2Fx&b": "see ****&b",
    '{"password": "my \\"x\\" phrase", "n": 1}': '{"password": "****", "n": 1}',
    '{"api_key": "cut off he': '{"api_key": "****',
    "{'token': 'abc def', 'k': 1}": "{'token': '****', 'k': 1}",
    "password=hunter2&x=1": "password=****&x=1",
    'secret="my own value" z': 'secret="****" z',
    "run --password hunter2 --fast": "run --password **** --fast",
    "Authorization: Bearer abc.def": "Authorization: ****",
    "bearer abcdefgh12": "bearer ****",
    "AKIAABCDEFGHIJKLMNOP": "****",
    "ghp_abcdefghijklmnopqrstuvwx": "****",
    "task sk-abcdefghijklmnopqrstuvwx": "task ****",
    json.dumps({"t": "line\n/home/alice/x\ns3://b/k\nC:\\Users\\alice\\x"}): '{"t": "line\\n****\\n****\\n****"}',
    "//home/alice/x": "****",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----": "****",
    "-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,0\n\nMIIE\n-----END PRIVATE KEY-----.": "****.",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\nMIIE\n=ab\n-----END PGP PRIVATE KEY BLOCK----- x": "**** x",
    "/Volumes/alice/x": "****",
    "/export/home/alice/x": "****",
    "/run/user/1000/x": "****",
    "see s3%3A%2F%2Fbucket%2Fkey": "see ****",
    "dbfs:/team/x": "****",
    "https://bob:p@ss@host/x": "https://****@host/x",
    "https://account.example.com/c?sv=1&sig=ab%3D&se=2": "https://account.example.com/c?sv=1&sig=****&se=2",
    "Server=db;Uid=sa;Pwd=hunter2;": "Server=db;Uid=sa;Pwd=****;",
    "next=%2Fx%3Ftoken%3Dabc": "next=%2Fx%3Ftoken%3D****",
    "'C:\\Users\\Alice Doe\\x y.py' is": "'****' is",
    json.dumps({"p": "D:\\Users\\Alice Doe\\x", "n": 1}): '{"p": "****", "n": 1}',
    "\\\\?\\C:\\Users\\alice": "\\\\?\\****",
    "'\\\\?\\C:\\Users\\alice doe'": "'\\\\?\\****'",
    "run --password 'my own' --fast": "run --password '****' --fast",
    'run --client-secret   "it\'s mine"': 'run --client-secret   "****"',
    "Command '['curl', '--token', 'abc']' returned 1": "Command '['curl', '--token', '****']' returned 1",
    '["--api-key", "abc"]': '["--api-key", "****"]',
    json.dumps({"c": 'run --password="abc d" x'}): '{"c": "run --password=\\"****\\" x"}',
    json.dumps({"c": 'run --password "abc d" x'}): '{"c": "run --password \\"****\\" x"}',
    json.dumps(
        {"o": json.dumps({"password": "it's a\nb", "n": 1})}
    ): '{"o": "{\\"password\\": \\"****\\", \\"n\\": 1}"}',
    json.dumps({"o": json.dumps({"token": 'a "b" \\', "n": 1})}): '{"o": "{\\"token\\": \\"****\\", \\"n\\": 1}"}',
    "{'password': \"it's\", 'k': 1}": "{'password': \"****\", 'k': 1}",
    "{'password': 'a\\'b', 'k': 1}": "{'password': '****', 'k': 1}",
    'password="it\'s mine" x': 'password="****" x',
    "OPTIONS('aws.secret_access_key' 'a b', 'k' 'x')": "OPTIONS('aws.secret_access_key' '****', 'k' 'x')",
    "OPTIONS (aws.session_token 'a', format.delimiter ';')": "OPTIONS (aws.session_token '****', format.delimiter ';')",
    "CREATE USER u WITH PASSWORD 'abc'": "CREATE USER u WITH PASSWORD '****'",
    "DataSourceExec: file_groups={2 groups: [[home/alice/a b.parquet:0..9, x.parquet], [y.parquet]]}, projection=[a]": (
        "DataSourceExec: file_groups={2 groups: [[****]]}, projection=[a]"
    ),
}
LEFT = (
    "src/home/x.py:12",
    "home/x",
    "/users/12",
    "/usr/lib/python3.13/json/__init__.py",
    "max_tokens=5",
    "input_tokens: 7",
    "https://opentelemetry.io/schemas/1.36.0",
    "http://host/path?email=a@b",
    "git@github.com:org/repo.git",
    '{"a": "password=", "b": 1}',
    '{"token": 5}',
    '{"password": "", "b": "x"}',
    "the secret of it",
    "task-abcdefghijklmnopqrstuvwxyz",
    "unexpected token 'x'",
    "KeyError: 'password'",
    "f() missing 1 argument: 'token'",
    "SELECT 'x/y' AS path, p.secret_level FROM p WHERE name = 'b'",
    "design=1&config=2",
    "cwd=src",
    "text/html; charset=utf-8",
    "/api/v1/items/{id}",
    "/run/5",
    "/export/csv",
    "2026-11-28T07:44:37.723Z",
    "37bdb9c8f7e6d5c4b3a29180706050403020100f",
    "v1.2.3-rc.1+build/5",
    "AggregateExec: mode=Final, gby=[a@0 as a], aggr=[sum(b) / count(*)]",
    "0192f3a1-4b5c-7d8e-9f00-112233445566",
    "SELECT a / b FROM t WHERE c = 'd'",
    "10:30:00",
    "s3",
    "",
    patterns.MASK,
)
# Pieces that texts are made of: whatever stands beside whatever, nothing may leak, break or change again.
PIECES = st.sampled_from(
    [
        *MASKED,
        *LEFT,
        *"/\\\"'=:@*{}[]<>|,; \n-%.u",
        "/home/",
        "/home/alice/",
        "/data/repos/acme/",
        "/data/repos/acme",
        "site-packages/",
        "/python3.12/",
        "-----BEGIN PRIVATE KEY-----\\nMIIE",
        "file_groups={1 group: [[",
        "], [",
        "--",
        "' '",
        '", "',
        "?sig=",
        "%3D",
        "\\\\",
        "\\\\?\\",
        "password",
        "token",
        "Bearer ",
        "://",
        "s3://",
        "C:\\Users\\",
        "\\u00e9",
        "****",
        "abc",
        "%2Fhome%2F",
        "é",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join))


def redact(text: str) -> str:
    """What the rules alone make of a text, as the Collector applies them."""
    return RULES.sub(REPLACEMENT, text)


@pytest.mark.parametrize(("text", "expected"), MASKED.items())
def test_what_is_private_is_masked_and_the_rest_is_left(text: str, expected: str) -> None:
    """Each kind of private text is masked to its end and no further, by the rules and by the redactor."""
    assert redact(text) == expected
    assert STANDARD is not None
    assert STANDARD.text(text) == expected


@pytest.mark.parametrize("text", LEFT)
def test_what_is_useful_is_left(text: str) -> None:
    """Relative paths, routes, counts, identifiers and URLs stay as they are."""
    assert redact(text) == text
    assert STANDARD is not None
    assert STANDARD.text(text) is text


@settings(max_examples=200)
@given(TEXTS)
@example("/home/alice/.venv/lib/python3.12//home/z")
def test_python_and_the_collectors_engine_mask_the_same(text: str) -> None:
    """RE2 finds the very matches that Python's `re` finds, with the same groups."""
    re2 = pytest.importorskip("re2", reason="google-re2 is not installed")
    other = re2.compile(patterns.combined_pattern(patterns.RULES))

    def matches(compiled: re.Pattern[str]) -> list[tuple[str, tuple[str | None, ...]]]:
        return [(match.group(), match.groups("")) for match in compiled.finditer(text)]

    assert matches(other) == matches(RULES)


@settings(max_examples=200)
@given(TEXTS)
def test_a_second_redaction_changes_nothing(text: str) -> None:
    """Redaction is idempotent, in either mode, whatever the text."""
    for redactor in (STANDARD, STRICT):
        assert redactor is not None
        once = redactor.text(text)
        assert redactor.text(once) == once


@settings(max_examples=200)
@given(TEXTS)
def test_a_text_that_is_passed_over_has_nothing_in_it(text: str) -> None:
    """The quick looks that spare most texts the rules never spare one that a rule would change."""
    assert STANDARD is not None
    if STANDARD.text(text) == text:
        rules = create_rules(strict=False, extra_keys=(), home="/home/alice", repo_roots=("/data/repos/acme",))
        assert rules.inside_root is not None
        assert not rules.inside_root.search(text)
        assert rules.private.sub(rules.replacement, text) == text


@settings(max_examples=200)
@given(TEXTS)
def test_the_collectors_first_look_sees_whatever_the_rules_match(text: str) -> None:
    """A text that the rules would change is suspect, also inside a map that was written as JSON."""
    if RULES.search(text):
        for written in ({"key": text}, {text: 1}):
            lower = json.dumps(written, ensure_ascii=False).lower()
            assert any(re.search(pattern, lower, re.ASCII) for pattern in patterns.SUSPECT)


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


@settings(max_examples=200)
@given(JSON_VALUES, st.booleans())
def test_json_stays_json(value: object, ascii_only: bool) -> None:  # noqa: FBT001 - given by hypothesis
    """A text that holds JSON holds JSON afterwards, of the same shape, in either mode."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    for redactor in (STANDARD, STRICT):
        assert redactor is not None
        after = json.loads(redactor.text(text))
        assert type(after) is type(value)


@pytest.mark.parametrize(
    "piece",
    ["a word ", "/", "\\", '"', "'", "secret", '"secret', "://", "a.", "https://a.", "/home/site-packages/", "/home//",
     "bearer ", "-----BEGIN ", "=", "%2f", "C:/", "a@", '\\"', "{", "sk-", "eyJaaaaaaaa.", "*", "\\u00e9",
     "-----BEGIN PRIVATE KEY-----", "-", "--token ", "--token', '", "password '", "file_groups=[", "],", "\\\\server",
     "\\n", "'C:\\users\\", "://a@", 'password="\\n', "'password': '", "é@", "'/"],
)  # fmt: skip
def test_a_long_text_takes_linear_time(piece: str) -> None:
    """Four times the text takes about four times as long in either mode, whatever it repeats."""

    def seconds(redactor: Redactor, length: int) -> float:
        text = "?" + piece * (length // len(piece))
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            redactor.text(text)
            best = min(best, time.process_time() - started)
        return best

    for redactor in (STANDARD, STRICT):
        assert redactor is not None
        assert seconds(redactor, 80_000) < 12 * seconds(redactor, 20_000) + 0.02


def test_a_megabyte_takes_seconds_at_most() -> None:
    """The largest attribute is redacted on the exporter's thread in a time that delays nobody for long."""
    assert STRICT is not None
    text = 'at src/main.py:12 "the quick brown fox" ' * 25_000
    started = time.process_time()
    assert STRICT.text(text) == text
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "key",
    [
        "password", "db.password", "DB_PASSWD", "api-key", "apiKey", "aws.secret_access_key", "client_secret",
        "access_token", "auth", "http.request.header.authorization", "set-cookie", "sas", "x.dsn",
    ],
)  # fmt: skip
def test_a_key_that_looks_secret_is_one(key: str) -> None:
    """Names of passwords, keys, tokens and their like are recognised in any spelling."""
    assert re.search(SECRET_KEY, key, re.ASCII)


@pytest.mark.parametrize(
    "key",
    [
        "cache.policy", "gen_ai.usage.max_tokens", "token_count", "author", "authority", "tokens", "dsname",
        "codeanatomy.run_id", "hamilton.node_name", "path",
    ],
)  # fmt: skip
def test_a_key_that_only_resembles_one_is_not(key: str) -> None:
    """Counts of tokens, authors and plain names are no secrets."""
    assert not re.search(SECRET_KEY, key, re.ASCII)


def test_every_rule_has_an_example() -> None:
    """Each rule of the list is what masks at least one of the examples above."""
    for rule in patterns.RULES:
        pattern = re.compile(patterns.combined_pattern((rule,)), re.ASCII)
        assert any(pattern.search(text) for text in MASKED), rule.name
