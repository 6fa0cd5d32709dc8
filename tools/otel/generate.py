"""Write what the package knows into the Collector's configuration: patterns, keys, words of the cache dimensions.

They stand between two marker lines of `collector.yaml`; the rest of that file is written by hand. The resources for the
Kubernetes operator hold whole configurations, and get theirs the same way.

Usage: python tools/otel/generate.py [--check]     (--check writes nothing: exit 1 when a file is not up to date)
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from codeanatomy_distro.obs.cache import CACHE_OPERATIONS, CACHE_POLICIES, CACHE_SCOPES
from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.otel import redaction_patterns as patterns

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
BEGIN = "# >>> written by generate.py; do not edit by hand"
END = "# <<< written by generate.py"
# Patterns are long, and what a library writes has its own style.
UNTIDY = "# yamllint disable rule:line-length rule:indentation rule:comments-indentation"
TIDY = "# yamllint enable"

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
OPERATOR_ROOTS = patterns.Rule(
    "operator", r"/*(?:${env:OTELCOL_PRIVATE_ROOTS:-/nonexistent-private-root})(?:/|\b)[^\s\"'<>|,;:)\]}\\]*"
)
# Only a marked resource comes from an SDK that looked into its links, see `codeanatomy_distro.otel.redaction`.
TRUSTED = 'resource.attributes["codeanatomy.redaction"] != nil'

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


def quoted(text: str) -> str:
    """Return `text` as a string of OTTL, its dollars kept from the Collector's own expansion, but for our variable."""
    return json.dumps(text).replace("$", "$$").replace("$${env:", "${env:")


RULES = (OPERATOR_ROOTS, *patterns.RULES)
PRIVATE = quoted(patterns.combined_pattern(RULES))
SUSPECT = [
    quoted(pattern) for pattern in ("(?i:${env:OTELCOL_PRIVATE_ROOTS:-/nonexistent-private-root})", *patterns.SUSPECT)
]
LIBRARY = quoted(patterns.library_pattern())
MASKED = quoted(patterns.combined_replacement(patterns.RULES, "${}"))


def drop_statements(name: str) -> list[str]:
    """Return the statements that delete from a map the keys that never leave."""
    keys = "^(?:" + "|".join(key.replace(".", r"\.") for key in patterns.DROPPED_KEYS) + ")$"
    return [f"delete_matching_keys({name}, {quoted(keys)})"]


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
    text, suspect, nested = (f'{context}.cache["{part} of {name}"]' for part in ("text", "suspect", "nested"))
    has_parts = f'IsMatch({text}, "[:,\\\\[][\\\\[{{]")'
    statements = [
        f"set({text}, ToLowerCase(String({name})))",
        f"set({suspect}, true) where {' or '.join(f'IsMatch({text}, {pattern})' for pattern in SUSPECT)}",
        *(f"{statement} where {suspect} == true" for statement in redact),
        f"set({nested}, true) where {suspect} == true and {has_parts} and IsMatch(String({name}), {PRIVATE})",
        f"flatten({name}) where {nested} == true",
        *(f"{statement} where {nested} == true" for statement in redact),
    ]
    if name in UNVISITED:
        statements.append(f"delete_matching_keys({name}, {quoted(patterns.SECRET_KEY)})")
    return statements


def body_statements() -> list[str]:
    """Return the statements that redact a log record's body, which may be a text, a list or a map."""
    of_map = [
        f"{action} where IsMap(log.body) and ({condition})" if condition else f"{action} where IsMap(log.body)"
        for action, _, condition in (each.partition(" where ") for each in map_statements("log", "log.body"))
    ]
    return [
        *of_map,
        f"set(log.body, String(log.body)) where IsList(log.body) and IsMatch(String(log.body), {PRIVATE})",
        *(f"{statement} where IsString(log.body)" for statement in text_statements("log.body")),
    ]


def transform(name: str, statements: dict[str, dict[str, list[str]]]) -> list[str]:
    """Return the lines of one transform processor; what is the same for a second signal refers to the first."""
    lines = [f"  transform/{name}:", "    error_mode: propagate"]
    anchors: dict[tuple[str, ...], str] = {}
    for signal, contexts in statements.items():
        lines.append(f"    {signal}:")
        for context, texts in contexts.items():
            lines.append(f"      - context: {context}")
            known = anchors.get(tuple(texts))
            if known is not None:
                lines.append(f"        statements: *{known}")
                continue
            anchor = anchors[tuple(texts)] = f"{name}_{context}"
            lines.append(f"        statements: &{anchor}")
            lines.extend("          - '" + text.replace("'", "''") + "'" for text in texts)
    return lines


