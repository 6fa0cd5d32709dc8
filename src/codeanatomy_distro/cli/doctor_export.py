"""The doctor on the way out: each signal's Collector, reached by TCP and then by a real OTLP export."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.cli.doctor_connection import address, connect, speaks_tls
from codeanatomy_distro.cli.doctor_probe import create_batch
from codeanatomy_distro.cli.doctor_report import Finding, Section
from codeanatomy_distro.otel.config import SIGNALS, OtelConfig
from codeanatomy_distro.otel.exporters import create_otlp_exporter, exporter_factories
from codeanatomy_distro.otel.outcome import Outcome
from codeanatomy_distro.setting import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.resources import Resource

    from codeanatomy_distro.setting import Setting

__all__ = ["examine"]

_SIGNALS: Final = "{signals}"  # stands in a finding for the signals that share it
# What HTTP/1.1 and gRPC say of an answer in the other's language.
_OTHER_LANGUAGE: Final = ("BadStatusLine", "Failed parsing HTTP/2")
_OTHER: Final = {"grpc": "http/protobuf", "http/protobuf": "grpc"}
_USUAL: Final = {"grpc": 4317, "http/protobuf": 4318}
_OTLP: Final = {"otlp": None, "otlp_proto_grpc": "grpc", "otlp_proto_http": "http/protobuf"}


@dataclass(frozen=True)
class _Target:
    """One exporter of one signal, by the name that it has in the settings."""

    signal: str
    name: str
    config: OtelConfig
    protocol: str
    timeout: float

    @property
    def endpoint(self) -> str:
        """Return where it sends to."""
        stated = self._stated(self.protocol, {settings.SIGNAL_EXPORTER[self.signal]: ("otlp",)})
        return exporter_factories(stated, self.signal, [])[0].destination

    def export(self, batch: Any, protocol: str) -> Outcome:  # noqa: ANN401 - each signal has its own kind
        """Try once to send `batch` there."""
        try:
            exporter = create_otlp_exporter(self._stated(protocol, {}), self.signal, protocol)
            try:
                return exporter.export(batch, self.timeout)
            finally:
                exporter.shutdown()
        except Exception as error:  # noqa: BLE001 - a certificate that is none, say: it is what is to be told
            return Outcome(arrived=False, reason=f"{type(error).__name__}: {error}")

    def _stated(self, protocol: str, values: Mapping[Setting[Any], object]) -> OtelConfig:
        return self.config.with_values({settings.SIGNAL_PROTOCOL[self.signal]: protocol, **values}, Origin.OPTION)


def examine(config: OtelConfig, resource: Resource, timeout: float, *, export: bool) -> Section:
    """Return whether each signal reaches its Collector; with `export`, one item of each is sent."""
    section = Section("Collector")
    if config[settings.SDK_DISABLED] or config[settings.TEST_MODE]:
        section.lines.append("nothing is sent under these settings")
        return section
    faults: dict[tuple[str, str], list[str]] = {}
    for signal in SIGNALS:
        targets, others = _targets(config, signal)
        section.lines += [f"{signal}: {other}" for other in others]
        for name, around, protocol in targets:
            target = _Target(signal, name, around, protocol, timeout)
            fault = _examine_target(section, target, create_batch(signal, resource) if export else None)
            if fault is not None:
                faults.setdefault((fault.what, fault.cure), []).append(signal)
    for (what, cure), signals in faults.items():  # one Collector that is down is one finding, not three
        section.find(what.replace(_SIGNALS, _listed(signals)), cure)
    return section


def _targets(config: OtelConfig, signal: str) -> tuple[list[tuple[str, OtelConfig, str]], list[str]]:
    """Return the OTLP exporters of `signal`, each with the configuration around it and its protocol; and the others."""
    if config.file is not None:
        from codeanatomy_distro.otel import declared_exports  # start-up cost: a package of an extra

        found = declared_exports.declared_exports(config, signal, [])  # its problems are told by `doctor_parts`
        others = [one.create_exporter.destination for one in found if one.protocol is None]
        targets = [("otlp", one.config, one.protocol) for one in found if one.protocol]
        return targets, others if found else ["not exported"]
    general = config.for_signal(signal, settings.SIGNAL_PROTOCOL, settings.OTLP_PROTOCOL)
    names = config[settings.SIGNAL_EXPORTER[signal]]
    others = ["not exported" if name == "none" else f"the exporter {name}" for name in names if name not in _OTLP]
    return [(name, config, _OTLP[name] or general) for name in names if name in _OTLP], others


def _examine_target(section: Section, target: _Target, batch: Any) -> Finding | None:  # noqa: ANN401 - each signal's own
    signal, endpoint = target.signal, target.endpoint
    line = f"{signal}: {endpoint} ({target.protocol})"
    data: dict[str, Any] = {"endpoint": endpoint, "protocol": target.protocol}
    section.data[signal] = data
    refused = connect(endpoint, target.timeout)
    data["tcp"] = refused or "connected"
    if refused:
        section.lines.append(f"{line}: {refused}")
        what = f"no Collector for {_SIGNALS} at {address(endpoint)}: {refused}"
        return Finding(what, f"start the Collector there, or set {_endpoint_variable(target)} to where it is")
    if endpoint.startswith("https:") and not speaks_tls(endpoint, target.timeout):
        data["tls"] = "no"
        section.lines.append(f"{line}: TCP connects, no TLS")
        what = f"what listens at {address(endpoint)} does not speak TLS, so that no {_SIGNALS} can reach it by https"
        return Finding(what, f"write http:// in {_endpoint_variable(target)}, or have the Collector speak TLS")
    if batch is None:
        section.lines.append(f"{line}: TCP connects")
        return None
    started = time.perf_counter()
    outcome = target.export(batch, target.protocol)
    took = (time.perf_counter() - started) * 1000
    data["export"] = "accepted" if outcome.arrived and not outcome.rejected else outcome.reason
    data["milliseconds"] = round(took, 1)
    section.lines.append(f"{line}: TCP connects, export {data['export']}, {took:.0f} ms")
    if not outcome.arrived:
        return _reason(target, outcome, batch)
    if outcome.rejected:
        what = f"the Collector at {address(endpoint)} rejected {_SIGNALS}: {outcome.reason}"
        return Finding(what, "see the Collector's own log")
    return None


def _reason(target: _Target, outcome: Outcome, batch: Any) -> Finding:  # noqa: ANN401 - as above
    endpoint, protocol = target.endpoint, target.protocol
    where = address(endpoint)
    if target.export(batch, _OTHER[protocol]).arrived:
        return _wrong_protocol(target, _OTHER[protocol])
    if endpoint.startswith("http:") and speaks_tls(endpoint, target.timeout):
        what = f"what listens at {where} speaks TLS, so that no {_SIGNALS} can reach it by http"
        return Finding(what, f"write https:// in {_endpoint_variable(target)}")
    if any(words in outcome.reason for words in _OTHER_LANGUAGE):
        what = f"wrong protocol for {_SIGNALS}: what listens at {where} does not speak {protocol}"
        usual = f"most Collectors have it at {_USUAL[protocol]}"
        return Finding(what, f"name the port of {protocol} in {_endpoint_variable(target)}; {usual}")
    what = f"{where} takes connections, but no {_SIGNALS} over {protocol}: {outcome.reason}"
    if "CERTIFICATE_VERIFY_FAILED" in outcome.reason:
        variable = settings.OTLP_CERTIFICATE.name
        return Finding(what, f"set {variable} to the file of the authority that signed the Collector's certificate")
    if endpoint.count("/v1/") > 1:
        return Finding(
            what, f"leave /v1/... out of {_endpoint_variable(target)}: each signal's own path is added to it"
        )
    return Finding(
        what, "see that an OTLP receiver of this protocol listens there, with these headers and certificates"
    )


def _wrong_protocol(target: _Target, right: str) -> Finding:
    where, protocol = address(target.endpoint), target.protocol
    what = f"wrong protocol for {_SIGNALS}: what listens at {where} speaks {right}, not {protocol}"
    short = "grpc" if right == "grpc" else "http"
    if target.config.file is not None:
        return Finding(what, f"name the exporter otlp_{short} in {target.config[settings.CONFIG_FILE]}")
    if target.name != "otlp":  # a name that says the protocol as well
        return Finding(what, f"write otlp_proto_{short} in {settings.SIGNAL_EXPORTER[target.signal].name}")
    row = settings.SIGNAL_PROTOCOL[target.signal]
    variable = row.name if target.config[row] is not None else settings.OTLP_PROTOCOL.name
    return Finding(what, f"export {variable}={right}")


def _endpoint_variable(target: _Target) -> str:
    own = target.config.resolved(settings.SIGNAL_ENDPOINT[target.signal])
    if own.origin == Origin.FILE:
        return f"the endpoint in {target.config[settings.CONFIG_FILE]}"
    return (own.variable if own.value else None) or settings.OTLP_ENDPOINT.name


def _listed(signals: list[str]) -> str:
    *others, last = signals
    return f"{', '.join(others)} and {last}" if others else last
