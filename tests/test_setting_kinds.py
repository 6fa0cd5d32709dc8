"""Kinds of value: what each reads, and what it says of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeanatomy_distro.setting_formats import file, folders, headers, pairs, patterns, url
from codeanatomy_distro.setting_kinds import BadValue, Kind, boolean, choice, integer, names, number, ratio, text, words

COLOURS = choice("red", "green", synonyms={"rouge": "red"})
ALL: list[Kind[object]] = [  # pyright: ignore[reportAssignmentType] - kinds of everything
    boolean, text, integer(1, 10), number(0.5, 2.5), ratio, COLOURS, names, words("a", "b/dup"),
    pairs, headers, patterns, file, folders, url,
]  # fmt: skip


@pytest.mark.parametrize(("raw", "value"), [("true", True), ("TRUE", True), ("False", False)])
def test_boolean_reads_both_words_in_any_case(raw: str, value: bool) -> None:  # noqa: FBT001
    """True and false are read in any case."""
    assert boolean.parse(raw) is value


@pytest.mark.parametrize("raw", ["1", "yes", "on", "0", "truee", "t\uff52ue"])
def test_any_other_boolean_is_a_problem_and_false(raw: str) -> None:
    """What is neither word is false, as OpenTelemetry rules, and told."""
    with pytest.raises(BadValue, match="true or false") as raised:
        boolean.parse(raw)
    assert raised.value.used is False


@pytest.mark.parametrize(("raw", "value"), [("1", 1), ("+7", 7), ("0000000000000000000000000007", 7), ("10", 10)])
def test_integer_reads_whole_numbers(raw: str, value: int) -> None:
    """A whole number is read, with a sign and leading zeros too."""
    assert integer(1, 10).parse(raw) == value


@pytest.mark.parametrize("raw", ["", "abc", "1.0", "1e1", "1_0", "٣", "0x1", "NaN", "1 0", "x" * 10240])
def test_integer_refuses_what_is_no_whole_number(raw: str) -> None:
    """Other spellings of numbers than plain digits are refused."""
    with pytest.raises(BadValue, match="whole number"):
        integer(0, 10).parse(raw)


@pytest.mark.parametrize(
    ("raw", "reason"), [("0", "at least 1"), ("-1", "at least 1"), ("11", "at most 10"), ("9" * 10240, "at most 10")]
)
def test_integer_refuses_what_is_out_of_range(raw: str, reason: str) -> None:
    """A number out of range is refused with the bound that it breaks, however long it is."""
    with pytest.raises(BadValue, match=reason):
        integer(1, 10).parse(raw)


@pytest.mark.parametrize(("raw", "value"), [("0", 0.0), ("1", 1.0), (".5", 0.5), ("5e-1", 0.5), ("1.", 1.0)])
def test_ratio_reads_numbers_from_zero_to_one(raw: str, value: float) -> None:
    """A ratio is a number from 0 to 1."""
    assert ratio.parse(raw) == value


@pytest.mark.parametrize("raw", ["-0.1", "1.01", "nan", "inf", "-inf", "1e999999999", "0,5", "½", "1_0"])
def test_ratio_refuses_the_rest(raw: str) -> None:
    """Not-a-number, infinity and what lies outside are refused."""
    with pytest.raises(BadValue, match="from 0 to 1"):
        ratio.parse(raw)


def test_choice_reads_words_and_synonyms_in_any_case() -> None:
    """A word is read in any case, another spelling as the word that it stands for."""
    assert [COLOURS.parse(word) for word in ("red", "GREEN", "Rouge")] == ["red", "green", "red"]
    with pytest.raises(BadValue, match="one of red, green"):
        COLOURS.parse("blue")


def test_names_drop_blanks_and_repetitions() -> None:
    """A list is read without empty items and without repetition, in its order."""
    assert names.parse(" b , a,,b, ") == ("b", "a")


def test_words_keep_the_good_ones() -> None:
    """A bad word in a list does not cost the others; a list without a good one has no value of its own."""
    with pytest.raises(BadValue, match="'c': expected one of") as raised:
        words("a", "b").parse("A,c,b")
    assert raised.value.used == ("a", "b")
    with pytest.raises(BadValue) as raised:
        words("a").parse("c")
    assert not raised.value.names_its_own_value


def test_text_that_is_no_utf8_is_told_and_made_readable() -> None:
    """Bytes that are no UTF-8 would make every export fail; they are replaced and told."""
    with pytest.raises(BadValue, match="UTF-8") as raised:
        text.parse("a\udcffb")
    assert raised.value.used == "a?b"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.label)
@given(raw=st.text(min_size=1))
def test_any_text_is_read_or_refused(kind: Kind[object], raw: str) -> None:
    """No text makes a kind fail otherwise than by refusing it; what it reads, it writes so that it reads it again."""
    try:
        value = kind.parse(raw.strip() or "x")
    except BadValue:
        return
    assert kind.parse(kind.write(value)) == value or not kind.write(value)
