"""Providers made from a declarative file: the same telemetry as without one, and all that a file can say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from codeanatomy_distro import settings
from codeanatomy_distro.obs.run_context import run_context
from codeanatomy_distro.otel import providers
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.otel.memory import InMemoryExporters
from codeanatomy_distro.otel.propagators import create_propagator
from codeanatomy_distro.otel.providers import Ingredients
from codeanatomy_distro.otel.resources import create_resource
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.otel.declared_exports import DeclaredExport
    from codeanatomy_distro.setting import Problem
    from codeanatomy_distro.testing.otlp import MetricPoint, Telemetry

pytest.importorskip("opentelemetry.configuration")

DEFAULTS_FILE = Path(__file__).parents[2] / "tools/otel/sdk-config.yaml"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """Receive OTLP on loopback."""
    with OtlpReceiver() as receiving:
        yield receiving


@pytest.fixture
def with_file(tmp_path: Path) -> Callable[..., OtelConfig]:
    """Return the configuration of a file with that text."""

    def config_of(text: str, **environ: str) -> OtelConfig:
        path = tmp_path / "sdk.yaml"
        path.write_text(f'file_format: "1.0"\n{text}', encoding="utf-8")
        config = resolve_otel_config({"OTEL_CONFIG_FILE": str(path), **environ})
        assert config.problems == ()
        return config

    return config_of


def _record(config: OtelConfig) -> Resource:
    """Make the providers of a configuration, record one of everything with them, and send it."""
    problems: list[Problem] = []
    resource = create_resource(config, [])
    made_of = Ingredients(config, resource, problems, [])
    tracers = providers.create_tracer_provider(made_of)
    meters = providers.create_meter_provider(made_of)
    loggers = providers.create_logger_provider(made_of)
    with run_context("run-1"):
        for number in range(300):
            tracers.get_tracer("app").start_span("x", attributes={"number": number, "path": "/home/someone/x"}).end()
        loggers.get_logger("app").emit(LogRecord(severity_number=SeverityNumber.INFO, body="x", attributes={"a": 1}))
        meters.get_meter("codeanatomy.obs").create_histogram("codeanatomy.stage.duration", "s").record(
            0.2, {"stage": "a", "status": "ok", "dropped": "by the view"}
        )
        meters.get_meter("app").create_counter("y").add(1)
    for provider in (tracers, meters, loggers):
        provider.shutdown()
    assert problems == []
    return resource


def _exports(config: OtelConfig, signal: str, problems: list[Problem]) -> list[DeclaredExport]:
    from codeanatomy_distro.otel.declared_exports import declared_exports  # of a package that may be absent

    return declared_exports(config, signal, problems)


def _values(telemetry: Telemetry, name: str) -> set[str]:
    """Return what the spans have for one attribute."""
    return {str(span.attributes[name]) for span in telemetry.spans}


def _seen(telemetry: Telemetry) -> dict[str, Any]:
    """Return what two recordings of the same must have in common."""

    def of(point: MetricPoint) -> tuple[object, ...]:
        return point.name, point.kind, point.temporality, point.bounds, point.bucket_counts, sorted(point.attributes)

    attributes = [sorted(resource.attributes) for resource in telemetry.resources()]
    return {
        "spans": {(span.name, span.scope.name, *sorted(span.attributes)) for span in telemetry.spans},
        "paths": _values(telemetry, "path"),
        "rules": _values(telemetry, "otel.sampling.rule"),
        "points": sorted(of(point) for point in telemetry.metric_points),
        "logs": [(record.body, sorted(record.attributes)) for record in telemetry.log_records],
        "resources": attributes,
        "names": [resource.attributes["service.name"] for resource in telemetry.resources()],
    }


def test_the_file_of_defaults_gives_the_telemetry_of_the_defaults(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of defaults sends what is sent without a file: share, attributes, rule, redaction, views, resource."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint}
    _record(resolve_otel_config(environ))
    plain = receiver.telemetry
    receiver.clear()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.grpc_endpoint)  # the file takes it from there
    _record(resolve_otel_config({**environ, "OTEL_CONFIG_FILE": str(DEFAULTS_FILE)}))
    declared = receiver.telemetry
    assert _seen(declared) == _seen(plain)
    for telemetry in (plain, declared):
        assert 5 <= len(telemetry.spans) <= 70  # a tenth of 300


def test_a_signal_without_a_section_is_off(with_file: Callable[..., OtelConfig], receiver: OtlpReceiver) -> None:
    """A signal that the file leaves out is not exported; the others are."""
    exporter = f"{{otlp_grpc: {{endpoint: '{receiver.grpc_endpoint}'}}}}"
    text = f"logger_provider: {{processors: [{{simple: {{exporter: {exporter}}}}}]}}\n"
    _record(with_file(text))
    assert len(receiver.log_records) == 1
    assert not receiver.spans
    assert not receiver.metric_points


def test_several_exporters_each_get_everything(with_file: Callable[..., OtelConfig], receiver: OtlpReceiver) -> None:
    """Two exporters of one signal, over both protocols and with their own headers and batches, each get every span."""
    text = f"""
