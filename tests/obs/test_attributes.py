"""Attribute values: whatever comes in, what goes out can be sent."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeanatomy_distro.obs.attributes import (
    attribute_value,
    flatten_payload,
    is_data,
    normalize_attributes,
    to_json,
    to_text,
)

SURROGATE = "\udcff"
TEXTS = st.text(st.characters() | st.just(SURROGATE))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**4999, max_value=10**5000),
    st.floats(),
    TEXTS,
    st.binary(),
    st.decimals(),
    st.dates(),
    st.complex_numbers(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner, inner),
        st.dictionaries(TEXTS | st.integers(), inner),
        st.sets(st.integers() | TEXTS),
    ),
    max_leaves=20,
)


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


class Silent:
    """Has no text."""

    def __str__(self) -> str:
        message = "no text"
        raise RuntimeError(message)


class Torn(Sequence[int]):
    """A sequence that another thread changes while it is read."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        message = "changed during iteration"
        raise RuntimeError(message)


class TornMapping(Mapping[str, int]):
    """A mapping that another thread changes while it is read."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        message = "dictionary changed size during iteration"
        raise RuntimeError(message)

    def __getitem__(self, key: str) -> int:
        return 1


class Frame:
    """A table whose text costs a query, as DataFusion's does."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise AssertionError

    def __repr__(self) -> str:
        message = "the query was executed for its text"
        raise AssertionError(message)


def can_be_sent(value: object) -> bool:
    """Return whether OTLP has a place for `value`."""
    match value:
        case bool() | float():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case str():
            return value.encode("utf-8").decode("utf-8") == value
        case tuple():
            items = cast("tuple[object, ...]", value)
            return len({type(item) for item in items}) <= 1 and all(can_be_sent(item) for item in items)
        case _:
            return False


@given(VALUES)
def test_any_value_can_be_sent(value: object) -> None:
    """Every value but None becomes one that OTLP can carry, of exactly a built-in type; None becomes None."""
    found = attribute_value(value)
    assert (found is None) == (value is None)
    assert found is None or (type(found) in {bool, int, float, str, tuple} and can_be_sent(found))


@given(VALUES)
def test_json_is_json(value: object) -> None:
    """Every value's JSON text can be encoded, and read by a strict reader."""
    text = to_json(value)
    text.encode("utf-8")
    json.loads(text, parse_constant=pytest.fail)


@settings(max_examples=30)
@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_payload_keeps_its_plain_values(payload: dict[str, object]) -> None:
    """A flattened payload has a sendable value for each named key that is not None; plain ones stay."""
    found = flatten_payload(payload)
    assert all(can_be_sent(value) for value in found.values())
    assert {key for key, value in payload.items() if key and value is not None and key.isascii()} <= set(found)
    for key, value in payload.items():
        if key in found and type(value) is bool:
            assert found[key] is value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        (Color.RED, "Color.RED"),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (b"\xffabc", "\ufffdabc"),
        (memoryview(b"abc"), "abc"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (decimal.Decimal("1.10"), "1.10"),
        (f"name{SURROGATE}", "name?"),
        ((), ()),
        (range(3), (0, 1, 2)),
        ({"b", "a"}, ("a", "b")),
        ([1, 2.5], "[1,2.5]"),
        ([True, 1], "[true,1]"),
        ([None], "[null]"),
        ([{"a": 1}], '[{"a":1}]'),
        ([["a"], ["b"]], '[["a"],["b"]]'),
        ({"a": {"b": [1, None]}}, '{"a":{"b":[1,null]}}'),
        ({"a": float("nan")}, '{"a":"nan"}'),
        ({"é": SURROGATE}, '{"é":"?"}'),
        (np.int64(5), 5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),  # noqa: FBT003 - NumPy's own
        (np.str_("x"), "x"),
        ([np.int8(1), np.int8(2)], (1, 2)),
        (np.arange(3), "numpy.ndarray"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_by_value(value: object, expected: object) -> None:
    """Each kind of value becomes the one that a reader expects, of the same type."""
    found = attribute_value(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("value", [Silent(), Torn(), TornMapping(), [Silent()], {"a": Torn()}, 10**5000], ids=range(6))
def test_hostile_values_raise_nothing(value: object) -> None:
    """A value whose own methods fail becomes a text; nothing is raised."""
    assert isinstance(attribute_value(value), (str, tuple))
    assert can_be_sent(attribute_value(value))
    to_json(value)


def test_one_hostile_item_leaves_the_rest() -> None:
    """In a structure, the item that fails is replaced and the others stay."""
    assert json.loads(to_json({"good": 1, "bad": Silent()})) == {"good": 1, "bad": "(Silent without a text)"}


def test_data_is_named_and_not_asked_for_its_text() -> None:
    """A table is told by its type wherever it stands: asking for its text would execute a query."""
    name = f"{Frame.__module__}.Frame"
    assert is_data(Frame())
    assert attribute_value(Frame()) == name
    assert to_text(Frame()) == name
    assert json.loads(to_json({"frame": [Frame()]})) == {"frame": [name]}


def test_endless_structures_end() -> None:
    """A list that holds itself twice, nesting beyond reason and a vast range all give bounded text."""
    endless: list[Any] = []
    endless += [endless, endless]
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    for value in (endless, deep, range(10**12), {"a": range(10**12)}):
        assert len(str(attribute_value(value))) < 1_000_000
    assert json.loads(to_json(range(10_002)))[-1] == "… 2 more"
    assert json.loads(to_json(dict.fromkeys(range(10_002))))["…"] == "2 more"


def test_nameless_and_absent_are_left_out() -> None:
    """No attribute is made of an empty name or of None, and none of no attributes at all."""
    assert normalize_attributes({"": 1, "none": None, "a": 1}) == {"a": 1}
    assert normalize_attributes(None) == {}
