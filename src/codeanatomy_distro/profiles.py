"""Operational profiles: sets of defaults under any explicit variable (specification, *Operational Profiles*).

Each is written as the specification writes it, value for value, as the text of a variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROFILES"]

PROFILES: Final[Mapping[str, Mapping[str, str]]] = {
    "development": {
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "CODEANATOMY_OTEL_SYSTEM_METRICS": "true",
    },
    "ci": {
        "CODEANATOMY_OTEL_TEST_MODE": "true",
        "OTEL_SDK_DISABLED": "false",
    },
    "production": {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.01",
        "OTEL_METRIC_EXPORT_INTERVAL": "60000",
        "OTEL_BSP_MAX_QUEUE_SIZE": "4096",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1024",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,os,host,container,k8s",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    },
}