tracer_provider:
  sampler: {{always_on: }}
  processors:
    - batch:
        max_queue_size: 1000
        max_export_batch_size: 100
        schedule_delay: 60000
        exporter: {{otlp_grpc: {{endpoint: "{receiver.grpc_endpoint}", headers_list: "who=one", compression: gzip}}}}
    - batch:
        exporter:
          otlp_http:
            endpoint: {receiver.http_endpoint}/v1/traces
            headers: [{{name: who, value: two}}]
"""
    _record(with_file(text))
    assert len(receiver.spans) == 600
    by_protocol = {request.protocol: request.headers["who"] for request in receiver if request.signal == "traces"}
    assert by_protocol == {"grpc": "one", "http/protobuf": "two"}
    assert _values(receiver.telemetry, "codeanatomy.run_id") == {"run-1"}


def test_what_the_file_leaves_out_of_a_section_is_as_without_a_file(
    with_file: Callable[..., OtelConfig], receiver: OtlpReceiver
) -> None:
    """Sampler, rule, endpoint, limits and identity come from the variables where the file says nothing of them."""
    text = "tracer_provider: {processors: [{batch: {exporter: {otlp_grpc: }}}]}\n"
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint,
        "OTEL_TRACES_SAMPLER": "always_on",
        "CODEANATOMY_OTEL_SAMPLING_RULE": "mine",
        "OTEL_SERVICE_NAME": "of-the-variable",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5",
    }
    _record(with_file(text, **variables))
    assert len(receiver.spans) == 300
    assert {len(str(span.attributes["path"])) for span in receiver.spans} == {5}
    assert _values(receiver.telemetry, "otel.sampling.rule") == {"mine"}
    assert [one.attributes["service.name"] for one in receiver.telemetry.resources()] == ["of-the-variable"]


def test_the_resource_of_the_file_wins(with_file: Callable[..., OtelConfig]) -> None:
    """Attributes of the file win over the variables, its detectors run in place of ours, and its filter holds."""
    text = """
resource:
  attributes:
    - {name: service.name, value: of-the-file}
    - {name: shard, value: 3, type: int}
  detection/development:
    attributes: {excluded: ["process.command*"]}
    detectors: [{process: }, {service: }]
