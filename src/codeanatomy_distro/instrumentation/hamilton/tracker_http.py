"""The Hamilton UI's HTTP interface, as far as runs are concerned."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from codeanatomy_distro.instrumentation.hamilton.profiles import TrackerOptions

__all__ = ["Http"]

_TIMEOUT: Final = (1.0, 5.0)  # seconds to connect, and between two bytes of an answer


class Http:
    """What is asked of the server. Each call waits for the answer and raises what `requests` raises.

    `calling` is entered around each, so that somebody else can tell how long the server has been asked already.
    """

    def __init__(self, options: TrackerOptions, calling: Callable[[], AbstractContextManager[None]]) -> None:
        self._options = options
        self._calling = calling
        self._session = requests.Session()
        self._session.headers["x-api-user"] = options.username
        if options.api_key is not None:
            self._session.headers["x-api-key"] = options.api_key

    def check(self) -> None:
        """Return when the server knows the user and the project."""
        self._call("GET", "phone_home")
        self._call("GET", f"projects/{self._options.project_id}")

    def start_run(
        self, template_id: int, began: date, tags: Mapping[str, str], inputs: Mapping[str, Any], outputs: Sequence[str]
    ) -> int:
        """Return the server's id of a new run of the graph `template_id`."""
        body = {
            "run_start_time": began,
            "tags": dict(tags),
            "inputs": dict(inputs),
            "outputs": list(outputs),
            "run_status": "RUNNING",
        }
        return int(self._call("POST", f"dag_runs?dag_template_id={template_id}", body).json()["id"])

    def update_run(
        self, run_id: int, updates: Sequence[Mapping[str, Any]], attributes: Sequence[Mapping[str, Any]]
    ) -> None:
        """Tell the state of some nodes of a run, and what there is to say about their results."""
        body = {"task_updates": list(updates), "attributes": list(attributes)}
        self._call("PUT", f"dag_runs_bulk?dag_run_id={run_id}", body)

    def end_run(self, run_id: int, ended: date, status: str) -> None:
        """Tell how and when a run ended."""
        self._call("PUT", f"dag_runs/{run_id}/", {"run_status": status, "run_end_time": ended})

    def _call(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self._options.api_url}/api/v1/{path}"
        with self._calling():
            response = self._session.request(method, url, json=_plain(body), timeout=_TIMEOUT)
        response.raise_for_status()
        return response


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if value is None or isinstance(value, (bool, int, str)):
        return value.replace("\0", "") if isinstance(value, str) else value  # its database takes no null character
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON has no word for infinity and for what is no number
    return value.isoformat() if isinstance(value, date) else str(value)
