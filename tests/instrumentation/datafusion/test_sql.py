"""SQL text: literals are masked, names are found, and anything at all may be given."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeanatomy_distro.instrumentation.datafusion.plan_mask import PlanMask
from codeanatomy_distro.instrumentation.datafusion.query import format_of
from codeanatomy_distro.instrumentation.datafusion.sql import read_statement
from codeanatomy_distro.instrumentation.datafusion.sql_tokens import mask, tokenize


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("select 'it''s', 1.5e3 from t", "select ? from t"),
        ("select a -- secret\n, b /* more /* nested */ secret */ from t", "select a , b from t"),
        ("select E'\\'secret' from t", "select ? from t"),
        ("select $1, $$secret$$, $x$ secret $x$", "select $1, ?"),
        ('select "a 1", t1.b2 from t1', 'select "a 1", t1.b2 from t1'),
        ("select 'open secret", "select ?"),
        ("values (1, 'a'), (2, 'b')", "values (?), (?)"),
        ("select 'it\\'s secret', b from t", "select ?"),
        ("select '''one's secret''', b from t", "select ?"),
        (
            "select a from t where a like '!%' escape '\\' and b = 1",
            "select a from t where a like ? escape ? and b = ?",
        ),
        (
            "select a from t where d > date '2020-01-01' and n in (-1, 'x')",
            "select a from t where d > date ? and n in (-?)",
        ),
    ],
)
def test_literals_are_masked(text: str, masked: str) -> None:
    """Strings, numbers and comments go; names, placeholders and signs stay."""
    assert mask(tokenize(text)) == masked


@pytest.mark.parametrize("text", ["set a.key = secret", "SET a.key TO 'secret'", "set a.key = true, b = secret"])
def test_what_a_setting_is_set_to_is_masked(text: str) -> None:
    """The value of a setting goes, however it is written."""
    masked = read_statement(text).masked
    assert "a.key" in masked
    assert masked.endswith(" ?")
    assert "secret" not in masked


def test_double_quotes_are_around_strings_where_the_dialect_says_so() -> None:
    """Under such a dialect a text in double quotes is masked, also one with a quote inside; names have backticks."""
    text = (
        'select `a b` from `t 1` where s = "secret" and n = \'it\'\'s secret\' and m = "a \\"secret\\" b" and `c` = 1'
    )
    statement = read_statement(text, double_quotes=True)
    assert statement.masked == "select `a b` from `t 1` where s = ? and n = ? and m = ?"
    assert statement.tables == ("t 1",)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    """Whatever the text, it is read without an error, and what is masked holds no quoted value outside of names."""
    statement = read_statement(text)
    assert "'" not in statement.masked or not {'"', "`"}.isdisjoint(text)


@given(st.text(alphabet=st.characters(blacklist_characters="'\\", blacklist_categories=("Cs",)), min_size=8))
def test_a_literal_never_survives(secret: str) -> None:
    """A string literal is gone from the masked text, whatever it holds."""
    assert mask(tokenize(f"select * from t where a = '{secret}'")) == "select * from t where a = ?"


@pytest.mark.parametrize(
    ("text", "operation", "tables", "target"),
    [
        ("select * from a join s.b on a.x = b.x, c", "SELECT", ("a", "s.b", "c"), None),
        ("with x as (select * from a) select * from x", "SELECT", ("a",), None),
        ("select extract(year from d) from t where x is distinct from y", "SELECT", ("t",), None),
        ("insert into t select * from u", "INSERT", ("u",), "t"),
        ("create or replace table t as select * from u", "CREATE", ("u",), "t"),
        ("with x as (select 1) insert into t select * from x", "INSERT", (), "t"),
        ("copy t to 'x.csv'", "COPY", ("t",), None),
        ("select * from generate_series(1, 2)", "SELECT", (), None),
        ("explain analyze select * from t", "EXPLAIN", ("t",), None),
        ("explain analyze verbose insert into t select * from u", "EXPLAIN", ("u",), "t"),
        ("((select * from t) union (select * from u))", "SELECT", ("t", "u"), None),
        ("from t select a", "SELECT", ("t",), None),
        ("select a into t from u", "SELECT", ("u",), "t"),
        ('create table a."B ""c""" as select 1', "CREATE", (), 'a.B "c"'),
    ],
)
def test_verbs_and_tables_are_found(text: str, operation: str, tables: tuple[str, ...], target: str | None) -> None:
    """The verb is the one that does the work; tables are the names that the statement doesn't define itself."""
    statement = read_statement(text)
    assert (statement.operation, statement.tables, statement.target) == (operation, tables, target)