"""
    found = create_resource(
        with_file(text, OTEL_SERVICE_NAME="of-the-variable", OTEL_SERVICE_INSTANCE_ID="me"), []
    ).attributes
    assert (found["service.name"], found["shard"], found["service.instance.id"]) == ("of-the-file", 3, "me")
    assert found["telemetry.distro.name"] == "codeanatomy-distro"
    names = {name for name in found if name.startswith(("process.", "os.", "host."))}
    assert "process.pid" in names
    assert not [name for name in names if not name.startswith("process.") or name.startswith("process.command")]


@pytest.mark.parametrize(
    ("sampler", "told"),
    [
        ("%s", 0),
        ("{parent_based: {root: %s}}", 0),
        ("{parent_based: {root: %s, local_parent_sampled: {always_off: }}}", 1),
    ],
)
def test_the_codeanatomy_sampler_takes_its_rules_from_the_file(
    with_file: Callable[..., OtelConfig], sampler: str, told: int
) -> None:
    """The sampler's rules, ratio and rule name can stand in the file, by itself or as a root, and scopes are known."""
    rule = '{rule: ours, ratio: 1, match: {scope: "codeanatomy.*", attributes: {tenant: vip}}}'
    ours = sampler % f"{{codeanatomy: {{ratio: 0, rule: otherwise, rules: [{rule}]}}}}"
    text = f"tracer_provider:\n  processors: [{{simple: {{exporter: {{console: }}}}}}]\n  sampler: {ours}\n"
    memory, problems = InMemoryExporters(), list[Any]()
    provider = providers.create_tracer_provider(
        Ingredients(with_file(text), Resource.get_empty(), problems, [], memory)
    )
    for scope in ("app", "codeanatomy.pipeline"):
        provider.get_tracer(scope).start_span(scope, attributes={"tenant": "vip"}).end()
    (span,) = memory.spans.get_finished_spans()
    assert (span.name, (span.attributes or {})["otel.sampling.rule"]) == ("codeanatomy.pipeline", "ours")
    assert len(problems) == told


def test_views_of_the_file_win_over_ours_for_their_instrument(with_file: Callable[..., OtelConfig]) -> None:
    """A view of the file takes the place of ours for the same instrument, and ours stand for all others."""
    text = """
meter_provider:
  readers: [{periodic: {exporter: {console: }}}]
  views:
    - selector: {instrument_name: codeanatomy.stage.duration}
      stream: {aggregation: {explicit_bucket_histogram: {boundaries: [1, 2]}}}
"""
    memory = InMemoryExporters()
    provider = providers.create_meter_provider(Ingredients(with_file(text), Resource.get_empty(), [], [], memory))
    meter = provider.get_meter("codeanatomy.obs")
    for name in ("codeanatomy.stage.duration", "codeanatomy.task.duration"):
        meter.create_histogram(name).record(1)
    data = memory.metrics.get_metrics_data()
    assert data is not None
    metrics: Any = data.resource_metrics[0].scope_metrics[0].metrics
    bounds = {one.name: [tuple(point.explicit_bounds) for point in one.data.data_points] for one in metrics}
    assert bounds["codeanatomy.stage.duration"] == [(1.0, 2.0)]
    assert len(bounds["codeanatomy.task.duration"][0]) == 12


def test_limits_and_propagators_of_the_file(with_file: Callable[..., OtelConfig]) -> None:
    """Limits and propagators are the file's; a file without propagators has none."""
    text = """
propagator: {composite: [{baggage: }]}
tracer_provider:
  processors: [{simple: {exporter: {console: }}}]
  sampler: {always_on: }
  limits: {attribute_count_limit: 2}
logger_provider: {processors: [{simple: {exporter: {console: }}}], limits: {attribute_count_limit: 3}}
"""
    config = with_file(text)
    assert create_propagator(config, []).fields == {"baggage"}
    memory = InMemoryExporters()
    tracers = providers.create_tracer_provider(Ingredients(config, Resource.get_empty(), [], [], memory))
    tracers.get_tracer("app").start_span("x", attributes={"a": 1, "b": 2, "c": 3}).end()
    assert len(memory.spans.get_finished_spans()[0].attributes or {}) == 2
    assert create_propagator(with_file(""), []).fields == set()


