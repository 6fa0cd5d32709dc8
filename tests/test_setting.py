"""One setting: where its value is found, in which order, and what is said of a bad one."""

from __future__ import annotations

import pytest

from codeanatomy_distro.setting import Origin, Renamed, Setting, resolve
from codeanatomy_distro.setting_formats import url
from codeanatomy_distro.setting_kinds import integer, text

COUNT = Setting(
    "A_COUNT", "Section", integer(1, 9), 3, "How many.", aliases=("B_COUNT", "OLD_COUNT"), deprecated=("OLD_COUNT",)
)
KEY = Setting("A_KEY", "Section", text, "", "Key.", secret=True)
PLACE = Setting("A_PLACE", "Section", url, "", "Place.")


def test_a_variable_wins_over_its_aliases_and_the_profile() -> None:
    """The setting's own variable wins, then its aliases in their order, then the profile, then the default."""
    profile = {"A_COUNT": "4"}
    assert resolve(COUNT, {"A_COUNT": "5", "B_COUNT": "6"}, profile)[0].value == 5
    assert resolve(COUNT, {"B_COUNT": "6"}, profile)[0].variable == "B_COUNT"
    assert resolve(COUNT, {}, profile)[0].origin == Origin.PROFILE
    assert vars(resolve(COUNT, {})[0]) == vars(resolve(COUNT, {"A_COUNT": " "})[0])


def test_empty_and_blank_count_as_unset() -> None:
    """An empty or blank variable is as if it were not there, and no problem."""
    for raw in ("", " ", "\t\n"):
        found, problems = resolve(COUNT, {"A_COUNT": raw, "B_COUNT": "7"})
        assert (found.value, problems) == (7, [])


def test_a_bad_value_keeps_the_default_and_is_one_problem() -> None:
    """A bad value is told with variable, value, reason and what is used, and no weaker source takes its place."""
    found, problems = resolve(COUNT, {"A_COUNT": "12", "B_COUNT": "7"})
    assert (found.value, found.origin) == (3, Origin.DEFAULT)
    assert [str(one) for one in problems] == ["A_COUNT='12' is ignored: must be at most 9; using 3"]


def test_a_bad_value_under_a_profile_leaves_the_profiles() -> None:
    """A bad value is as if it were not set: the profile's value holds, and is told to be used."""
    found, problems = resolve(COUNT, {"A_COUNT": "many"}, {"A_COUNT": "4"})
    assert (found.value, found.origin, found.variable) == (4, Origin.PROFILE, "A_COUNT")
    assert [str(one) for one in problems] == ["A_COUNT='many' is ignored: expected a whole number; using 4"]


def test_an_old_name_is_told() -> None:
    """An old name works and is told; a bad value under it is told as that alone."""
    found, problems = resolve(COUNT, {"OLD_COUNT": "2"})
    assert found.value == 2
    assert isinstance(problems[0], Renamed)
    assert str(problems[0]) == "OLD_COUNT is an old name of A_COUNT: set A_COUNT instead; its value is used"
    assert len(resolve(COUNT, {"OLD_COUNT": "x"})[1]) == 1


def test_a_secret_is_never_shown() -> None:
    """A secret is masked where it is shown, and in what is told of it."""
    assert KEY.show("hunter2") == "****"
    _, problems = resolve(KEY, {"A_KEY": "hunter2\udcff"})
    assert "hunter2" not in str(problems[0])


@pytest.mark.parametrize(
    "raw", ["http://me:hunter2@h:99999", "me:hunter2@h:4317", "http://hunter2@h:x", "ftp://me:a/hunter2@h"]
)
def test_credentials_in_a_url_are_never_shown(raw: str) -> None:
    """User and password of a URL are masked wherever it is shown, a bad one too, and used all the same."""
    good = "https://me:hunter2@h:4317/path"
    found, problems = resolve(PLACE, {"A_PLACE": good})
    assert (found.value, problems) == (good, [])
    assert PLACE.show(found.value) == "https://****@h:4317/path"
    _, (problem,) = resolve(PLACE, {"A_PLACE": raw})
    assert "hunter2" not in str(problem)
    assert "hunter2" not in problem.value


def test_a_long_value_is_cut_in_the_message() -> None:
    """Ten kilobytes of junk make one line, not a page."""
    _, problems = resolve(COUNT, {"A_COUNT": "x" * 10240})
    assert len(str(problems[0])) < 200