def processors() -> list[str]:
    """Return the lines of the processors that redact and that bound the cache dimensions."""
    drop: dict[str, dict[str, list[str]]] = {}
    redact: dict[str, dict[str, list[str]]] = {}
    for signal, places in PLACES.items():
        drop[signal] = {
            context: [statement for name in maps for statement in drop_statements(name)]
            for context, (_, maps) in places.items()
        }
        redact[signal] = {
            context: [
                *(statement for name in texts for statement in text_statements(name)),
                *(statement for name in maps for statement in map_statements(context, name)),
            ]
            for context, (texts, maps) in places.items()
        }
    drop["log_statements"]["log"] += [f"{statement} where IsMap(log.body)" for statement in drop_statements("log.body")]
    redact["log_statements"]["log"] += body_statements()
    redact["trace_statements"]["span"].append(f"set(span.links, nil) where not ({TRUSTED})")
    return [
        "  # Keys that never leave, wherever a key can stand.",
        *transform("drop_keys", drop),
        "",
        "  # Private texts, wherever a text can stand. A statement that fails makes its batch fail: nothing leaks.",
        *transform("redact_text", redact),
        "",
        "  # Secret keys: the key stays, what stands under it is masked.",
        *redaction(),
        "",
        "  # The dimensions of the cache metrics have closed sets of words, whatever a program sends.",
        *transform("bound_cache_dimensions", {"trace_statements": {"span": bound_statements()}}),
    ]


def redaction() -> list[str]:
    """Return the lines of the redaction processor."""
    masked = "^(?:" + "|".join(key.replace(".", r"\.").replace("*", ".*") for key in patterns.MASKED_KEYS) + ")$"
    return [
        "  redaction/secret_keys:",
        "    allow_all_keys: true",
        "    summary: silent",
        "    blocked_key_patterns:",
        *(f"      - {scalar(pattern)}" for pattern in (masked, patterns.SECRET_KEY)),
    ]


def scalar(text: str) -> str:
    """Return `text` as a single-quoted scalar of YAML, kept from the Collector's own expansion."""
    escaped = text.replace("$", "$$").replace("$${env:", "${env:").replace("'", "''")
    return f"'{escaped}'"


def bound_statements() -> list[str]:
    """Return the statements that map a word outside its closed set to ``other``."""
    words = {
        AttributeName.CACHE_POLICY: CACHE_POLICIES,
        AttributeName.CACHE_SCOPE: CACHE_SCOPES,
        AttributeName.CACHE_OPERATION: CACHE_OPERATIONS,
    }
    statements: list[str] = []
    for key, known in words.items():
        path = f'span.attributes["{key}"]'
        pattern = quoted(f"^(?:{'|'.join(sorted(known))})$")
        statements.append(f'set({path}, "other") where {path} != nil and not IsMatch(String({path}), {pattern})')
    return statements


def merged(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Return two configurations merged as the Collector does it: maps key by key, anything else replaced."""
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(cast("dict[str, Any]", below), cast("dict[str, Any]", value)) if both else value
    return result


def operator_config(*names: str) -> list[str]:
    """Return the lines of `spec.config` for the operator: those configurations merged, as they run in a pod."""
    config: dict[str, Any] = {}
    for name in names:
        config = merged(config, yaml.safe_load(source(name)))
    text = yaml.safe_dump(merged(config, IN_A_POD), sort_keys=False, width=1_000_000)
    return ["    " + line for line in text.splitlines()]


def source(name: str) -> str:
    """Return a file's text as it should be."""
    text = (HERE / name).read_text(encoding="utf-8")
    lines = GENERATED[name]() if name in GENERATED else None
    return text if lines is None else between_markers(name, text, lines)


def between_markers(name: str, text: str, lines: list[str]) -> str:
    """Return `text` with `lines` in place of what stands between the markers."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < 0:
        message = f"{name} has no lines {BEGIN!r} and {END!r}"
        raise SystemExit(message)
    indent = text[text.rfind("\n", 0, end) + 1 : end]
    after = text[end + len(END) :]
    again = [indent + TIDY] if after.strip() else []
    return text[:begin] + "\n".join([BEGIN, indent + UNTIDY, *lines, *again, indent + END]) + after


GENERATED: dict[str, Callable[[], list[str]]] = {
    "collector.yaml": processors,
    "kubernetes/gateway.yaml": lambda: operator_config("collector.yaml", "collector.k8s.yaml"),
    "kubernetes/first-tier.yaml": lambda: operator_config("collector.loadbalancer.yaml"),
}


def main() -> int:
    """Write the files, or with --check tell whether they are up to date."""
    parser = argparse.ArgumentParser(description="Write what the package knows into the Collector's configuration.")
    parser.add_argument("--check", action="store_true", help="write nothing: exit 1 when a file is not up to date")
    check = parser.parse_args().check
    wanted = {name: source(name) for name in GENERATED}
    stale = [name for name, text in wanted.items() if (HERE / name).read_text(encoding="utf-8") != text]
    if check and stale:
        print(f"not up to date: {', '.join(stale)}; run: python tools/otel/generate.py", file=sys.stderr)
        return 1
    for name in stale:
        (HERE / name).write_text(wanted[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
