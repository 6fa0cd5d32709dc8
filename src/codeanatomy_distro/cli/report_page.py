"""A run as one HTML page that needs nothing else: no network, no other file.

Whatever the program sent may be hostile. It reaches the page only as JSON inside an inert script element, with every
character that could end that element escaped, and the page's script puts it on show as text alone. A content security
policy that names the page's own style and script by digest refuses any other.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from codeanatomy_distro.cli.report_page_data import page_data
from codeanatomy_distro.cli.run_view_words import one_line

if TYPE_CHECKING:
    from codeanatomy_distro.cli.run_view import RunView

__all__ = ["create_page"]


def create_page(view: RunView, *, command: str = "", exit_code: int | None = None) -> str:
    """Return the page of the run; ``command`` and ``exit_code`` stand in its head when given."""
    files = resources.files("codeanatomy_distro.cli")
    style, script, template = (
        files.joinpath(f"report_page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js", "html")
    )
    run = one_line(view.run_ids[0]) if view.run_ids else "without a run id"
    parts = {
        "policy": f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}",
        "title": html.escape(f"Run {run}"),
        "style": style,
        "data": _inert(page_data(view, command=command, exit_code=exit_code)),
        "script": script,
    }
    # One pass, so that nothing in the data is taken for a place in the template.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _digest(text: str) -> str:
    """Return the source expression that allows exactly this inline text (Content Security Policy, hash-source)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(data: dict[str, Any]) -> str:
    """Return JSON that no HTML parser sees a tag or comment in, for its signs are escaped; still the same JSON."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
