"""For tests of instrumented programs: telemetry in memory, and a real OTLP receiver on loopback."""

from codeanatomy_distro.testing.capture import MetricPoint, Telemetry, capture

__all__ = ["MetricPoint", "Telemetry", "capture"]