@pytest.mark.parametrize("piece", ["'", "(", "/*", "e'\\", "$$", "select * from t, ", '"', "1", "as ("])
def test_reading_takes_time_in_proportion(piece: str) -> None:
    """A long text of nothing but trouble is read in a moment, for it is cut at a bound and read once."""
    started = time.perf_counter()
    read_statement(piece * 200_000)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("stored", "location", "word"),
    [
        (None, "/a/b.parquet", "parquet"), (None, "/a/b.csv.gz", "csv"), ("JSON", "/x", "json"), (None, "/x", "file"),
        ("odd", None, "file"),
    ],
)  # fmt: skip
def test_a_destination_is_one_of_a_few_words(stored: str | None, location: str | None, word: str) -> None:
    """The kind of a destination is a word of a small set, whatever the location is called."""
    assert format_of(stored, location) == word


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FilterExec: name@1 = jane.doe@163.com", "FilterExec: name@1 = ?.?@?"),
        ("FilterExec: array_has([7], 8)", "FilterExec: ?([?], ?)"),
        ("Hash([name@1, id % 7@2], 8)", "Hash([name@1, ? % ?@?], 8)"),
        ("UnknownPartitioning(8)", "UnknownPartitioning(8)"),
        (
            "RepartitionExec: partitioning=Hash([name@1], 8), input_partitions=2",
            "RepartitionExec: partitioning=Hash([name@1], 8), input_partitions=2",
        ),
        ("FilterExec: name@1 = projection=[jane]", "FilterExec: name@1 = projection=[?]"),
        (
            "DataSourceExec: projection=[a, name], predicate=name@1 = projection=[jane]",
            "DataSourceExec: projection=[a, name], predicate=name@1 = projection=[?]",
        ),
        ("DataSourceExec: projection=[a, jane, doe as k]", "DataSourceExec: projection=[? as ?]"),
        (
            "DataSourceExec: projection=[a, concat(name@1, jane) as k]",
            "DataSourceExec: projection=[?, concat(name@1, ?) as ?]",
        ),
        (
            "DatasetExec: number_of_fragments=1, filter_expr=(name == 5), projection=[name]",
            "DatasetExec: number_of_fragments=1, filter_expr=(name == ?), projection=[name]",
        ),
    ],
)
def test_what_looks_like_a_column_is_one(text: str, told: str) -> None:
    """A literal that reads like a column or a list of columns is masked; a scan's columns and partitions are told."""
    assert PlanMask(["concat"]).mask((text,), [])[0] == told


@given(st.text(alphabet="abcdefgh ,()'\"=<>", min_size=3, max_size=40).filter(lambda text: text.strip(" ,()'\"=<>")))
def test_a_bare_literal_in_a_plan_never_survives(secret: str) -> None:
    """A literal that a physical plan writes without quotes leaves no word behind."""
    masked = PlanMask(["upper"]).mask((f"FilterExec: upper(zz@0) = {secret} AND yy@1 > 17",), ["t"])[0]
    rest = masked.removeprefix("FilterExec: ").replace("upper(", "").replace("zz@0", "").replace("yy@1", "")
    assert not any(character in rest for character in "abcdefgh") or rest.strip("?=<>AND ()'\",") == ""
