"""Write what the package knows of redaction into the Collector's configuration: the files of the folder `redaction`.

`statements.yaml` and `secret_keys.yaml` are processors that `collector.yaml` takes in, the others are the patterns that
the statements share. The resources for the Kubernetes operator hold whole configurations, which are written here too.

Usage: python tools/otel/generate.py [--check]     (--check writes nothing: exit 1 when a file is not up to date)
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from codeanatomy_distro.otel import redaction_patterns as patterns
from codeanatomy_distro.otel.redaction_keys import DROPPED_KEYS, MASKED_KEYS
from codeanatomy_distro.otel.redaction_secrets import SECRET_KEY, SECRET_KEY_IN_JSON

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
NOTE = "# Written by generate.py; do not edit by hand."
BEGIN = "# >>> written by generate.py; do not edit by hand"
END = "# <<< written by generate.py"
# What a library writes has its own style.
UNTIDY = "# yamllint disable rule:line-length rule:indentation rule:comments-indentation"

# The operator reads the ports of a Service out of the configuration, and understands no variables there.
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a pod, behind a Service
IN_A_POD: dict[str, Any] = {
    "extensions": {"health_check": {"endpoint": f"{EVERYWHERE}:13133"}},
    "receivers": {
        "otlp": {"protocols": {"grpc": {"endpoint": f"{EVERYWHERE}:4317"}, "http": {"endpoint": f"{EVERYWHERE}:4318"}}}
    },
    "service": {
        "telemetry": {
            "metrics": {
                "readers": [
                    {
                        "pull": {
                            "exporter": {"prometheus": {"host": EVERYWHERE, "port": 8888, "without_type_suffix": False}}
                        }
                    }
                ]
            }
        }
    },
}

# An operator's own private directories: a regular expression without backslashes, matched at the start of a path.
ROOTS = "${env:OTELCOL_PRIVATE_ROOTS:-/nonexistent-private-root}"
OPERATOR_ROOTS = patterns.Rule("operator", rf"/*(?:{ROOTS})(?:/|\b)[^\s\"'<>|,;:)\]}}\\]*")
# Only a marked resource comes from an SDK that looked into its links, see `codeanatomy_distro.otel.redaction`.
UNTRUSTED = 'resource.attributes["codeanatomy.redaction"] == nil'

# Where a text can stand, by signal and OTTL context: single texts, then maps of attributes.
PLACES: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "trace_statements": {
        "resource": (("resource.schema_url",), ("resource.attributes",)),
        "scope": (("scope.name", "scope.version", "scope.schema_url"), ("scope.attributes",)),
        "span": (("span.name", "span.status.message", "span.trace_state"), ("span.attributes",)),
        "spanevent": (("spanevent.name",), ("spanevent.attributes",)),
    },
    "metric_statements": {
        "resource": (("resource.schema_url",), ("resource.attributes",)),
        "scope": (("scope.name", "scope.version", "scope.schema_url"), ("scope.attributes",)),
        "metric": (("metric.name", "metric.description", "metric.unit"), ("metric.metadata",)),
        "datapoint": ((), ("datapoint.attributes",)),
        "exemplar": ((), ("exemplar.filtered_attributes",)),
    },
    "log_statements": {
        "resource": (("resource.schema_url",), ("resource.attributes",)),
        "scope": (("scope.name", "scope.version", "scope.schema_url"), ("scope.attributes",)),
        "log": (("log.severity_text", "log.event_name"), ("log.attributes",)),
    },
}
# Maps that the redaction processor, which masks what stands under secret keys, does not visit.
UNVISITED = frozenset({"metric.metadata", "exemplar.filtered_attributes"})
# Texts that may hold a stack trace: of a library's path the part after site-packages stays.
WITH_TRACES = frozenset(
    {"span.status.message", "span.attributes", "spanevent.attributes", "log.attributes", "log.body"}
)


def escaped(text: str) -> str:
    """Return `text` with its dollars kept from the Collector's own expansion, but for our variables."""
    return text.replace("$", "$$").replace("$${env:", "${env:")


def quoted(text: str) -> str:
    """Return `text` as a string of OTTL."""
    return escaped(json.dumps(text))


def shared(name: str) -> str:
    """Return a string of OTTL that the Collector fills with a file of the folder `redaction`."""
    return f'"${{file:${{env:OTELCOL_REDACTION_DIR:-redaction}}/{name}.txt}}"'


