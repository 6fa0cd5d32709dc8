"""Settings that belong together: values that contradict each other are brought to the nearest that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.profiles import PROFILES
from codeanatomy_distro.setting import Origin, Problem, Resolved, Setting, UsedInPart
from codeanatomy_distro.setting_kinds import BadValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.otel.sampling_rules import SamplingRule

__all__ = ["DEFAULT_RATIO", "RATIO_SAMPLERS", "repair_related", "repair_sampler"]

DEFAULT_RATIO: Final = 0.1
"""The share of traces that is recorded where nothing says otherwise (specification, *Sampling*)."""

RATIO_SAMPLERS: Final = frozenset({"traceidratio", "parentbased_traceidratio", settings.DISTRO_NAME})
_WITHOUT_ARGUMENT: Final = frozenset({"always_on", "always_off", "parentbased_always_on", "parentbased_always_off"})
_PACKAGES: Final = {
    "grpc": ("opentelemetry.exporter.otlp.proto.grpc", "opentelemetry-exporter-otlp-proto-grpc"),
    "http/protobuf": ("opentelemetry.exporter.otlp.proto.http", "opentelemetry-exporter-otlp-proto-http"),
}

Values = dict[str, Resolved[Any]]


def repair_related(values: Values, problems: list[Problem], environ: Mapping[str, str]) -> None:
    """Repair `values` in place and tell what was repaired in `problems`."""
    _choose_schemes(values, environ)
    _repair_insecure(values, problems)
    for batch, queue in (
        (settings.BSP_MAX_EXPORT_BATCH_SIZE, settings.BSP_MAX_QUEUE_SIZE),
        (settings.BLRP_MAX_EXPORT_BATCH_SIZE, settings.BLRP_MAX_QUEUE_SIZE),
    ):
        _repair_batch(batch, queue, values, problems)
    _repair_protocols(values, problems)
    _repair_endpoints(values, problems)
    _repair_client_keys(values, problems)


def repair_sampler(values: Values, problems: list[Problem]) -> tuple[SamplingRule, ...]:
    """Do the same for what the sampler takes, a declarative file's too, and return its rules."""
    _repair_sampler_argument(values, problems)
    return _read_rules(values, problems)


def _choose_schemes(values: Values, environ: Mapping[str, str]) -> None:
    """See that a ``host:port`` without a scheme is secure where the user says that it is not insecure."""
    rows = {settings.OTLP_ENDPOINT: settings.OTLP_INSECURE}
    rows |= {row: settings.SIGNAL_INSECURE[signal] for signal, row in settings.SIGNAL_ENDPOINT.items()}
    for endpoint, insecure in rows.items():
        given, asked = values[endpoint.name], values[insecure.name].value
        if asked is None:
            asked = values[settings.OTLP_INSECURE.name].value
        if given.variable is not None and asked is False and "://" not in environ.get(given.variable, "://"):
            secure = given.value.replace("http://", "https://", 1) if given.value else None
            values[endpoint.name] = Resolved(secure, given.origin, given.variable)


def _repair_insecure(values: Values, problems: list[Problem]) -> None:
    """See that nobody thinks an export secure, or plain, whose endpoint has a scheme that says otherwise."""
    told = {problem.variable for problem in problems}
    endpoints = {None: settings.OTLP_ENDPOINT, **settings.SIGNAL_ENDPOINT}
    for signal, endpoint in endpoints.items():
        row = settings.OTLP_INSECURE if signal is None else settings.SIGNAL_INSECURE[signal]
        asked = values[row.name]
        url = values[endpoint.name].value or values[settings.OTLP_ENDPOINT.name].value or "http:// by default"
        plain = url.startswith("http:")
        if asked.value is None or asked.value == plain or url.startswith("unix:"):
            continue
        values[row.name] = Resolved(None, Origin.DEFAULT, asked.variable)
        if asked.variable not in told:
            reason = f"the endpoint's scheme says otherwise ({url.partition(':')[0]}://)"
            problems.append(
                Problem(
                    asked.variable or row.name, row.kind.write(asked.value), reason, "plain text" if plain else "TLS"
                )
            )


def _repair_batch(batch: Setting[int], queue: Setting[int], values: Values, problems: list[Problem]) -> None:
    size, room = values[batch.name], values[queue.name]
    if size.value <= room.value:
        return
    values[batch.name] = Resolved(room.value, size.origin, size.variable)
    if size.origin not in {Origin.DEFAULT, Origin.PROFILE}:  # a smaller queue alone is no mistake: the batch follows it
        reason = f"a batch can't be larger than the queue ({queue.name}={room.value})"
        problems.append(Problem(batch.name, str(size.value), reason, str(room.value)))


def _repair_sampler_argument(values: Values, problems: list[Problem]) -> None:
    row = settings.TRACES_SAMPLER_ARG
    sampler, argument = values[settings.TRACES_SAMPLER.name], values[row.name]
    if argument.value is None:
        return
    if sampler.value in _WITHOUT_ARGUMENT:
        # That of a profile, or beside a file that chose the sampler, is no mistake of the user's.
        if argument.origin != Origin.PROFILE and sampler.origin != Origin.FILE:
            problems.append(
                Problem(
                    row.name, argument.value, f"the sampler {sampler.value} takes no argument", "the sampler without"
                )
            )
        values[row.name] = Resolved(None, Origin.DEFAULT, argument.variable)
    elif sampler.value in RATIO_SAMPLERS:
        try:
            ratio = settings.RATIO.parse(argument.value)
        except BadValue as bad:
            reason = f"the sampler {sampler.value} takes a ratio: {bad}"
            of_profile = PROFILES.get(values[settings.PROFILE.name].value or "", {}).get(row.name)
            problems.append(_problem(values, row, argument.value, reason, of_profile or f"{DEFAULT_RATIO}"))
            origin = Origin.DEFAULT if of_profile is None else Origin.PROFILE
            values[row.name] = Resolved(of_profile, origin, argument.variable)
        else:
            values[row.name] = Resolved(settings.RATIO.write(ratio), argument.origin, argument.variable)