@pytest.mark.parametrize(
    ("part", "reason", "used"),
    [
        ("sampler: {bogus: }", "its sampler can't be had: Plugin 'bogus' not found", "parentbased_traceidratio"),
        ("id_generator: {bogus: }", "its id generator can't be had: Plugin 'bogus' not found", "random ids"),
        ("id_generator: {bogus: {a: 1}}", "its id generator can't be had: Plugin 'bogus' not found", "random ids"),
    ],
)
def test_what_the_file_names_and_nobody_has_is_told(
    with_file: Callable[..., OtelConfig], part: str, reason: str, used: str
) -> None:
    """A sampler or id generator that is not installed is told, its default takes its place, and traces go on."""
    config = with_file(f"tracer_provider: {{processors: [{{simple: {{exporter: {{console: }}}}}}], {part}}}\n")
    problems: list[Problem] = []
    made_of = Ingredients(config, Resource.get_empty(), problems, [], InMemoryExporters())
    provider = providers.create_tracer_provider(made_of)
    assert provider.get_tracer("app").start_span("x").get_span_context().is_valid
    (problem,) = problems
    assert reason in str(problem)
    assert used in problem.used
    assert "/sdk.yaml' is used in part" in str(problem)


@pytest.mark.parametrize("section", ["composite: [{bogus: }, {baggage: }]", 'composite_list: "bogus,baggage"'])
def test_a_propagator_that_nobody_has_costs_no_other(with_file: Callable[..., OtelConfig], section: str) -> None:
    """A propagator of the file that is not installed is told, and the others work."""
    problems: list[Problem] = []
    assert create_propagator(with_file(f"propagator: {{{section}}}\n"), problems).fields == {"baggage"}
    (problem,) = problems
    assert "is used in part: its propagator bogus: no propagator of that name is installed" in str(problem)


def test_attributes_that_are_not_of_their_type_are_told(with_file: Callable[..., OtelConfig]) -> None:
    """A resource attribute that is no number, where the file says that it is one, costs the file's attributes alone."""
    problems: list[Problem] = []
    text = "resource: {attributes: [{name: shard, value: three, type: int}]}\n"
    found = create_resource(with_file(text, OTEL_SERVICE_NAME="mine"), problems)
    assert found.attributes["service.name"] == "mine"
    (problem,) = problems
    assert "is used in part: its resource attributes can't be read" in str(problem)


