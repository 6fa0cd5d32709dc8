"""An exporter that sees each batch changed, such as redacted: changed once, however often it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeanatomy_distro.otel.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.delivery import Exporter

__all__ = ["PreparedExporter"]


class _Kept:
    """Stands where an exporter of OpenTelemetry's own interface is expected, and keeps what it is given."""

    batch: Any = None

    def export(self, batch: Any, **_: Any) -> object:  # noqa: ANN401 - each signal has its own kind of batch
        self.batch = batch
        return None


class PreparedExporter:
    """Sends through `exporter` what `wrap` makes of each batch.

    `wrap` takes an exporter with OpenTelemetry's own interface and returns one around it that changes batches. Items
    that it leaves out count as rejected.
    """

    def __init__(self, exporter: Exporter, wrap: Callable[[Any], Any]) -> None:
        self._exporter = exporter
        self._kept = _Kept()
        self._wrapper = wrap(self._kept)
        self._batch: object = None

    def export(self, batch: Any, timeout: float, /) -> Outcome:  # noqa: ANN401 - each signal has its own kind of batch
        """Try once to deliver `batch`, for at most `timeout` seconds."""
        if batch is not self._batch:
            self._kept.batch = None
            self._wrapper.export(batch)
            self._batch = batch
        prepared = self._kept.batch
        if prepared is None:
            return Outcome(arrived=False, reason="it could not be prepared for export")
        outcome = self._exporter.export(prepared, timeout)
        if outcome.arrived or not outcome.retryable:
            self._batch = self._kept.batch = None
        left_out = len(batch) - len(prepared) if isinstance(batch, list) else 0  # pyright: ignore[reportUnknownArgumentType]
        return outcome._replace(rejected=outcome.rejected + left_out) if left_out else outcome

    def shutdown(self) -> None:
        """Release the exporter's connection."""
        self._exporter.shutdown()

    @property
    def cancels(self) -> bool:
        """Return whether `shutdown` ends an attempt that is under way."""
        return self._exporter.cancels
