"""``codeanatomy-otel doctor``: is this environment fit to send telemetry, and what to do where it is not."""

from __future__ import annotations

import argparse
import json
import logging
import textwrap
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.cli.printing import printable
from codeanatomy_distro.setting_kinds import BadValue, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.cli.doctor_report import Section

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "add_arguments", "main"]

HELP: Final = "examine this environment, and say what to do about each fault"
DESCRIPTION: Final = (
    "Examine Python and packages, the choice of distro, instrumentors, settings, detectors and the way to the\n"
    "Collector, to which one span, one metric point and one log record are sent.\n"
    "The exit code is 0, or 1 when there is something to do."
)
EPILOG: Final = "example: OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4317 codeanatomy-otel doctor"
_WIDTH: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``doctor`` to its parser."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=3.0,
        help="longest wait for each answer, up to 3600 (default: %(default)s)",
    )
    parser.add_argument("--no-export", action="store_true", help="send nothing")


def _seconds(text: str) -> float:
    try:
        return number(0.001, 3600).parse(text)
    except BadValue as bad:
        raise argparse.ArgumentTypeError(str(bad)) from None


def main(options: argparse.Namespace) -> int:
    """Print what was found; return 1 when there is something to do, else 0."""
    sections = _examine(options.environ, options.timeout, export=not options.no_export)
    findings = [(section.title, finding) for section in sections for finding in section.findings]
    if options.json:
        document = {
            "findings": [{"section": title, "what": one.what, "cure": one.cure} for title, one in findings],
            "sections": {section.title: section.data for section in sections},
        }
        print(json.dumps(document, indent=2, default=str))
        return 1 if findings else 0
    print(f"codeanatomy-otel doctor: {_count(len(findings))}")
    for position, (_, finding) in enumerate(findings, 1):
        what = f"{position}. {printable(finding.what)}"
        print(textwrap.fill(what, _WIDTH, subsequent_indent="   ", break_on_hyphens=False))
        # Not filled: a command that is broken over two lines can't be copied.
        print(f"   -> {printable(finding.cure)}")
    for section in sections:
        print(f"\n{section.title}")
        for line in section.lines:
            print(f"  {printable(line)}")
    return 1 if findings else 0


def _count(findings: int) -> str:
    return "nothing to do" if not findings else f"{findings} finding{'s' if findings > 1 else ''}"


def _examine(environ: Mapping[str, str], timeout: float, *, export: bool) -> list[Section]:
    for name in ("codeanatomy_distro", "opentelemetry"):  # what they would log is what the doctor says
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    # Imports inside functions for start-up cost: `codeanatomy-otel --help` needs none of these.
    from codeanatomy_distro.cli import doctor_packages, doctor_selection, doctor_settings
    from codeanatomy_distro.otel.config import resolve_otel_config
    from codeanatomy_distro.otel.sdk_environment import sdk_environment

    config = resolve_otel_config(environ)
    chosen = doctor_settings.examine(config)
    sections = [
        chosen,
        doctor_selection.examine(config),
        doctor_packages.examine(),
        doctor_packages.examine_libraries(),
    ]
    with sdk_environment(config):
        from codeanatomy_distro.cli import doctor_detectors, doctor_export, doctor_instrumentors, doctor_parts

        for problem in doctor_parts.problems_of_parts(config):
            doctor_settings.find_problem(chosen, problem)
        sections.append(doctor_instrumentors.examine(config))
        resource, detectors = doctor_detectors.examine(config)
        sections.append(detectors)
        sections.append(doctor_export.examine(config, resource, timeout, export=export))
    sections.append(doctor_settings.describe_run(config))
    return sections