def test_an_exporter_that_nobody_has_is_told(with_file: Callable[..., OtelConfig], receiver: OtlpReceiver) -> None:
    """An exporter of the file that is not installed is told; the others export, and OTLP where it is the only one."""
    other = f"{{batch: {{exporter: {{otlp_grpc: {{endpoint: '{receiver.grpc_endpoint}'}}}}}}}}"
    text = (
        f"tracer_provider: {{processors: [{{batch: {{exporter: {{bogus: }}}}}}, {other}]}}\n"
        "logger_provider: {processors: [{simple: {exporter: {bogus: }}}]}\n"
    )
    config = with_file(text, OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4317")
    problems: list[Problem] = []
    found = {signal: _exports(config, signal, problems) for signal in ("traces", "logs")}
    destinations = {signal: [one.create_exporter.destination for one in each] for signal, each in found.items()}
    assert destinations == {"traces": [receiver.grpc_endpoint], "logs": ["http://collector:4317"]}
    assert [(one.reason, one.used) for one in problems] == [
        ("no exporter bogus of traces is installed", "the others"),
        ("no exporter bogus of logs is installed", "otlp"),
    ]


def test_one_exporter_knows_nothing_of_another(with_file: Callable[..., OtelConfig]) -> None:
    """What the first processor says is not what the second one leaves out: it must not get the other's headers."""
    text = """
tracer_provider:
  processors:
    - batch:
        schedule_delay: 7
        exporter: {otlp_http: {endpoint: "https://one:1/v1/traces", headers_list: "api-key=secret", compression: gzip}}
    - batch: {exporter: {otlp_grpc: {endpoint: "http://two:4317"}}}
"""
    _, other = (one.config for one in _exports(with_file(text), "traces", []))
    assert other[settings.SIGNAL_ENDPOINT["traces"]] == "http://two:4317"
    assert not other[settings.SIGNAL_HEADERS["traces"]]
    assert other[settings.SIGNAL_COMPRESSION["traces"]] is None
    assert other[settings.BSP_SCHEDULE_DELAY] == 5000


def test_values_that_the_settings_cannot_have_are_told(with_file: Callable[..., OtelConfig]) -> None:
    """What the schema lets through and nothing can be done with is told, and what would hold without it is used."""
    text = """
tracer_provider:
  processors:
    - batch:
        max_queue_size: 5
        max_export_batch_size: 10
        schedule_delay: 0
        export_timeout: 0
        exporter: {otlp_grpc: {endpoint: "not a url", compression: zip, timeout: 0, tls: {ca_file: /absent.pem}}}
"""
    problems: list[Problem] = []
    (one,) = _exports(with_file(text), "traces", problems)
    rows = (settings.BSP_MAX_EXPORT_BATCH_SIZE, settings.BSP_SCHEDULE_DELAY, settings.BSP_EXPORT_TIMEOUT)
    assert [one.config[row] for row in rows] == [5, 5000, 3_600_000]  # no limit is the longest that there is
    assert one.config[settings.SIGNAL_TIMEOUT["traces"]] == 3600
    assert one.create_exporter.destination == "http://localhost:4317"
    places = [problem.reason.split(": ")[0].removeprefix("tracer_provider.processors[].batch.") for problem in problems]
    assert sorted(places) == [
        "exporter.*.compression",
        "exporter.*.endpoint",
        "exporter.*.tls.ca_file",
        "max_export_batch_size",
        "schedule_delay",
    ]


def test_scopes_that_the_file_switches_off(with_file: Callable[..., OtelConfig]) -> None:
    """The file's switches for single scopes hold for all three signals."""
    text = """
tracer_provider:
  processors: [{simple: {exporter: {console: }}}]
  sampler: {always_on: }
  tracer_configurator/development: {tracers: [{name: loud, config: {enabled: false}}]}
meter_provider:
  readers: [{periodic: {exporter: {console: }}}]
  meter_configurator/development: {meters: [{name: loud, config: {enabled: false}}]}
logger_provider:
  processors: [{simple: {exporter: {console: }}}]
  logger_configurator/development: {loggers: [{name: loud, config: {enabled: false}}]}
"""
    config, memory = with_file(text), InMemoryExporters()
    made_of = Ingredients(config, Resource.get_empty(), [], [], memory)
    tracers = providers.create_tracer_provider(made_of)
    meters = providers.create_meter_provider(made_of)
    loggers = providers.create_logger_provider(made_of)
    for scope in ("loud", "app"):
        tracers.get_tracer(scope).start_span(scope).end()
        meters.get_meter(scope).create_counter(scope).add(1)
        loggers.get_logger(scope).emit(LogRecord(severity_number=SeverityNumber.INFO, body=scope))
    data = memory.metrics.get_metrics_data()
    assert [span.name for span in memory.spans.get_finished_spans()] == ["app"]
    assert [log.log_record.body for log in memory.logs.get_finished_logs()] == ["app"]
    assert data is not None
    assert [part.scope.name for part in data.resource_metrics[0].scope_metrics] == ["app"]


def test_disabled_in_the_file_is_off(with_file: Callable[..., OtelConfig]) -> None:
    """A file can switch telemetry off."""
    assert with_file("disabled: true\n")[settings.SDK_DISABLED] is True


def test_a_sampler_of_the_file_stamps_the_rule(with_file: Callable[..., OtelConfig]) -> None:
    """Whatever sampler the file names, its spans carry the sampling rule."""
    text = "tracer_provider: {processors: [{simple: {exporter: {console: }}}], sampler: {always_on: }}\n"
    memory = InMemoryExporters()
    provider = providers.create_tracer_provider(Ingredients(with_file(text), Resource.get_empty(), [], [], memory))
    provider.get_tracer("app").start_span("x").end()
    assert provider.sampler is not ALWAYS_ON
    assert (memory.spans.get_finished_spans()[0].attributes or {})["otel.sampling.rule"] == "codeanatomy.default"