PRIVATE, MASKED, LIBRARY = shared("private"), shared("masked"), shared("library")
# Never matches: should an editor end the file with a new line, that becomes part of this and of no other alternative.
NEVER = r"|[^\s\S]"


def pattern_files() -> dict[str, str]:
    """Return the texts that the statements share, each as the inside of a string of OTTL."""
    rules = (OPERATOR_ROOTS, *patterns.RULES)
    texts = {
        "private": patterns.combined_pattern(rules) + NEVER,
        "masked": patterns.combined_replacement(patterns.RULES, "${}"),
        "library": patterns.library_pattern() + NEVER,
    }
    return {f"redaction/{name}.txt": quoted(text)[1:-1] for name, text in texts.items()}


def any_of(keys: tuple[str, ...]) -> str:
    """Return a pattern of any of these keys, in which `*` stands for any part."""
    return "(?:" + "|".join(key.replace(".", r"\.").replace("*", ".*") for key in keys) + ")"


DROPPED, MASKED_ONES = any_of(DROPPED_KEYS), any_of(MASKED_KEYS)
# A private key deeper down in a map that was written as JSON, and the words by which a first look finds one.
DEEPER_KEYS = rf'"{DROPPED}":|repo_root":"[^*]|{SECRET_KEY_IN_JSON}'
DEEPER_WORDS = (*(f'{key}":' for key in DROPPED_KEYS), 'repo_root":')


def text_statements(name: str) -> list[str]:
    """Return the statements that redact one text."""
    statements = [f"replace_pattern({name}, {PRIVATE}, {MASKED})"]
    if name in WITH_TRACES:
        statements.insert(0, f'replace_pattern({name}, {LIBRARY}, "$$1$$2")')
    return statements


def map_statements(context: str, name: str) -> list[str]:
    """Return the statements that redact the keys and values of a map.

    Only values that are texts can be redacted in place. A map that holds something private deeper down is made flat.
    """
    redact = [
        f'replace_all_patterns({name}, "value", {PRIVATE}, {MASKED})',
        f'replace_all_patterns({name}, "key", {PRIVATE}, {MASKED})',
    ]
    if name in WITH_TRACES:
        redact.insert(0, f'replace_all_patterns({name}, "value", {LIBRARY}, "$$1$$2")')
    which = name.rpartition(".")[2]
    text, suspect, nested = (f'{context}.cache["{part}_{which}"]' for part in ("text", "suspect", "nested"))
    has_parts = f'IsMatch({text}, "[:,\\\\[][\\\\[{{]")'
    words = (f"(?i:{ROOTS})", *patterns.SUSPECT, *DEEPER_WORDS)
    any_deeper = " or ".join(f"IsMatch(String({name}), {each})" for each in (PRIVATE, quoted(DEEPER_KEYS)))
    statements = [
        f"delete_matching_keys({name}, {quoted(f'^{DROPPED}$')})",
        f"set({text}, ToLowerCase(String({name})))",
        f"set({suspect}, true) where {' or '.join(f'IsMatch({text}, {quoted(word)})' for word in words)}",
        *(f"{statement} where {suspect} == true" for statement in redact),
        f"set({nested}, true) where {suspect} == true and {has_parts} and ({any_deeper})",
        f"flatten({name}) where {nested} == true",
        f"delete_matching_keys({name}, {quoted(rf'[.]{DROPPED}$')}) where {nested} == true",
        *(f"{statement} where {nested} == true" for statement in redact),
    ]
    if name in UNVISITED:
        statements.append(f"delete_matching_keys({name}, {quoted(f'^{MASKED_ONES}$|{SECRET_KEY}')})")
    return statements


def body_statements() -> list[str]:
    """Return the statements that redact a log record's body, which may be a text, a list or a map."""
    of_map = [
        f"{action} where IsMap(log.body) and ({condition})" if condition else f"{action} where IsMap(log.body)"
        for action, _, condition in (each.partition(" where ") for each in map_statements("log", "log.body"))
    ]
    return [
        *of_map,
        # A list cannot be made flat: it becomes its JSON, and where a key in it says that something is private, a mask.
        f'set(log.body, "{patterns.MASK}") where IsList(log.body) and IsMatch(String(log.body), {quoted(DEEPER_KEYS)})',
        f"set(log.body, String(log.body)) where IsList(log.body) and IsMatch(String(log.body), {PRIVATE})",
        *(f"{statement} where IsString(log.body)" for statement in text_statements("log.body")),
    ]


