"""THE table of settings: every variable an operator can set, one row each.

From a row come its parsing, its validation, its default, `codeanatomy-otel settings`, `docs/settings.md`, the flags of
`opentelemetry-instrument` and its place in a declarative file. A new setting is one row here and its use; nothing else
reads the environment. Names and defaults are the specification's (section *Environment Variables*); where it is silent,
OpenTelemetry's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from codeanatomy_distro.environment import environment
from codeanatomy_distro.profiles import PROFILES
from codeanatomy_distro.setting import Setting, resolve
from codeanatomy_distro.setting_formats import file, folders, headers, pairs, patterns, traceparent, url
from codeanatomy_distro.setting_kinds import Kind, boolean, choice, integer, names, number, ratio, text, words
from codeanatomy_distro.setting_plugins import plugin, plugins
from codeanatomy_distro.version import DISTRO_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DISTRO_NAME", "RATIO", "TABLE", "by_name", "current", "use_options"]

T = TypeVar("T")

TABLE: Final[list[Setting[Any]]] = []
"""Every setting, in the order of the documentation."""

_options: Final[dict[str, str]] = {}


def _row(  # noqa: PLR0913 - the columns of the table
    section: str,
    name: str,
    kind: Kind[T],
    default: T,
    help: str,  # noqa: A002 - the word a reader of the table looks for
    *aliases: str,
    deprecated: tuple[str, ...] = (),
    secret: bool = False,
    default_text: str | None = None,
    place: str | None = None,
) -> Setting[T]:
    setting = Setting(name, section, kind, default, help, aliases, deprecated, secret, default_text, place)
    TABLE.append(setting)
    return setting


RATIO: Final = ratio
_ON: Final = True
_OFF: Final = False
_NONE: Final[str | None] = None
_NOTHING: Final[tuple[str, ...]] = ()
_NO_PAIRS: Final[tuple[tuple[str, str], ...]] = ()
_MS: Final = integer(1, 24 * 3600 * 1000, "ms")
_COUNT: Final = integer(1, 10_000_000)
_LIMIT: Final = integer(0, 10_000_000)
_UNLIMITED: Final[int | None] = None
_PROTOCOL: Final = choice("grpc", "http/protobuf", synonyms={"http": "http/protobuf"})
_COMPRESSION: Final = choice("none", "gzip", "deflate")
# The Python packages read `database` where the specification says `db`, and skip `db` in silence. Those from `code` on no
# Python package reads yet; a newer one may, so they are let through.
_CONVENTION: Final = words(
    "http",
    "http/dup",
    "database",
    "database/dup",
    "gen_ai_latest_experimental",
    "code",
    "code/dup",
    "k8s",
    "k8s/dup",
    "messaging",
    "messaging/dup",
    "rpc",
    "rpc/dup",
    synonyms={"db": "database", "db/dup": "database/dup"},
)
_SECONDS: Final = number(0.001, 3600, "number, s")
_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
# Where a declarative file says what is exported, and how: one batch processor or periodic reader a signal.
_PLACES: Final = {
    "TRACES": "tracer_provider.processors[].batch",
    "METRICS": "meter_provider.readers[].periodic",
    "LOGS": "logger_provider.processors[].batch",
}

_OUR_SAMPLER: Final = f"tracer_provider.sampler.{DISTRO_NAME}"
_OUR_ROOT_SAMPLER: Final = f"tracer_provider.sampler.parent_based.root.{DISTRO_NAME}"

# fmt: off
# --- Service identity -------------------------------------------------------------------------------------------------
_section = "Service identity"
SERVICE_NAME = _row(
    _section, "OTEL_SERVICE_NAME", text, _NONE, "Name of the service; wins over service.name in OTEL_RESOURCE_ATTRIBUTES.",
    default_text=DISTRO_NAME, place="resource.attributes[service.name]",
)
SERVICE_VERSION = _row(
    _section, "CODEANATOMY_SERVICE_VERSION", text, _NONE, "Version of the service.",
    default_text="version of the installed package named like the service", place="resource.attributes[service.version]",
)
SERVICE_NAMESPACE = _row(
    _section, "CODEANATOMY_SERVICE_NAMESPACE", text, _NONE, "Namespace of the service.", place="resource.attributes[service.namespace]"
)
SERVICE_INSTANCE_ID = _row(
    _section, "OTEL_SERVICE_INSTANCE_ID", text, _NONE, "Id of this instance of the service; a worker process gets its own.",
    "CODEANATOMY_SERVICE_INSTANCE_ID", default_text="a random token", place="resource.attributes[service.instance.id]",
)
ENVIRONMENT = _row(
    _section, "CODEANATOMY_ENVIRONMENT", text, _NONE, "Deployment environment, such as production.", "DEPLOYMENT_ENVIRONMENT",
    place="resource.attributes[deployment.environment.name]",
)
RESOURCE_ATTRIBUTES = _row(
    _section, "OTEL_RESOURCE_ATTRIBUTES", pairs, _NO_PAIRS, "More resource attributes; values may be percent-encoded.",
    place="resource.attributes_list",
)

# --- SDK control ------------------------------------------------------------------------------------------------------
_section = "SDK control"
SDK_DISABLED = _row(_section, "OTEL_SDK_DISABLED", boolean, _OFF, "Switch all telemetry off: nothing is patched or loaded.", place="disabled")
CONFIG_FILE = _row(
    _section, "OTEL_CONFIG_FILE", text, _NONE,
    "Declarative configuration file (YAML), in place of the variables for exporters, samplers and limits.",
    "OTEL_EXPERIMENTAL_CONFIG_FILE", deprecated=("OTEL_EXPERIMENTAL_CONFIG_FILE",),
)
PROFILE = _row(
    _section, "CODEANATOMY_OTEL_PROFILE", choice("development", "ci", "production", synonyms={"dev": "development", "prod": "production"}),
    _NONE, "Set of defaults for one kind of operation; every explicit variable wins over it.",
)
PYTHON_CONTEXT = _row(
    _section, "OTEL_PYTHON_CONTEXT", plugin("opentelemetry_context", "contextvars_context", noun="context"), "contextvars_context",
    "Implementation of the context.",
)
ID_GENERATOR = _row(
    _section, "OTEL_PYTHON_ID_GENERATOR", plugin("opentelemetry_id_generator", "default", "random", noun="id generator"), "default",
    "Generator of trace and span ids; default is random, xray needs opentelemetry-sdk-extension-aws.",
    place="tracer_provider.id_generator",
)
PROPAGATORS = _row(
    _section, "OTEL_PROPAGATORS", plugins("opentelemetry_propagator", "tracecontext", "baggage", noun="propagator"),
    ("tracecontext", "baggage"), "How context enters and leaves the process.", place="propagator.composite, propagator.composite_list",
)
PYTHON_DISTRO = _row(
    _section, "OTEL_PYTHON_DISTRO", plugin("opentelemetry_distro", DISTRO_NAME, noun="distro"), _NONE,
    "Distro to load when several are installed.", default_text=DISTRO_NAME,
)
PYTHON_CONFIGURATOR = _row(
    _section, "OTEL_PYTHON_CONFIGURATOR", plugin("opentelemetry_configurator", DISTRO_NAME, noun="configurator"), _NONE,
    "Configurator to load when several are installed.", default_text=DISTRO_NAME,
)

# --- Run --------------------------------------------------------------------------------------------------------------
_section = "Run"
RUN_ID = _row(
    _section, "CODEANATOMY_RUN_ID", text, _NONE, "Run id of this process and of those it starts.",
    default_text="a new UUIDv7 under opentelemetry-instrument",
)
ROOT_SPAN = _row(
    _section, "CODEANATOMY_OTEL_ROOT_SPAN", text, _NONE,
    "Name of a root span around the whole process, such as graph_product.build; none when unset.",
)
ROOT_CONTEXT = _row(
    _section, "CODEANATOMY_OTEL_ROOT_CONTEXT", traceparent, _NONE,
    "Set by the distro for the processes that a run starts: the run's root span (W3C traceparent). "
    "A process that has it opens no root span of its own.",
)
METRIC_RUN_ID = _row(
    _section, "CODEANATOMY_OTEL_METRIC_RUN_ID", boolean, _ON,
    "Put the run id on metric points. Each run then makes new time series: switch it off for long-lived back ends.",
)

# --- Sampling ---------------------------------------------------------------------------------------------------------
_section = "Sampling"
TRACES_SAMPLER = _row(
    _section, "OTEL_TRACES_SAMPLER",
    plugin(
        "opentelemetry_traces_sampler", "always_on", "always_off", "traceidratio", "parentbased_always_on",
        "parentbased_always_off", "parentbased_traceidratio", "codeanatomy", noun="sampler",
    ),
    "parentbased_traceidratio", "Which traces are recorded.", place="tracer_provider.sampler",
)
TRACES_SAMPLER_ARG = _row(
    _section, "OTEL_TRACES_SAMPLER_ARG", text, _NONE, "Argument of the sampler; the ratio of a ratio sampler.", default_text="0.1",
    place="tracer_provider.sampler.trace_id_ratio_based.ratio, tracer_provider.sampler.parent_based.root.trace_id_ratio_based.ratio, "
    f"{_OUR_SAMPLER}.ratio, {_OUR_ROOT_SAMPLER}.ratio",
)
SAMPLING_RULE = _row(
    _section, "CODEANATOMY_OTEL_SAMPLING_RULE", text, "codeanatomy.default", "Name of the sampling rule, on each sampled span.",
    place=f"{_OUR_SAMPLER}.rule, {_OUR_ROOT_SAMPLER}.rule",
)
SAMPLING_RULES = _row(
    _section, "CODEANATOMY_OTEL_SAMPLING_RULES", text, _NONE,
    "Rules of the codeanatomy sampler: a YAML or JSON list, or the path of a file that holds one.",
    place=f"{_OUR_SAMPLER}.rules, {_OUR_ROOT_SAMPLER}.rules",
)

# --- Exporters --------------------------------------------------------------------------------------------------------
_section = "Exporters"
OTLP_ENDPOINT = _row(
    _section, "OTEL_EXPORTER_OTLP_ENDPOINT", url, _NONE, "Where OTLP goes, for all signals.",
    default_text="http://localhost:4317 (grpc) or :4318 (http/protobuf)",
)
OTLP_PROTOCOL = _row(_section, "OTEL_EXPORTER_OTLP_PROTOCOL", _PROTOCOL, "grpc", "How OTLP travels, for all signals.")
OTLP_HEADERS = _row(_section, "OTEL_EXPORTER_OTLP_HEADERS", headers, _NO_PAIRS, "Headers of each export.", secret=True)
OTLP_TIMEOUT = _row(_section, "OTEL_EXPORTER_OTLP_TIMEOUT", _SECONDS, 10.0, "Longest time of one export, in seconds.")
OTLP_COMPRESSION = _row(_section, "OTEL_EXPORTER_OTLP_COMPRESSION", _COMPRESSION, "none", "Compression of each export.")
OTLP_INSECURE = _row(
    _section, "OTEL_EXPORTER_OTLP_INSECURE", boolean, None, "Plain text for gRPC.", default_text="true for an http:// endpoint"
)
OTLP_CERTIFICATE = _row(_section, "OTEL_EXPORTER_OTLP_CERTIFICATE", file, _NONE, "File with the certificate authorities to trust.")
OTLP_CLIENT_KEY = _row(_section, "OTEL_EXPORTER_OTLP_CLIENT_KEY", file, _NONE, "File with the client's private key.")
OTLP_CLIENT_CERTIFICATE = _row(_section, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file, _NONE, "File with the client's certificate.")


def _per_signal(
    suffix: str,
    kind: Kind[T],
    help: str,  # noqa: A002 - as in _row
    place: str | None = None,
    *,
    secret: bool = False,
) -> dict[str, Setting[T | None]]:
    return {
        signal.lower(): _row(
            _section, f"OTEL_EXPORTER_OTLP_{signal}_{suffix}", kind, None, f"{help} for {signal.lower()} alone.", secret=secret,
            default_text=f"OTEL_EXPORTER_OTLP_{suffix}", place=f"{_PLACES[signal]}.exporter.*.{place}" if place else None,
        )
        for signal in _SIGNALS
    }


SIGNAL_ENDPOINT = _per_signal("ENDPOINT", url, "Full URL", "endpoint")
SIGNAL_PROTOCOL = _per_signal("PROTOCOL", _PROTOCOL, "Protocol")
SIGNAL_HEADERS = _per_signal("HEADERS", headers, "Headers", "headers_list", secret=True)
SIGNAL_TIMEOUT = _per_signal("TIMEOUT", _SECONDS, "Timeout, in seconds,")
SIGNAL_COMPRESSION = _per_signal("COMPRESSION", _COMPRESSION, "Compression", "compression")
SIGNAL_INSECURE = _per_signal("INSECURE", boolean, "Plain text for gRPC", "tls.insecure")
SIGNAL_CERTIFICATE = _per_signal("CERTIFICATE", file, "Certificate authorities", "tls.ca_file")
SIGNAL_CLIENT_KEY = _per_signal("CLIENT_KEY", file, "Client key", "tls.key_file")
SIGNAL_CLIENT_CERTIFICATE = _per_signal("CLIENT_CERTIFICATE", file, "Client certificate", "tls.cert_file")
SIGNAL_EXPORTER = {
    signal.lower(): _row(
        _section, f"OTEL_{signal}_EXPORTER",
        plugins(
            f"opentelemetry_{signal.lower()}_exporter", "otlp", "console", "otlp_proto_grpc", "otlp_proto_http", noun="exporter"
        ),
        ("otlp",), f"Where {signal.lower()} go; none switches them off.", place=f"{_PLACES[signal]}.exporter",
    )
    for signal in _SIGNALS
}

# --- Resource detectors -----------------------------------------------------------------------------------------------
_section = "Resource detectors"
RESOURCE_DETECTORS = _row(
    _section, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
    plugins(
        "opentelemetry_resource_detector", "process", "os", "host", "container", "k8s", "otel", "service_instance", "*",
        noun="resource detector", nothing=None,
    ),
    ("process", "os", "host", "container", "k8s"), "Detectors of resource attributes; * for all that are installed.",
    place="resource.detection/development.detectors",
)

# --- Batch processors -------------------------------------------------------------------------------------------------
_section = "Batch processors"
BSP_SCHEDULE_DELAY = _row(_section, "OTEL_BSP_SCHEDULE_DELAY", _MS, 5000, "Longest wait before spans are exported.", place=f"{_PLACES['TRACES']}.schedule_delay")
BSP_EXPORT_TIMEOUT = _row(_section, "OTEL_BSP_EXPORT_TIMEOUT", _MS, 30000, "Longest time of one export of spans, retries included.", place=f"{_PLACES['TRACES']}.export_timeout")
BSP_MAX_QUEUE_SIZE = _row(_section, "OTEL_BSP_MAX_QUEUE_SIZE", _COUNT, 2048, "Spans kept for export; more are dropped and counted. The default leaves room for a burst of ten times as many.", place=f"{_PLACES['TRACES']}.max_queue_size")
BSP_MAX_EXPORT_BATCH_SIZE = _row(_section, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _COUNT, 512, "Most spans in one export.", place=f"{_PLACES['TRACES']}.max_export_batch_size")
BLRP_SCHEDULE_DELAY = _row(_section, "OTEL_BLRP_SCHEDULE_DELAY", _MS, 5000, "Longest wait before log records are exported.", place=f"{_PLACES['LOGS']}.schedule_delay")
BLRP_EXPORT_TIMEOUT = _row(_section, "OTEL_BLRP_EXPORT_TIMEOUT", _MS, 30000, "Longest time of one export of log records, retries included.", place=f"{_PLACES['LOGS']}.export_timeout")
BLRP_MAX_QUEUE_SIZE = _row(_section, "OTEL_BLRP_MAX_QUEUE_SIZE", _COUNT, 2048, "Log records kept for export; more are dropped and counted. The default leaves room for a burst of ten times as many.", place=f"{_PLACES['LOGS']}.max_queue_size")
BLRP_MAX_EXPORT_BATCH_SIZE = _row(_section, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", _COUNT, 512, "Most log records in one export.", place=f"{_PLACES['LOGS']}.max_export_batch_size")

# --- Metrics ----------------------------------------------------------------------------------------------------------
_section = "Metrics"
METRIC_EXPORT_INTERVAL = _row(_section, "OTEL_METRIC_EXPORT_INTERVAL", _MS, 60000, "Time between two exports of metrics.", place=f"{_PLACES['METRICS']}.interval")
METRIC_EXPORT_TIMEOUT = _row(_section, "OTEL_METRIC_EXPORT_TIMEOUT", _MS, 30000, "Longest time of one export of metrics, retries included.", place=f"{_PLACES['METRICS']}.timeout")
EXEMPLAR_FILTER = _row(
    _section, "OTEL_METRICS_EXEMPLAR_FILTER", choice("always_on", "always_off", "trace_based"), "trace_based", "Which measurements may become exemplars.",
    place="meter_provider.exemplar_filter",
)
TEMPORALITY = _row(
    _section, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", choice("cumulative", "delta", "lowmemory", synonyms={"low_memory": "lowmemory"}),
    "cumulative", "Temporality of sums and histograms.", place=f"{_PLACES['METRICS']}.exporter.*.temporality_preference",
)
HISTOGRAM_AGGREGATION = _row(
    _section, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    choice(
        "explicit_bucket_histogram", "base2_exponential_bucket_histogram",
        synonyms={"exponential_bucket_histogram": "base2_exponential_bucket_histogram"},
    ),
    "explicit_bucket_histogram", "Aggregation of histograms for which no view gives buckets.",
    place=f"{_PLACES['METRICS']}.exporter.*.default_histogram_aggregation",
)

# --- Logs -------------------------------------------------------------------------------------------------------------
_section = "Logs"
LOG_CORRELATION = _row(_section, "OTEL_PYTHON_LOG_CORRELATION", boolean, _ON, "Put trace id, span id and trace flags on each logging record.")
LOGGING_AUTO_INSTRUMENTATION = _row(
    _section, "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED", boolean, _OFF,
    "Use the handler of opentelemetry-instrumentation-logging in place of ours. It stands on the root logger: a program "
    "that configures no logging then prints no warnings.",
)
LOG_LEVEL = _row(
    _section, "OTEL_LOG_LEVEL", choice("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", synonyms={"warn": "WARNING", "fatal": "CRITICAL"}),
    _NONE, "Level of OpenTelemetry's own log messages.", default_text="the level that logging is configured with", place="log_level",
)

# --- Attribute limits -------------------------------------------------------------------------------------------------
_section = "Attribute limits"
ATTRIBUTE_COUNT_LIMIT = _row(_section, "OTEL_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of anything.", default_text="128", place="attribute_limits.attribute_count_limit")
ATTRIBUTE_VALUE_LENGTH_LIMIT = _row(
    _section, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", _LIMIT, _UNLIMITED, "Longest text of an attribute, in characters.", default_text="no limit",
    place="attribute_limits.attribute_value_length_limit",
)
SPAN_ATTRIBUTE_COUNT_LIMIT = _row(
    _section, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a span.", default_text="OTEL_ATTRIBUTE_COUNT_LIMIT",
    place="tracer_provider.limits.attribute_count_limit",
)
SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT = _row(
    _section, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", _LIMIT, _UNLIMITED, "Longest text of a span's attribute.",
    default_text="OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", place="tracer_provider.limits.attribute_value_length_limit",
)
SPAN_EVENT_COUNT_LIMIT = _row(_section, "OTEL_SPAN_EVENT_COUNT_LIMIT", _LIMIT, 128, "Most events of a span.", place="tracer_provider.limits.event_count_limit")
SPAN_LINK_COUNT_LIMIT = _row(_section, "OTEL_SPAN_LINK_COUNT_LIMIT", _LIMIT, 128, "Most links of a span.", place="tracer_provider.limits.link_count_limit")
EVENT_ATTRIBUTE_COUNT_LIMIT = _row(
    _section, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a span event.", default_text="OTEL_ATTRIBUTE_COUNT_LIMIT",
    place="tracer_provider.limits.event_attribute_count_limit",
)
LINK_ATTRIBUTE_COUNT_LIMIT = _row(
    _section, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a link.", default_text="OTEL_ATTRIBUTE_COUNT_LIMIT",
    place="tracer_provider.limits.link_attribute_count_limit",
)
LOGRECORD_ATTRIBUTE_COUNT_LIMIT = _row(
    _section, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a log record.",
    default_text="OTEL_ATTRIBUTE_COUNT_LIMIT", place="logger_provider.limits.attribute_count_limit",
)
LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT = _row(
    _section, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", _LIMIT, _UNLIMITED, "Longest text of a log record's attribute.",
    default_text="OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", place="logger_provider.limits.attribute_value_length_limit",
)

# --- Auto-instrumentation ---------------------------------------------------------------------------------------------
_section = "Auto-instrumentation"
AUTO_INSTRUMENTATION = _row(
    _section, "CODEANATOMY_OTEL_AUTO_INSTRUMENTATION", boolean, _OFF,
    "Load every installed instrumentor when the program itself calls configure_otel().",
)
DISABLED_INSTRUMENTATIONS = _row(
    _section, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", names, _NOTHING, "Instrumentors not to load, by entry point; * for all."
)
EXCLUDED_URLS = _row(_section, "OTEL_PYTHON_EXCLUDED_URLS", patterns, _NOTHING, "URLs that HTTP instrumentors leave out.")
SEMCONV_STABILITY_OPT_IN = _row(
    _section, "OTEL_SEMCONV_STABILITY_OPT_IN", _CONVENTION, _NOTHING,
    "Semantic conventions to move to in those instrumentors that know them; /dup sends both, the old and the new.",
)

# --- CodeAnatomy ------------------------------------------------------------------------------------------------------
_section = "CodeAnatomy"
TEST_MODE = _row(_section, "CODEANATOMY_OTEL_TEST_MODE", boolean, _OFF, "Keep all telemetry in memory, for tests; export nothing.")
SYSTEM_METRICS = _row(_section, "CODEANATOMY_OTEL_SYSTEM_METRICS", boolean, _OFF, "Record metrics of the process and the machine.")
SHUTDOWN_TIMEOUT = _row(
    _section, "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT", integer(0, 3600 * 1000, "ms"), 2000,
    "Longest time that leaving the process waits for exports, all signals together.",
)
REDACTION = _row(
    _section, "CODEANATOMY_OTEL_REDACTION", choice("off", "standard", "strict"), "standard", "What is redacted before it leaves the process."
)
REDACT_KEYS = _row(_section, "CODEANATOMY_OTEL_REDACT_KEYS", names, _NOTHING, "More attribute keys whose values are secret; * matches any part.")
REPO_ROOTS = _row(
    _section, "CODEANATOMY_OTEL_REPO_ROOTS", folders, _NOTHING,
    "Paths of repositories; what lies in one leaves as a path relative to it.",
    default_text="the repository around the working directory",
)
DATAFUSION_METRICS = _row(
    _section, "CODEANATOMY_OTEL_DATAFUSION_METRICS", choice("off", "summary", "full"), "summary",
    "The engine's own figures: none, sums on the execute span, or one span an operator.",
)
DATAFUSION_QUERY_TEXT = _row(
    _section, "CODEANATOMY_OTEL_DATAFUSION_QUERY_TEXT", choice("off", "masked", "full"), "masked",
    "Query text on spans: none, with literals masked, or as written.",
)

# --- Hamilton telemetry -----------------------------------------------------------------------------------------------
_section = "Hamilton telemetry"
HAMILTON_PROFILE = _row(
    _section, "CODEANATOMY_HAMILTON_TELEMETRY_PROFILE", choice("dev", "ci", "prod", synonyms={"development": "dev", "production": "prod"}),
    _NONE, "Set of defaults for Hamilton UI tracking.", "HAMILTON_TELEMETRY_PROFILE",
)
HAMILTON_TRACKER_ENABLED = _row(
    _section, "CODEANATOMY_HAMILTON_TRACKER_ENABLED", boolean, None, "Record runs in the Hamilton UI.", "HAMILTON_TRACKER_ENABLED",
    default_text="false (true under the profiles dev and prod)",
)
HAMILTON_CAPTURE_DATA_STATISTICS = _row(
    _section, "CODEANATOMY_HAMILTON_CAPTURE_DATA_STATISTICS", boolean, None, "Send statistics of node results.",
    "HAMILTON_CAPTURE_DATA_STATISTICS", default_text="false (true under the profile dev)",
)
HAMILTON_MAX_LIST_LENGTH = _row(
    _section, "CODEANATOMY_HAMILTON_MAX_LIST_LENGTH_CAPTURE", _LIMIT, _UNLIMITED, "Longest list that is sent.",
    "HAMILTON_MAX_LIST_LENGTH_CAPTURE", default_text="20 (200 under the profile dev, 5 under ci)",
)
HAMILTON_MAX_DICT_LENGTH = _row(
    _section, "CODEANATOMY_HAMILTON_MAX_DICT_LENGTH_CAPTURE", _LIMIT, _UNLIMITED, "Largest dictionary that is sent.",
    "HAMILTON_MAX_DICT_LENGTH_CAPTURE", default_text="50 (200 under the profile dev, 10 under ci)",
)
HAMILTON_PROJECT_ID = _row(
    _section, "CODEANATOMY_HAMILTON_PROJECT_ID", integer(0), _UNLIMITED, "Project of the Hamilton UI.", "HAMILTON_PROJECT_ID"
)
HAMILTON_USERNAME = _row(_section, "CODEANATOMY_HAMILTON_USERNAME", text, _NONE, "User of the Hamilton UI.", "HAMILTON_USERNAME")
HAMILTON_API_URL = _row(_section, "CODEANATOMY_HAMILTON_API_URL", url, _NONE, "Address of the Hamilton UI's server.", "HAMILTON_API_URL")
HAMILTON_UI_URL = _row(
    _section, "CODEANATOMY_HAMILTON_UI_URL", url, _NONE, "Address of the Hamilton UI, for links.", "HAMILTON_UI_URL",
    default_text="the server's address",
)
HAMILTON_API_KEY = _row(_section, "CODEANATOMY_HAMILTON_API_KEY", text, _NONE, "Key for the Hamilton UI's server.", "HAMILTON_API_KEY", secret=True)
HAMILTON_DAG_NAME = _row(
    _section, "CODEANATOMY_HAMILTON_DAG_NAME", text, _NONE, "Name under which runs are shown.", "HAMILTON_DAG_NAME", default_text=DISTRO_NAME
)

# fmt: on


def by_name() -> dict[str, Setting[Any]]:
    """Return every variable, aliases included, with the setting that it sets."""
    return {variable: setting for setting in TABLE for variable in setting.variables}


def use_options(options: Mapping[str, str]) -> None:
    """Have `current` see what the program gave `configure_otel`, which wins over the environment."""
    _options.clear()
    _options.update(options)


def current(setting: Setting[T], environ: Mapping[str, str] | None = None) -> T:
    """Return the value of one setting, for those who need just that one; its problems are the configuration's to tell.

    It is read from `environ` alone if that is given, else from the program's own options and the environment.
    """
    source, options = (environment(), _options) if environ is None else (environ, {})
    profile = _value(PROFILE, source, options, None)
    return _value(setting, source, options, PROFILES.get(profile or ""))


def _value(
    setting: Setting[T], source: Mapping[str, str], options: Mapping[str, str], profile: Mapping[str, str] | None
) -> T:
    own = {name: options[name] for name in setting.variables if name in options} if options else {}
    return resolve(setting, own or source, profile)[0].value
