"""Make docs/settings.md and docs/telemetry.md from the tables they tell of; `--check` says whether they are current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codeanatomy_distro.cli.settings_markdown import settings_markdown
from codeanatomy_distro.obs.catalog import CATALOG, DURATION_BUCKETS
from codeanatomy_distro.obs.constants import AttributeName, ScopeName, SpanName

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
NOTE = "<!-- Made by docs/generate.py. Change the table it tells of, then run `nox --session docs -- write`. -->\n"


def constants(owner: type) -> list[str]:
    """Return the values of a class of constants, in the order in which they are written."""
    return [value for name, value in vars(owner).items() if name.isupper() and isinstance(value, str)]


INTRODUCTION = """\
# Telemetry

Every name that this distribution emits. Span names and metric labels come from small fixed sets; whatever varies from
run to run is an attribute of a span or log record.

## Metrics

All come from the scope `codeanatomy.obs`. Views keep the labels listed here and drop any other; `codeanatomy.run_id` is
kept too, unless `CODEANATOMY_OTEL_METRIC_RUN_ID=false`.

| metric | instrument | unit | labels | what it is |
|---|---|---|---|---|
"""

END = """
DataFusion's own attributes are told in [DataFusion](datafusion.md), Hamilton's in [Hamilton](hamilton.md).
"""


def metric_rows() -> str:
    """Return the table of metrics, and its buckets."""
    rows = [
        f"| `{metric.name}` | {metric.instrument} | `{metric.unit}` | {code(metric.keys)} | {metric.description} |"
        for metric in CATALOG.values()
    ]
    buckets = ", ".join(f"{bound:g}" for bound in DURATION_BUCKETS)
    return "\n".join([*rows, "", f"Durations have buckets at {buckets} seconds."])


def code(names: Iterable[str]) -> str:
    """Return names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def listed(title: str, names: Iterable[str]) -> str:
    """Return a section that lists names."""
    return "\n".join(["", "", f"## {title}", "", *(f"* `{name}`" for name in names)])


def telemetry_page() -> str:
    """Return docs/telemetry.md."""
    spans = [*constants(SpanName), "cache.read", "cache.write", "cache.snapshot", "storage.operation"]
    more = "\n\nA stage's span bears the name that the program gives `stage_span`.\n"
    return "".join(
        [
            INTRODUCTION,
            metric_rows(),
            listed("Spans", spans),
            more.rstrip("\n"),
            listed("Scopes", constants(ScopeName)),
            listed("Attributes", dict.fromkeys(constants(AttributeName))),
            "\n",
            END,
        ]
    )


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` return 1 when one is not current."""
    stale: list[str] = []
    for name, text in (("settings.md", settings_markdown()), ("telemetry.md", telemetry_page())):
        path, page = HERE / name, NOTE + text
        if path.exists() and path.read_text(encoding="utf-8") == page:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(page, encoding="utf-8")
    if not stale:
        return 0
    if "--check" in arguments:
        print(f"not current: {', '.join(stale)}; run `nox --session docs -- write`", file=sys.stderr)
        return 1
    print(f"written: {', '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
