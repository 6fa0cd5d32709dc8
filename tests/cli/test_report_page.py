"""The page of a run: what it holds, and that nothing from outside can be more than text in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codeanatomy_distro.cli.report_page import create_page
from codeanatomy_distro.cli.run_view import create_run_view
from codeanatomy_distro.testing.otlp import (
    LogRecord,
    MetricPoint,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanLink,
    Telemetry,
)

EVIL = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]></style>",
    "{{script}} {{nothing}} ${x} `x`",
    '"><svg onload=alert(1)>',
    "&lt;b&gt; &amp;",
    "\u2028\u2029\x00\x1b[31m\u202e",
)


class Page(HTMLParser):
    """The elements of a page, as a browser's parser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the element, and remember which one text belongs to."""
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") or dict(attrs).get("type") or tag

    def handle_data(self, data: str) -> None:
        """Keep the text by its element."""
        self.texts[self._inside] = self.texts.get(self._inside, "") + data


def hostile(text: str) -> Telemetry:
    """Return telemetry with the text in every slot that takes one."""
    attributes: dict[str, Any] = {
        text: text,
        "node_name": text,
        "codeanatomy.run_id": text,
        "list": [text, {text: text}],
    }
    resource, scope = Resource({"service.name": text, text: text}), Scope(text, text)
    span = Span(
        text, "t", "1", text or None, "internal", 1, 5, attributes, (SpanEvent(text, 2, attributes),),
        (SpanLink(text, text, attributes),), "error", text, scope, resource,
    )  # fmt: skip
    record = LogRecord(text, 0, text, 2, 2, "t", "1", attributes, text, scope, resource)
    point = MetricPoint(text, text, text, "gauge", attributes, 1, 2, scope, resource, value=1)
    return Telemetry((span,), (record,), (point,))


def data_of(page: str) -> Any:
    return json.loads(Page(page).texts["data"])


@given(st.sampled_from(EVIL) | st.text())
def test_nothing_from_outside_is_markup(text: str) -> None:
    """Whatever stands in names, attributes, messages, bodies, units or the command, the page has the same elements."""
    page = create_page(create_run_view(hostile(text)), command=text, exit_code=1)
    empty = create_page(create_run_view(Telemetry()))
    assert [tag for tag, _ in Page(page).tags] == [tag for tag, _ in Page(empty).tags]
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert not set(data[1]) & set("<>&\u2028\u2029")
    assert json.loads(data[1])["rows"][0]["attributes"][0] == [text, text]


def test_the_page_loads_nothing() -> None:
    """No element points anywhere, and the policy forbids every load."""
    page = Page(create_page(create_run_view(hostile("http://example.invalid/x.js"))))
    assert not [tag for tag, attributes in page.tags if {"src", "href", "action", "data"} & attributes.keys()]
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "content" in a and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")


def test_the_policy_allows_the_page_s_own_script_and_style() -> None:
    """The digests in the policy are those of the inline script and style, so that browsers run them and no other."""
    page = create_page(create_run_view(Telemetry()))
    for tag in ("style", "script"):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert inline is not None
        digest = base64.b64encode(hashlib.sha256(inline[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in page


def test_the_page_s_script_writes_text_only() -> None:
    """The script has no way to turn a string into markup or code."""
    page = create_page(create_run_view(Telemetry()))
    script = page.rpartition("<script>")[2]
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert way not in script


def test_the_page_holds_the_run() -> None:
    """Spans with details, events, links, logs, metrics, command and exit code are all there."""
    data = data_of(create_page(create_run_view(hostile("word")), command="python x.py", exit_code=3))
    (row,) = data["rows"]
    assert (row["kind"], row["name"], row["depth"], row["error"]) == ("span", "word", 0, "word")
    assert (row["startNs"], row["lengthNs"]) == (0, 4)
    assert row["events"][0]["name"] == "word"
    assert row["links"][0]["name"] == "word / word"
    assert (data["command"], data["exitCode"], data["runIds"]) == ("python x.py", 3, ["word"])
    assert data["logs"][0]["row"] == 0
    assert data["metrics"][0]["series"][0]["cells"][1] == "1"
    assert data["resources"][0]["attributes"][0] == ["service.name", "word"]


def test_a_page_of_an_empty_run_can_be_made() -> None:
    """Nothing received still gives a page."""
    data = data_of(create_page(create_run_view(Telemetry())))
    assert (data["rows"], data["logs"], data["metrics"]) == ([], [], [])


def test_five_thousand_spans_are_all_in_the_page() -> None:
    """Spans in a collapsed group are there to be opened; making the page takes seconds of processor time at most."""
    root = hostile("root").spans[0]
    nodes = (replace(root, name="node", span_id=f"n{place}", parent_id="1", status="unset") for place in range(5000))
    started = time.process_time()
    page = create_page(create_run_view(Telemetry((root, *nodes))))
    assert time.process_time() - started < 5
    rows = data_of(page)["rows"]
    assert sum(row["kind"] == "span" for row in rows) == 5001
    (group,) = [place for place, row in enumerate(rows) if row["kind"] == "group"]
    assert rows[group]["name"] == "4,995 more node root"
    assert len(page) < 8_000_000
