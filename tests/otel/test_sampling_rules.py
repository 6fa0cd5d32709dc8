"""Rules of the sampler: how they are read, what they match, and what is said of bad ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeanatomy_distro.otel.sampling_rules import parse_rules, write_rules
from codeanatomy_distro.setting_kinds import BadValue

if TYPE_CHECKING:
    from pathlib import Path

RULES = [
    {"match": {"name": "datafusion.*", "scope": "codeanatomy.datafusion"}, "ratio": 0.5, "rule": "queries"},
    {"match": {"attributes": {"layer": "storage", "retry": True}}, "ratio": 1, "rule": "retried-storage"},
    {"ratio": 0, "rule": "rest"},
]
YAML = """
- rule: queries
  ratio: 0.5
  match:
    name: datafusion.*
    scope: codeanatomy.datafusion
- {rule: retried-storage, ratio: 1, match: {attributes: {layer: storage, retry: true}}}
- {rule: rest, ratio: 0}
"""


def test_json_yaml_and_a_file_say_the_same(tmp_path: Path) -> None:
    """Rules are read from JSON, from YAML, and from a file of either."""
    path = tmp_path / "rules.yaml"
    path.write_text(YAML, encoding="utf-8")
    read = [parse_rules(text) for text in (json.dumps(RULES), YAML, str(path))]
    assert read[0] == read[1] == read[2]
    rules, reason = read[0]
    assert [(rule.rule, rule.ratio) for rule in rules] == [("queries", 0.5), ("retried-storage", 1.0), ("rest", 0.0)]
    assert not reason


def test_rules_are_written_as_they_are_read() -> None:
    """What is written of rules is read as the same rules."""
    rules = parse_rules(YAML)[0]
    assert parse_rules(write_rules(rules)) == (rules, "")


def test_a_rule_matches_name_scope_and_attributes() -> None:
    """All conditions of a rule must hold; one that is not given holds always."""
    queries, retried, rest = parse_rules(json.dumps(RULES))[0]
    assert queries.matches("datafusion.execute", "codeanatomy.datafusion", None)
    assert not queries.matches("datafusion.execute", "app", None)
    assert not queries.matches("datafusion.execute", None, None)
    assert not queries.matches("hamilton.task", "codeanatomy.datafusion", None)
    assert retried.matches("x", None, {"layer": "storage", "retry": True})
    assert retried.matches("x", None, {"layer": ("plan", "storage"), "retry": "true"})
    assert not retried.matches("x", None, {"layer": "storage"})
    assert rest.matches("anything", None, None)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("x", "a rule must be a mapping"),
        ({"ratio": 1}, "no name"),
        ({"rule": "a"}, "no ratio"),
        ({"rule": "a", "ratio": 2}, "ratio must be from 0 to 1"),
        ({"rule": "a", "ratio": "abc"}, "ratio expected a number"),
        ({"rule": "a", "ratio": True}, "no ratio"),
        ({"rule": "a", "ratio": 1, "when": 1}, "a rule has no 'when', only match, ratio, rule"),
        ({"rule": "a", "ratio": 1, "match": {"span": "x"}}, "match has no 'span', only attributes, name, scope"),
        ({"rule": "a", "ratio": 1, "match": {"name": ["x"]}}, "must be a text"),
        ({"rule": "a", "ratio": 1, "match": 3}, "match must be a mapping"),
    ],
)
def test_a_bad_rule_is_left_out_and_told(rule: object, reason: str) -> None:
    """A rule that can't be read costs no other, and is told with its place."""
    rules, told = parse_rules(json.dumps([RULES[0], rule]))
    assert [one.rule for one in rules] == ["queries"]
    assert told.startswith("rule 2: ")
    assert reason in told


@pytest.mark.parametrize(
    "text", ["rules.yaml", "{}", "3", '"x"', "- [", "[1, 2", "é", "x" * 10240, "[" * 1500, "!!python/object:x {}"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    """A text that holds no list of rules is refused with a reason."""
    with pytest.raises(BadValue):
        parse_rules(text)


def test_a_fault_in_yaml_is_told_with_its_place() -> None:
    """A fault in YAML is told with line and column."""
    with pytest.raises(BadValue, match=r"line 3, column"):
        parse_rules("- rule: a\n  ratio: [\n")


@given(text=st.text(min_size=1))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail otherwise than by refusing it."""
    try:
        rules, _ = parse_rules(text)
    except BadValue:
        return
    assert isinstance(rules, tuple)
