"""THE table of settings: every variable an operator can set, one row each.

From a row come its parsing, its validation, its default, `codeanatomy-otel settings`, `docs/settings.md` and the flags of
`opentelemetry-instrument`. A new setting is one row here and its use; nothing else reads the environment. Names and
defaults are the specification's (section *Environment Variables*); where it is silent, OpenTelemetry's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from codeanatomy_distro.setting import Setting, environment, resolve
from codeanatomy_distro.setting_kinds import Kind, boolean, choice, integer, names, number, pairs, patterns, ratio, text, url

__all__ = ["DISTRO_NAME", "RATIO", "TABLE", "by_name", "current"]

T = TypeVar("T")

DISTRO_NAME: Final = "codeanatomy"
"""The name of our distro, configurator, sampler and default service."""

TABLE: Final[list[Setting[Any]]] = []
"""Every setting, in the order of the documentation."""


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
) -> Setting[T]:
    setting = Setting(name, section, kind, default, help, aliases, deprecated, secret, default_text)
    TABLE.append(setting)
    return setting


RATIO: Final = ratio
_NONE: Final[str | None] = None
_NOTHING: Final[tuple[str, ...]] = ()
_NO_PAIRS: Final[tuple[tuple[str, str], ...]] = ()
_MS: Final = integer(1, 24 * 3600 * 1000, "ms")
_COUNT: Final = integer(1, 10_000_000)
_LIMIT: Final = integer(0, 10_000_000)
_UNLIMITED: Final[int | None] = None
_PROTOCOL: Final = choice("grpc", "http/protobuf", synonyms={"http": "http/protobuf"})
_COMPRESSION: Final = choice("none", "gzip", "deflate")
_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")

# --- Service identity -------------------------------------------------------------------------------------------------
_S = "Service identity"
SERVICE_NAME = _row(
    _S, "OTEL_SERVICE_NAME", text, _NONE, "Name of the service; wins over service.name in OTEL_RESOURCE_ATTRIBUTES.",
    default_text=DISTRO_NAME,
)
SERVICE_VERSION = _row(
    _S, "CODEANATOMY_SERVICE_VERSION", text, _NONE, "Version of the service.",
    default_text="version of the installed package named like the service",
)
SERVICE_NAMESPACE = _row(_S, "CODEANATOMY_SERVICE_NAMESPACE", text, _NONE, "Namespace of the service.")
SERVICE_INSTANCE_ID = _row(
    _S, "OTEL_SERVICE_INSTANCE_ID", text, _NONE, "Id of this instance of the service; a worker process gets its own.",
    "CODEANATOMY_SERVICE_INSTANCE_ID", default_text="a random token",
)
ENVIRONMENT = _row(
    _S, "CODEANATOMY_ENVIRONMENT", text, _NONE, "Deployment environment, such as production.", "DEPLOYMENT_ENVIRONMENT"
)
RESOURCE_ATTRIBUTES = _row(
    _S, "OTEL_RESOURCE_ATTRIBUTES", pairs, _NO_PAIRS, "More resource attributes; values may be percent-encoded."
)

# --- SDK control ------------------------------------------------------------------------------------------------------
_S = "SDK control"
SDK_DISABLED = _row(_S, "OTEL_SDK_DISABLED", boolean, False, "Switch all telemetry off: nothing is patched or loaded.")
CONFIG_FILE = _row(
    _S, "OTEL_CONFIG_FILE", text, _NONE,
    "Declarative configuration file (YAML), in place of the variables for exporters, samplers and limits.",
    "OTEL_EXPERIMENTAL_CONFIG_FILE", deprecated=("OTEL_EXPERIMENTAL_CONFIG_FILE",),
)
PROFILE = _row(
    _S, "CODEANATOMY_OTEL_PROFILE", choice("development", "ci", "production", synonyms={"dev": "development", "prod": "production"}),
    _NONE, "Set of defaults for one kind of operation; every explicit variable wins over it.",
)
PYTHON_CONTEXT = _row(_S, "OTEL_PYTHON_CONTEXT", text, "contextvars_context", "Implementation of the context, by entry point.")
ID_GENERATOR = _row(
    _S, "OTEL_PYTHON_ID_GENERATOR", text, "default", "Generator of trace and span ids: default, random, xray or an entry point."
)
PROPAGATORS = _row(
    _S, "OTEL_PROPAGATORS", names, ("tracecontext", "baggage"), "How context enters and leaves the process, by entry point."
)
PYTHON_DISTRO = _row(_S, "OTEL_PYTHON_DISTRO", text, _NONE, "Distro to load, by entry point.", default_text=DISTRO_NAME)
PYTHON_CONFIGURATOR = _row(
    _S, "OTEL_PYTHON_CONFIGURATOR", text, _NONE, "Configurator to load, by entry point.", default_text=DISTRO_NAME
)

# --- Run --------------------------------------------------------------------------------------------------------------
_S = "Run"
RUN_ID = _row(
    _S, "CODEANATOMY_RUN_ID", text, _NONE, "Run id of this process and of those it starts.",
    default_text="a new UUIDv7 under opentelemetry-instrument",
)
ROOT_SPAN = _row(
    _S, "CODEANATOMY_OTEL_ROOT_SPAN", text, _NONE,
    "Name of a root span around the whole process, such as graph_product.build; none when unset.",
)
ROOT_CONTEXT = _row(
    _S, "CODEANATOMY_OTEL_ROOT_CONTEXT", text, _NONE,
    "Set by the distro for the processes that a run starts: the run's root span (W3C traceparent). "
    "A process that has it opens no root span of its own.",
)
METRIC_RUN_ID = _row(
    _S, "CODEANATOMY_OTEL_METRIC_RUN_ID", boolean, True,
    "Put the run id on metric points. Each run then makes new time series: switch it off for long-lived back ends.",
)

# --- Sampling ---------------------------------------------------------------------------------------------------------
_S = "Sampling"
TRACES_SAMPLER = _row(
    _S, "OTEL_TRACES_SAMPLER", text, "parentbased_traceidratio",
    "Sampler: always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, "
    "parentbased_traceidratio, codeanatomy, or an entry point.",
)
TRACES_SAMPLER_ARG = _row(_S, "OTEL_TRACES_SAMPLER_ARG", text, _NONE, "Argument of the sampler; the ratio of a ratio sampler.", default_text="0.1")
SAMPLING_RULE = _row(
    _S, "CODEANATOMY_OTEL_SAMPLING_RULE", text, "codeanatomy.default", "Name of the sampling rule, on each sampled span."
)
SAMPLING_RULES = _row(
    _S, "CODEANATOMY_OTEL_SAMPLING_RULES", text, _NONE,
    "Rules of the codeanatomy sampler: a YAML or JSON list, or the path of a file that holds one.",
)

# --- Exporters --------------------------------------------------------------------------------------------------------
_S = "Exporters"
OTLP_ENDPOINT = _row(
    _S, "OTEL_EXPORTER_OTLP_ENDPOINT", url, _NONE, "Where OTLP goes, for all signals.",
    default_text="http://localhost:4317 (grpc) or :4318 (http/protobuf)",
)
OTLP_PROTOCOL = _row(_S, "OTEL_EXPORTER_OTLP_PROTOCOL", _PROTOCOL, "grpc", "How OTLP travels, for all signals.")
OTLP_HEADERS = _row(_S, "OTEL_EXPORTER_OTLP_HEADERS", pairs, _NO_PAIRS, "Headers of each export.", secret=True)
OTLP_TIMEOUT = _row(_S, "OTEL_EXPORTER_OTLP_TIMEOUT", number(0.001, 3600, "number, s"), 10.0, "Longest time of one export, in seconds.")
OTLP_COMPRESSION = _row(_S, "OTEL_EXPORTER_OTLP_COMPRESSION", _COMPRESSION, "none", "Compression of each export.")
OTLP_INSECURE = _row(
    _S, "OTEL_EXPORTER_OTLP_INSECURE", boolean, None, "Plain text for gRPC.", default_text="true for an http:// endpoint"
)
OTLP_CERTIFICATE = _row(_S, "OTEL_EXPORTER_OTLP_CERTIFICATE", text, _NONE, "File with the certificate authorities to trust.")
OTLP_CLIENT_KEY = _row(_S, "OTEL_EXPORTER_OTLP_CLIENT_KEY", text, _NONE, "File with the client's private key.")
OTLP_CLIENT_CERTIFICATE = _row(_S, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", text, _NONE, "File with the client's certificate.")


def _per_signal(suffix: str, kind: Kind[T], help: str, *, secret: bool = False) -> dict[str, Setting[T | None]]:  # noqa: A002
    return {
        signal.lower(): _row(
            _S, f"OTEL_EXPORTER_OTLP_{signal}_{suffix}", kind, None, f"{help} for {signal.lower()} alone.", secret=secret,
            default_text=f"OTEL_EXPORTER_OTLP_{suffix}",
        )
        for signal in _SIGNALS
    }


SIGNAL_ENDPOINT = _per_signal("ENDPOINT", url, "Full URL")
SIGNAL_PROTOCOL = _per_signal("PROTOCOL", _PROTOCOL, "Protocol")
SIGNAL_HEADERS = _per_signal("HEADERS", pairs, "Headers", secret=True)
SIGNAL_TIMEOUT = _per_signal("TIMEOUT", number(0.001, 3600, "number, s"), "Timeout")
SIGNAL_COMPRESSION = _per_signal("COMPRESSION", _COMPRESSION, "Compression")
SIGNAL_INSECURE = _per_signal("INSECURE", boolean, "Plain text for gRPC")
SIGNAL_CERTIFICATE = _per_signal("CERTIFICATE", text, "Certificate authorities")
SIGNAL_CLIENT_KEY = _per_signal("CLIENT_KEY", text, "Client key")
SIGNAL_CLIENT_CERTIFICATE = _per_signal("CLIENT_CERTIFICATE", text, "Client certificate")
SIGNAL_EXPORTER = {
    signal.lower(): _row(
        _S, f"OTEL_{signal}_EXPORTER", names, ("otlp",),
        f"Exporters of {signal.lower()}: otlp, console, none, or an entry point; several with commas.",
    )
    for signal in _SIGNALS
}

# --- Resource detectors -----------------------------------------------------------------------------------------------
_S = "Resource detectors"
RESOURCE_DETECTORS = _row(
    _S, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", names, ("process", "os", "host", "container", "k8s"),
    "Detectors of resource attributes, by entry point.",
)

# --- Batch processors -------------------------------------------------------------------------------------------------
_S = "Batch processors"
BSP_SCHEDULE_DELAY = _row(_S, "OTEL_BSP_SCHEDULE_DELAY", _MS, 5000, "Longest wait before spans are exported.")
BSP_EXPORT_TIMEOUT = _row(_S, "OTEL_BSP_EXPORT_TIMEOUT", _MS, 30000, "Longest time of one export of spans, retries included.")
BSP_MAX_QUEUE_SIZE = _row(_S, "OTEL_BSP_MAX_QUEUE_SIZE", _COUNT, 2048, "Spans kept for export; more are dropped and counted.")
BSP_MAX_EXPORT_BATCH_SIZE = _row(_S, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _COUNT, 512, "Most spans in one export.")
BLRP_SCHEDULE_DELAY = _row(_S, "OTEL_BLRP_SCHEDULE_DELAY", _MS, 5000, "Longest wait before log records are exported.")
BLRP_EXPORT_TIMEOUT = _row(_S, "OTEL_BLRP_EXPORT_TIMEOUT", _MS, 30000, "Longest time of one export of log records, retries included.")
BLRP_MAX_QUEUE_SIZE = _row(_S, "OTEL_BLRP_MAX_QUEUE_SIZE", _COUNT, 2048, "Log records kept for export; more are dropped and counted.")
BLRP_MAX_EXPORT_BATCH_SIZE = _row(_S, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", _COUNT, 512, "Most log records in one export.")

# --- Metrics ----------------------------------------------------------------------------------------------------------
_S = "Metrics"
METRIC_EXPORT_INTERVAL = _row(_S, "OTEL_METRIC_EXPORT_INTERVAL", _MS, 60000, "Time between two exports of metrics.")
METRIC_EXPORT_TIMEOUT = _row(_S, "OTEL_METRIC_EXPORT_TIMEOUT", _MS, 30000, "Longest time of one export of metrics, retries included.")
EXEMPLAR_FILTER = _row(
    _S, "OTEL_METRICS_EXEMPLAR_FILTER", choice("always_on", "always_off", "trace_based"), "trace_based", "Which measurements may become exemplars."
)
TEMPORALITY = _row(
    _S, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", choice("cumulative", "delta", "lowmemory"), "cumulative",
    "Temporality of sums and histograms.",
)
HISTOGRAM_AGGREGATION = _row(
    _S, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    choice(
        "explicit_bucket_histogram", "base2_exponential_bucket_histogram",
        synonyms={"exponential_bucket_histogram": "base2_exponential_bucket_histogram"},
    ),
    "explicit_bucket_histogram", "Aggregation of histograms for which no view gives buckets.",
)

# --- Logs -------------------------------------------------------------------------------------------------------------
_S = "Logs"
LOG_CORRELATION = _row(_S, "OTEL_PYTHON_LOG_CORRELATION", boolean, True, "Put trace id, span id and trace flags on each logging record.")
LOGGING_AUTO_INSTRUMENTATION = _row(
    _S, "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED", boolean, False,
    "Use the handler of opentelemetry-instrumentation-logging in place of ours.",
)
LOG_LEVEL = _row(
    _S, "OTEL_LOG_LEVEL", choice("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", synonyms={"warn": "WARNING", "fatal": "CRITICAL"}),
    _NONE, "Level of OpenTelemetry's own log messages.", default_text="as logging is configured",
)

# --- Attribute limits -------------------------------------------------------------------------------------------------
_S = "Attribute limits"
ATTRIBUTE_COUNT_LIMIT = _row(_S, "OTEL_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of anything.", default_text="128")
ATTRIBUTE_VALUE_LENGTH_LIMIT = _row(
    _S, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", _LIMIT, _UNLIMITED, "Longest text of an attribute, in characters.", default_text="no limit"
)
SPAN_ATTRIBUTE_COUNT_LIMIT = _row(
    _S, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a span.", default_text="OTEL_ATTRIBUTE_COUNT_LIMIT"
)
SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT = _row(
    _S, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", _LIMIT, _UNLIMITED, "Longest text of a span's attribute.",
    default_text="OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
)
SPAN_EVENT_COUNT_LIMIT = _row(_S, "OTEL_SPAN_EVENT_COUNT_LIMIT", _LIMIT, 128, "Most events of a span.")
SPAN_LINK_COUNT_LIMIT = _row(_S, "OTEL_SPAN_LINK_COUNT_LIMIT", _LIMIT, 128, "Most links of a span.")
EVENT_ATTRIBUTE_COUNT_LIMIT = _row(
    _S, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a span event.", default_text="OTEL_ATTRIBUTE_COUNT_LIMIT"
)
LINK_ATTRIBUTE_COUNT_LIMIT = _row(
    _S, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a link.", default_text="OTEL_ATTRIBUTE_COUNT_LIMIT"
)
LOGRECORD_ATTRIBUTE_COUNT_LIMIT = _row(
    _S, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", _LIMIT, _UNLIMITED, "Most attributes of a log record.",
    default_text="OTEL_ATTRIBUTE_COUNT_LIMIT",
)
LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT = _row(
    _S, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", _LIMIT, _UNLIMITED, "Longest text of a log record's attribute.",
    default_text="OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
)

# --- Auto-instrumentation ---------------------------------------------------------------------------------------------
_S = "Auto-instrumentation"
AUTO_INSTRUMENTATION = _row(
    _S, "CODEANATOMY_OTEL_AUTO_INSTRUMENTATION", boolean, False,
    "Load every installed instrumentor when the program itself calls configure_otel().",
)
DISABLED_INSTRUMENTATIONS = _row(
    _S, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", names, _NOTHING, "Instrumentors not to load, by entry point; * for all."
)
EXCLUDED_URLS = _row(_S, "OTEL_PYTHON_EXCLUDED_URLS", patterns, _NOTHING, "URLs that HTTP instrumentors leave out.")
SEMCONV_STABILITY_OPT_IN = _row(
    _S, "OTEL_SEMCONV_STABILITY_OPT_IN", names, _NOTHING,
    "Semantic conventions to move to: http, http/dup, database (also db), database/dup, gen_ai_latest_experimental.",
)

# --- CodeAnatomy ------------------------------------------------------------------------------------------------------
_S = "CodeAnatomy"
TEST_MODE = _row(_S, "CODEANATOMY_OTEL_TEST_MODE", boolean, False, "Keep all telemetry in memory, for tests; export nothing.")
SYSTEM_METRICS = _row(_S, "CODEANATOMY_OTEL_SYSTEM_METRICS", boolean, False, "Record metrics of the process and the machine.")
SHUTDOWN_TIMEOUT = _row(
    _S, "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT", integer(0, 3600 * 1000, "ms"), 2000,
    "Longest time that leaving the process waits for exports, all signals together.",
)
REDACTION = _row(
    _S, "CODEANATOMY_OTEL_REDACTION", choice("off", "standard", "strict"), "standard", "What is redacted before it leaves the process."
)
REDACT_KEYS = _row(_S, "CODEANATOMY_OTEL_REDACT_KEYS", names, _NOTHING, "More attribute keys whose values are secret; * matches any part.")
DATAFUSION_METRICS = _row(
    _S, "CODEANATOMY_OTEL_DATAFUSION_METRICS", choice("off", "summary", "full"), "summary",
    "The engine's own figures: none, sums on the execute span, or one span an operator.",
)
DATAFUSION_QUERY_TEXT = _row(
    _S, "CODEANATOMY_OTEL_DATAFUSION_QUERY_TEXT", choice("off", "masked", "full"), "masked",
    "Query text on spans: none, with literals masked, or as written.",
)

# --- Hamilton telemetry -----------------------------------------------------------------------------------------------
_S = "Hamilton telemetry"
HAMILTON_PROFILE = _row(
    _S, "CODEANATOMY_HAMILTON_TELEMETRY_PROFILE", choice("dev", "ci", "prod", synonyms={"development": "dev", "production": "prod"}),
    _NONE, "Set of defaults for Hamilton UI tracking.", "HAMILTON_TELEMETRY_PROFILE",
)
HAMILTON_TRACKER_ENABLED = _row(
    _S, "CODEANATOMY_HAMILTON_TRACKER_ENABLED", boolean, None, "Record runs in the Hamilton UI.", "HAMILTON_TRACKER_ENABLED",
    default_text="by profile: true in dev and prod, false in ci",
)
HAMILTON_CAPTURE_DATA_STATISTICS = _row(
    _S, "CODEANATOMY_HAMILTON_CAPTURE_DATA_STATISTICS", boolean, None, "Send statistics of node results.",
    "HAMILTON_CAPTURE_DATA_STATISTICS", default_text="by profile: true in dev, false in ci and prod",
)
HAMILTON_MAX_LIST_LENGTH = _row(
    _S, "CODEANATOMY_HAMILTON_MAX_LIST_LENGTH_CAPTURE", _LIMIT, _UNLIMITED, "Longest list that is sent.",
    "HAMILTON_MAX_LIST_LENGTH_CAPTURE", default_text="by profile: 200 in dev, 5 in ci, 20 in prod",
)
HAMILTON_MAX_DICT_LENGTH = _row(
    _S, "CODEANATOMY_HAMILTON_MAX_DICT_LENGTH_CAPTURE", _LIMIT, _UNLIMITED, "Largest dictionary that is sent.",
    "HAMILTON_MAX_DICT_LENGTH_CAPTURE", default_text="by profile: 200 in dev, 10 in ci, 50 in prod",
)
HAMILTON_PROJECT_ID = _row(
    _S, "CODEANATOMY_HAMILTON_PROJECT_ID", integer(0), _UNLIMITED, "Project of the Hamilton UI.", "HAMILTON_PROJECT_ID"
)
HAMILTON_USERNAME = _row(_S, "CODEANATOMY_HAMILTON_USERNAME", text, _NONE, "User of the Hamilton UI.", "HAMILTON_USERNAME")
HAMILTON_API_URL = _row(_S, "CODEANATOMY_HAMILTON_API_URL", url, _NONE, "Address of the Hamilton UI's server.", "HAMILTON_API_URL")
HAMILTON_UI_URL = _row(
    _S, "CODEANATOMY_HAMILTON_UI_URL", url, _NONE, "Address of the Hamilton UI, for links.", "HAMILTON_UI_URL",
    default_text="the server's address",
)
HAMILTON_API_KEY = _row(_S, "CODEANATOMY_HAMILTON_API_KEY", text, _NONE, "Key for the Hamilton UI's server.", "HAMILTON_API_KEY", secret=True)
HAMILTON_DAG_NAME = _row(
    _S, "CODEANATOMY_HAMILTON_DAG_NAME", text, _NONE, "Name under which runs are shown.", "HAMILTON_DAG_NAME", default_text=DISTRO_NAME
)


def by_name() -> dict[str, Setting[Any]]:
    """Return every variable, aliases included, with the setting that it sets."""
    return {variable: setting for setting in TABLE for variable in setting.variables}


def current(setting: Setting[T], environ: Mapping[str, str] | None = None) -> T:
    """Return the value of one setting, for those who need just that one; its problems are the configuration's to tell."""
    return resolve(setting, environment() if environ is None else environ)[0].value
