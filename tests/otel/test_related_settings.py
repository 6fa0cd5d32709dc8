"""Settings that contradict each other, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.otel import related_settings
from codeanatomy_distro.otel.config import resolve_otel_config


def _lines(environ: dict[str, str]) -> list[str]:
    return [str(problem) for problem in resolve_otel_config(environ).problems]


@pytest.mark.parametrize("prefix", ["OTEL_BSP", "OTEL_BLRP"])
def test_a_batch_is_no_larger_than_its_queue(prefix: str) -> None:
    """A batch larger than the queue becomes as large as the queue, in one message."""
    environ = {f"{prefix}_MAX_QUEUE_SIZE": "100", f"{prefix}_MAX_EXPORT_BATCH_SIZE": "4096"}
    config = resolve_otel_config(environ)
    row = settings.by_name()[f"{prefix}_MAX_EXPORT_BATCH_SIZE"]
    assert config[row] == 100
    assert [problem.variable for problem in config.problems] == [row.name]


@pytest.mark.parametrize("profile", ["", "production"])
def test_a_small_queue_alone_is_no_mistake(profile: str) -> None:
    """The batch that nobody asked for, a default or a profile's, follows a smaller queue without a word."""
    config = resolve_otel_config({"OTEL_BSP_MAX_QUEUE_SIZE": "100", "CODEANATOMY_OTEL_PROFILE": profile})
    assert config[settings.BSP_MAX_EXPORT_BATCH_SIZE] == 100
    assert config.problems == ()


@pytest.mark.parametrize("argument", ["7", "-1", "nan", "abc", "é"])
@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio", "codeanatomy", ""])
def test_a_ratio_sampler_takes_a_ratio(sampler: str, argument: str) -> None:
    """A bad argument of a ratio sampler is one message, and the default ratio, never 1, takes its place."""
    config = resolve_otel_config({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument})
    assert config.sampler_ratio == 0.1
    assert [problem.variable for problem in config.problems] == ["OTEL_TRACES_SAMPLER_ARG"]


def test_an_argument_that_nothing_takes_is_told() -> None:
    """A sampler without an argument does not lose one in silence; a profile's is no mistake of the user's."""
    lines = _lines({"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "0.5"})
    assert lines == [
        "OTEL_TRACES_SAMPLER_ARG='0.5' is ignored: the sampler always_on takes no argument; using the sampler without"
    ]
    assert _lines({"OTEL_TRACES_SAMPLER": "always_on", "CODEANATOMY_OTEL_PROFILE": "production"}) == []


def test_http_is_not_sent_to_a_socket_file() -> None:
    """A unix socket is gRPC's alone; over HTTP the default endpoint takes its place."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "unix:///run/otel.sock"}
    assert _lines(environ) == []
    config = resolve_otel_config({**environ, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
    assert config[settings.OTLP_ENDPOINT] is None
    assert len(config.problems) == 1


def test_a_bare_address_is_secure_where_insecure_is_false() -> None:
    """A host and port without a scheme is plain text, unless the user says that it is not insecure."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}
    assert resolve_otel_config(environ)[settings.OTLP_ENDPOINT] == "http://collector:4317"
    environ["OTEL_EXPORTER_OTLP_INSECURE"] = "false"
    assert resolve_otel_config(environ)[settings.OTLP_ENDPOINT] == "https://collector:4317"


@pytest.mark.parametrize(
    ("endpoint", "insecure", "used"),
    [
        ("http://h:4317", "false", "plain text"),
        ("https://h:4317", "true", "TLS"),
        ("", "false", "plain text"),
        ("http://h:4317", "true", ""),
        ("https://h:4317", "false", ""),
        ("h:4317", "false", ""),
        ("unix:///run/otel.sock", "false", ""),
    ],
)
def test_a_scheme_that_contradicts_insecure_is_told(endpoint: str, insecure: str, used: str) -> None:
    """Nobody is left to think an export secure that is not: the endpoint's scheme decides, and that is told."""
    for signal in ("", "LOGS_"):
        lines = _lines(
            {
                f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT": endpoint,
                f"OTEL_EXPORTER_OTLP_{signal}INSECURE": insecure,
            }
        )
        assert len(lines) == bool(used)
        assert all(line.endswith(f"; using {used}") and f"{signal}INSECURE='{insecure}'" in line for line in lines)


def test_a_protocol_without_its_package_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the exporter of a protocol is not installed, the other takes its place, and the package is named."""
    monkeypatch.setitem(
        related_settings._PACKAGES,  # pyright: ignore[reportPrivateUsage] - what is installed can't be taken away
        "grpc",
        ("no_such_package.grpc", "opentelemetry-exporter-otlp-proto-grpc"),
    )
    config = resolve_otel_config({})
    assert config[settings.OTLP_PROTOCOL] == "http/protobuf"
    assert [str(problem) for problem in config.problems] == [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL='grpc' is ignored: it needs the package "
            "opentelemetry-exporter-otlp-proto-grpc; using http/protobuf"
        )
    ]
    assert _lines({f"OTEL_{signal}_EXPORTER": "console" for signal in ("TRACES", "METRICS", "LOGS")}) == []


def test_a_clients_key_needs_its_certificate(tmp_path: Path) -> None:
    """A key alone is told and not used; with a certificate it is."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    for path in (key, certificate):
        Path(path).write_text("x", encoding="utf-8")
    environ = {"OTEL_EXPORTER_OTLP_CLIENT_KEY": key}
    assert resolve_otel_config(environ)[settings.OTLP_CLIENT_KEY] is None
    assert len(_lines(environ)) == 1
    assert _lines({**environ, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": certificate}) == []


def test_rules_that_no_sampler_reads_are_told() -> None:
    """Sampling rules under another sampler are not ignored in silence."""
    environ = {"CODEANATOMY_OTEL_SAMPLING_RULES": '[{"rule": "all", "ratio": 1}]'}
    assert "set OTEL_TRACES_SAMPLER=codeanatomy" in _lines(environ)[0]
    assert resolve_otel_config(environ)[settings.SAMPLING_RULES] is None
    assert _lines({**environ, "OTEL_TRACES_SAMPLER": "codeanatomy"}) == []


def test_a_bad_rule_is_told_once() -> None:
    """The rules that are left take the place of all, so that a child process does not tell the bad one again."""
    environ = {
        "OTEL_TRACES_SAMPLER": "codeanatomy",
        "CODEANATOMY_OTEL_SAMPLING_RULES": '[{"rule": "all", "ratio": 1}, {"rule": "bad", "ratio": 2}]',
    }
    config = resolve_otel_config(environ)
    assert [problem.used for problem in config.problems] == ["the other rules"]
    again = resolve_otel_config({**environ, "CODEANATOMY_OTEL_SAMPLING_RULES": str(config[settings.SAMPLING_RULES])})
    assert (again.sampling_rules, again.problems) == (config.sampling_rules, ())