def _repair_protocols(values: Values, problems: list[Problem]) -> None:
    """See that the exporter package of each protocol in use is there; else the other protocol takes its place."""
    if not any("otlp" in values[row.name].value for row in settings.SIGNAL_EXPORTER.values()):
        return
    for row in (settings.OTLP_PROTOCOL, *settings.SIGNAL_PROTOCOL.values()):
        asked = values[row.name]
        if asked.value is None or _installed(asked.value):
            continue
        other = next((name for name in _PACKAGES if name != asked.value and _installed(name)), None)
        reason = f"it needs the package {_PACKAGES[asked.value][1]}"
        if other is None:
            problems.append(Problem(row.name, asked.value, reason, "nothing: no OTLP exporter is installed"))
        else:
            problems.append(Problem(row.name, asked.value, reason, other))
            values[row.name] = Resolved(other, asked.origin, asked.variable)


def _installed(protocol: str) -> bool:
    from importlib.util import find_spec  # start-up cost: imported by nothing else here

    try:
        return find_spec(_PACKAGES[protocol][0]) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _repair_endpoints(values: Values, problems: list[Problem]) -> None:
    """See that HTTP is not sent to a socket file: only gRPC knows ``unix:``."""

    def of(signal: str, rows: Mapping[str, Setting[Any]], general: Setting[Any]) -> Any:  # noqa: ANN401 - any row
        own = values[rows[signal].name].value
        return values[general.name].value if own is None else own

    protocols = {
        signal: of(signal, settings.SIGNAL_PROTOCOL, settings.OTLP_PROTOCOL) for signal in settings.SIGNAL_PROTOCOL
    }
    rows: list[tuple[Setting[str | None], bool]] = [
        (settings.OTLP_ENDPOINT, "http/protobuf" in protocols.values()),
        *((row, protocols[signal] == "http/protobuf") for signal, row in settings.SIGNAL_ENDPOINT.items()),
    ]
    for row, over_http in rows:
        given = values[row.name]
        if over_http and given.value is not None and given.value.startswith("unix:"):
            used = row.default_text or ""
            problems.append(
                Problem(row.name, given.value, "the protocol http/protobuf needs http:// or https://", used)
            )
            values[row.name] = Resolved(None, Origin.DEFAULT, given.variable)


def _repair_client_keys(values: Values, problems: list[Problem]) -> None:
    """See that a client's key comes with its certificate: one alone can't be used."""
    certificates = {"": settings.OTLP_CLIENT_CERTIFICATE, **settings.SIGNAL_CLIENT_CERTIFICATE}
    keys = {"": settings.OTLP_CLIENT_KEY, **settings.SIGNAL_CLIENT_KEY}
    for signal, key in keys.items():
        certificate = certificates[signal]
        given = values[key.name]
        if given.value is None or values[certificate.name].value or values[settings.OTLP_CLIENT_CERTIFICATE.name].value:
            continue
        reason = f"a client's key needs its certificate ({certificate.name})"
        problems.append(Problem(key.name, given.value, reason, "no client key"))
        values[key.name] = Resolved(None, Origin.DEFAULT, given.variable)


def _read_rules(values: Values, problems: list[Problem]) -> tuple[SamplingRule, ...]:
    row = settings.SAMPLING_RULES
    given = values[row.name]
    if given.value is None:
        return ()
    from codeanatomy_distro.otel.sampling_rules import parse_rules, write_rules  # start-up cost: few have rules

    try:
        rules, reason = parse_rules(given.value)
    except BadValue as bad:
        problems.append(_problem(values, row, given.value, str(bad), "no rules"))
        values[row.name] = Resolved(None, Origin.DEFAULT, given.variable)
        return ()
    sampler = settings.TRACES_SAMPLER.name
    if values[sampler].value != settings.DISTRO_NAME:
        rules = ()
        reason = reason or f"only the sampler {settings.DISTRO_NAME} reads rules: set {sampler}={settings.DISTRO_NAME}"
    if reason:
        problems.append(_problem(values, row, given.value, reason, "the other rules" if rules else "no rules"))
    if not rules:
        values[row.name] = Resolved(None, Origin.DEFAULT, given.variable)
    elif reason:
        values[row.name] = Resolved(write_rules(rules), given.origin, given.variable)
    return rules


def _problem(values: Values, row: Setting[Any], given: str, reason: str, used: str) -> Problem:
    """Return the problem of a value under the name of what it stands in: its variable, or the declarative file."""
    if values[row.name].origin != Origin.FILE:
        return Problem(row.name, given, reason, used)
    file = values[settings.CONFIG_FILE.name]
    place = (row.place or "").partition(", ")[0].rpartition(".")[2]
    return UsedInPart(
        file.variable or settings.CONFIG_FILE.name, str(file.value), f"{place} of the sampler: {reason}", used
    )
