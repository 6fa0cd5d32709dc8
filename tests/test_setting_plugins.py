"""Values that name something installed."""

from __future__ import annotations

import pytest

from codeanatomy_distro.setting_kinds import BadValue
from codeanatomy_distro.setting_plugins import plugin, plugins

SAMPLER = plugin("opentelemetry_traces_sampler", "always_on", noun="sampler")
PROPAGATORS = plugins("opentelemetry_propagator", "tracecontext", noun="propagator")


def test_built_in_names_are_read_in_any_case() -> None:
    """A built-in name is read in any case, and written as it is."""
    assert SAMPLER.parse("Always_On") == "always_on"


def test_an_entry_point_is_read() -> None:
    """A name of an installed entry point is read."""
    assert SAMPLER.parse("codeanatomy") == "codeanatomy"


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    """A name that is not installed is refused, with the nearest that is."""
    with pytest.raises(BadValue, match=r"no sampler of that name is installed \(did you mean always_on\?\)"):
        SAMPLER.parse("allways_on")


def test_a_missing_package_is_named() -> None:
    """A name that is usually meant for a package is told with the package."""
    generator = plugin("opentelemetry_id_generator_of_no_one", "random", noun="id generator")
    with pytest.raises(BadValue, match="no id generator"):
        generator.parse("xray")
    with pytest.raises(BadValue, match="opentelemetry-propagator-jaeger"):
        PROPAGATORS.parse("jaeger")


def test_a_list_keeps_what_is_installed() -> None:
    """One unknown name in a list does not cost the others."""
    with pytest.raises(BadValue, match="'bogus'") as raised:
        PROPAGATORS.parse("bogus,baggage")
    assert raised.value.used == ("baggage",)


@pytest.mark.parametrize("raw", [",", " , ,"])
def test_a_list_that_names_nothing_is_refused(raw: str) -> None:
    """Commas alone are not taken for the wish to have none, which would switch a signal off without a word."""
    with pytest.raises(BadValue, match="it names nothing") as raised:
        PROPAGATORS.parse(raw)
    assert not raised.value.names_its_own_value


def test_a_far_name_is_no_hint() -> None:
    """Who writes `on` does not mean `none`."""
    with pytest.raises(BadValue, match=r"is installed$"):
        PROPAGATORS.parse("on")


def test_nothing_beside_others_is_dropped_and_told() -> None:
    """The word for nothing is itself alone, and dropped beside others."""
    assert PROPAGATORS.parse("NONE") == ("none",)
    with pytest.raises(BadValue, match="'none' beside others") as raised:
        PROPAGATORS.parse("tracecontext,none")
    assert raised.value.used == ("tracecontext",)
