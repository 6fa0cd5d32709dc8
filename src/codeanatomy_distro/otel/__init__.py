"""The transport layer: how telemetry leaves the process (SDK, exporters, resource, lifecycle)."""