def redact_statements() -> dict[str, dict[str, list[str]]]:
    """Return the statements that delete keys and redact texts, by signal and context."""
    redact = {
        signal: {
            context: [
                *(statement for name in texts for statement in text_statements(name)),
                *(statement for name in maps for statement in map_statements(context, name)),
            ]
            for context, (texts, maps) in places.items()
        }
        for signal, places in PLACES.items()
    }
    redact["log_statements"]["log"] += body_statements()
    # No statement reaches what stands in a link.
    redact["trace_statements"]["span"].append(f"set(span.links, nil) where {UNTRUSTED}")
    return redact


def transform(statements: dict[str, dict[str, list[str]]]) -> str:
    """Return the settings of a transform processor; what is the same for a second signal refers to the first."""
    lines = [NOTE, "---", "# yamllint disable rule:line-length", "error_mode: propagate"]
    anchors: dict[tuple[str, ...], str] = {}
    for signal, contexts in statements.items():
        lines.append(f"{signal}:")
        for context, texts in contexts.items():
            lines.append(f"  - context: {context}")
            if tuple(texts) in anchors:
                lines.append(f"    statements: *{anchors[tuple(texts)]}")
                continue
            anchors[tuple(texts)] = context
            lines.append(f"    statements: &{context}")
            for text in texts:
                lines += ["      - >-", *folded(text, "        ")]
    return "\n".join(lines) + "\n"


def folded(text: str, indent: str) -> list[str]:
    """Return `text` as lines that YAML joins with one space each."""
    return textwrap.wrap(
        text, 140, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def secret_keys() -> str:
    """Return the settings of the redaction processor."""
    patterns_of_keys = (f"^{MASKED_ONES}$", SECRET_KEY)
    keys = "\n".join(f"  - '{escaped(each).replace(chr(39), chr(39) * 2)}'" for each in patterns_of_keys)
    return (
        f"{NOTE}\n---\nallow_all_keys: true\nsummary: silent\n"
        f"# yamllint disable rule:line-length\nblocked_key_patterns:\n{keys}\n"
    )


def merged(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Return two configurations merged as the Collector does it: maps key by key, anything else replaced."""
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(cast("dict[str, Any]", below), cast("dict[str, Any]", value)) if both else value
    return result


def operator_resource(name: str, *parts: str) -> str:
    """Return the text of a resource whose `spec.config` is those configurations merged, as they run in a pod."""
    config: dict[str, Any] = {}
    for part in parts:
        config = merged(config, yaml.safe_load((HERE / part).read_text(encoding="utf-8")))
    lines = yaml.safe_dump(merged(config, IN_A_POD), sort_keys=False, width=1_000_000).splitlines()
    text = (HERE / name).read_text(encoding="utf-8")
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < 0:
        message = f"{name} has no lines {BEGIN!r} and {END!r}"
        raise SystemExit(message)
    indent = text[text.rfind("\n", 0, end) + 1 : end]
    between = [indent + line for line in (UNTIDY, *lines, END)]
    return text[:begin] + "\n".join([BEGIN, *between]) + text[end + len(END) :]


GENERATED: dict[str, Callable[[], str]] = {
    "redaction/statements.yaml": lambda: transform(redact_statements()),
    "redaction/secret_keys.yaml": secret_keys,
    "kubernetes/gateway.yaml": lambda: operator_resource(
        "kubernetes/gateway.yaml", "collector.yaml", "collector.k8s.yaml"
    ),
    "kubernetes/first-tier.yaml": lambda: operator_resource(
        "kubernetes/first-tier.yaml", "collector.loadbalancer.yaml"
    ),
}


def main() -> int:
    """Write the files, or with --check tell whether they are up to date."""
    parser = argparse.ArgumentParser(description="Write the redaction of the Collector's configuration.")
    parser.add_argument("--check", action="store_true", help="write nothing: exit 1 when a file is not up to date")
    check = parser.parse_args().check
    wanted = {**pattern_files(), **{name: text() for name, text in GENERATED.items()}}
    paths = {name: HERE / name for name in wanted}
    stale = [
        name for name, text in wanted.items() if not paths[name].exists() or paths[name].read_text("utf-8") != text
    ]
    if check and stale:
        print(f"not up to date: {', '.join(stale)}; run: python tools/otel/generate.py", file=sys.stderr)
        return 1
    for name in stale:
        paths[name].parent.mkdir(exist_ok=True)
        paths[name].write_text(wanted[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
