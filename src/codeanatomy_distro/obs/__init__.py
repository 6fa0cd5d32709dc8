"""The domain layer: what happened in a run, told through the OpenTelemetry API alone.

Importing it imports no SDK; without one, every call here is a cheap no-op.
"""
