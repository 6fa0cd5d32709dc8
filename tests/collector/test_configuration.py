"""What can be said of the configurations without a Collector: their graph, names, patterns and variables."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from codeanatomy_distro.obs.cache import CACHE_OPERATIONS, CACHE_POLICIES, CACHE_SCOPES
from codeanatomy_distro.otel import redaction_patterns as patterns

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = Path(__file__).parents[2] / "tools" / "otel"
OVERLAYS = ("collector.docker.yaml", "collector.k8s.yaml")
FILES = ("collector.yaml", *OVERLAYS, "collector.loadbalancer.yaml")
OLD_NAMES = {"otlphttp", "k8sattributes", "spanmetrics", "servicegraph", "loadbalancing", "logging"}
REDACTION = sorted((TOOLS / "redaction").iterdir())
README = (TOOLS / "README.md").read_text(encoding="utf-8")


def load(name: str) -> dict[str, Any]:
    """A file of YAML."""
    return cast("dict[str, Any]", yaml.safe_load((TOOLS / name).read_text(encoding="utf-8")))


def effective(name: str) -> dict[str, Any]:
    """A configuration as it runs: an overlay on the base, maps merged, everything else replaced."""

    def merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
        merged = dict(base)
        for key, value in top.items():
            below = merged.get(key)
            merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
        return merged

    return merge(load("collector.yaml"), load(name)) if name in OVERLAYS else load(name)


def test_the_generated_parts_are_up_to_date() -> None:
    """Patterns, keys and words in the YAML are those of the package."""
    ended = subprocess.run(
        [sys.executable, str(TOOLS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", FILES)
def test_every_component_is_defined_and_used_under_its_current_name(name: str) -> None:
    """Pipelines name what is defined and the other way round; nothing bears a name that upstream gave up."""
    config = effective(name)
    used: set[str] = set(config["service"]["extensions"])
    defined: set[str] = set()
    for section in ("extensions", "receivers", "processors", "exporters", "connectors"):
        defined |= set(config.get(section, {}))
    for pipeline in config["service"]["pipelines"].values():
        for section in ("receivers", "processors", "exporters"):
            used |= set(pipeline.get(section, ()))
    replaced = {"otlp_grpc/metrics", "otlp_grpc/logs"} if name == "collector.docker.yaml" else set[str]()
    assert used == defined - replaced
    types = {component.partition("/")[0] for component in defined}
    assert not types & OLD_NAMES
    assert not any(component.partition("/")[0] == "otlp" for component in config["exporters"])


@pytest.mark.parametrize("name", FILES)
def test_the_memory_limiter_is_first_wherever_data_comes_in(name: str) -> None:
    """Each pipeline that a receiver feeds begins with the limiter, and no other has one."""
    for pipeline in effective(name)["service"]["pipelines"].values():
        first = pipeline.get("processors", [None])[0]
        assert (first == "memory_limiter") == ("otlp" in pipeline["receivers"])


@pytest.mark.parametrize("name", ["collector.yaml", *OVERLAYS])
def test_every_signal_is_redacted_before_anything_else_sees_it(name: str) -> None:
    """Each incoming pipeline ends with redaction of texts, then of secret keys, then of entities."""
    pipelines = effective(name)["service"]["pipelines"]
    for signal in ("traces", "metrics", "logs"):
        steps = pipelines[f"{signal}/in"]["processors"]
        assert steps[-5:] == [
            "transform/redact",
            "redaction/secret_keys",
            "transform/before_grouping",
            "groupbyattrs/without_entities",
            "transform/after_grouping",
        ]


def test_redaction_fails_closed_and_keeps_what_it_does_not_know() -> None:
    """A statement that fails stops its batch; keys that no pattern names stay; nothing tells what was masked."""
    processors = load("collector.yaml")["processors"]
    processors["transform/redact"] = load("redaction/statements.yaml")
    assert all(
        each["error_mode"] == "propagate"
        for name, each in processors.items()
        if name.startswith(("transform", "filter"))
    )
    assert load("redaction/secret_keys.yaml")["allow_all_keys"] is True
    assert load("redaction/secret_keys.yaml")["summary"] == "silent"


@pytest.mark.parametrize("name", ["collector.yaml", *OVERLAYS])
def test_cache_metrics_are_counted_before_sampling_from_three_bounded_dimensions(name: str) -> None:
    """No pipeline between the receiver and the span metrics samples; the dimensions are the three and no other."""
    config = effective(name)
    pipelines = config["service"]["pipelines"]

    def upstream(component: str) -> Iterator[dict[str, Any]]:
        for pipeline in pipelines.values():
            if component in pipeline["exporters"]:
                yield pipeline
                for receiver in pipeline["receivers"]:
                    yield from upstream(receiver)

    before = list(upstream("span_metrics/cache"))
    assert any("otlp" in pipeline["receivers"] for pipeline in before)
    assert not any("tail_sampling" in pipeline.get("processors", ()) for pipeline in before)
    connector = config["connectors"]["span_metrics/cache"]
    assert {each["name"] for each in connector["dimensions"]} == {"cache.policy", "cache.scope", "cache.operation"}
    assert {"span.kind", "span.name"} <= set(connector["exclude_dimensions"])
    assert connector["histogram"]["unit"] == "s"
    statements = config["processors"]["transform/bound_cache_dimensions"]["trace_statements"][0]["statements"]
    bounded = [re.findall(r'^set\(span\.attributes\["([\w.]+)"', statement) for statement in statements]
    assert bounded == [["cache.policy"], ["cache.scope"], ["cache.operation"]]
    for statement, words in zip(statements, (CACHE_POLICIES, CACHE_SCOPES, CACHE_OPERATIONS), strict=True):
        (found,) = re.findall(r"\^\(\?:(.*)\)\$", statement)
        assert set(found.split("|")) == words


def test_tail_sampling_keeps_errors_slow_traces_and_a_baseline_after_the_root() -> None:
    """The three policies of the specification and a baseline; the decision waits for the root of a long run."""
    sampling = load("collector.yaml")["processors"]["tail_sampling"]
    kinds = {policy["type"]: policy[policy["type"]] for policy in sampling["policies"]}
    assert kinds["status_code"] == {"status_codes": ["ERROR"]}
    assert kinds["latency"] == {"threshold_ms": "${env:OTELCOL_TAIL_SLOW_MS:-2000}"}
    assert set(kinds) == {"status_code", "latency", "probabilistic"}
    assert sampling["decision_wait"].endswith(":-10m}")
    assert sampling["decision_wait_after_root_received"].endswith(":-10s}")


def test_the_readmes_table_has_every_variable_with_its_default() -> None:
    """Each variable of the configurations has a default, and README.md names it and no other, with that default."""
    used: dict[str, str] = {}
    for path in [*REDACTION, *(TOOLS / name for name in FILES)]:
        text = path.read_text(encoding="utf-8").replace("${env:POD_IP}", "")
        for variable, default in re.findall(r"\$\{env:(\w+):-([^{}]+)\}", text):
            used.setdefault(variable, "none" if default.startswith("/nonexistent") else default)
        assert len(re.findall(r"\$\{env:", text)) == len(re.findall(r"\$\{env:\w+:-[^{}]+\}", text)), path.name
    documented: dict[str, str] = {}
    for line in README.splitlines():
        if line.startswith("| `OTELCOL_"):
            names, defaults = (cell.replace("`", "").split(", ") for cell in line.strip("| ").split(" | ", 2)[:2])
            documented |= dict(zip(names, defaults * len(names) if len(defaults) == 1 else defaults, strict=True))
    assert documented == used


def test_dollars_are_kept_from_the_collectors_own_expansion() -> None:
    """Every dollar of a pattern or replacement is doubled: a single one would be taken for a variable."""
    for path in (TOOLS / "collector.yaml", *REDACTION):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<!\$)\$(?!\$|\{env:|\{file:\$\{env:)", text.replace("$$", ""))


def test_no_pattern_ends_with_a_new_line() -> None:
    """The Collector takes the files of patterns as they are, up to their last byte."""
    for path in REDACTION:
        assert path.read_bytes().endswith(b"\n") == (path.suffix == ".yaml"), path.name


def test_every_pattern_compiles_in_the_collectors_engine() -> None:
    """RE2 takes each pattern of the list and of the YAML, and finds in them as many groups as Python does."""
    re2 = pytest.importorskip("re2", reason="google-re2, the engine of the Collector, is not installed")
    for rules in (patterns.RULES, patterns.STRICT_RULES):
        pattern = patterns.combined_pattern(rules)
        assert re2.compile(pattern).groups == re.compile(pattern, re.ASCII).groups
    re2.compile(patterns.library_pattern())
    for text in load("redaction/secret_keys.yaml")["blocked_key_patterns"]:
        re2.compile(text.replace("$$", "$"))
    for name in ("private", "library"):
        inside = (TOOLS / "redaction" / f"{name}.txt").read_text(encoding="utf-8")
        re2.compile(json.loads(f'"{inside}"').replace("$$", "$"))


def test_the_builder_puts_in_what_is_used_and_nothing_else() -> None:
    """Each component of the manifest is in some configuration, each component in a manifest, all from one release."""
    manifest = load("builder.yaml")
    sections = ("extensions", "receivers", "processors", "exporters", "connectors", "providers")
    modules: list[str] = [each["gomod"] for section in sections for each in manifest[section]]
    version = manifest["dist"]["version"]
    contrib = [module for module in modules if "confmap/provider" not in module]
    older = [module for module in contrib if not module.endswith(f" v{version}")]
    assert [module.rpartition("/")[2] for module in older] == ["k8sattributesprocessor v0.160.0"]
    used: set[str] = set()
    for name in FILES:
        config = effective(name)
        for section in ("extensions", "receivers", "processors", "exporters", "connectors"):
            used |= {component.partition("/")[0].replace("_", "") for component in config.get(section, {})}
    suffix = r"(extension|receiver|processor|exporter|connector)$"
    built = {re.sub(suffix, "", module.split(" ")[0].rpartition("/")[2]) for module in contrib}
    aliases = {"otlp": "otlpgrpc"}  # the module otlpexporter holds what is named otlp_grpc; the receiver stays otlp
    assert used - {"otlpgrpc"} == built
    assert aliases["otlp"] in used
    images = {
        line.strip()
        for name in ("compose.yaml", "kubernetes/gateway.yaml", "kubernetes/first-tier.yaml")
        for line in (TOOLS / name).read_text(encoding="utf-8").splitlines()
        if "opentelemetry-collector-contrib" in line
    }
    assert {image.rpartition(":")[2] for image in images} == {version}
