"""What Hamilton UI tracking may send, by profile and by setting (specification, *Hamilton UI Telemetry*)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codeanatomy_distro import settings
from codeanatomy_distro.settings import current

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROFILES", "Limits", "TrackerOptions", "resolve_tracker"]


@dataclass(frozen=True)
class Limits:
    """How much of a value is sent: its statistics or nothing of it, and how much of a list or a dictionary."""

    capture_statistics: bool
    max_list_length: int
    max_dict_length: int


@dataclass(frozen=True)
class TrackerOptions:
    """Where runs are recorded, as whom, and how much of them; `enabled` only when all that is needed is known."""

    enabled: bool
    limits: Limits
    governs: bool
    """Whether somebody chose the limits, so that they hold for trackers that the program makes itself as well."""
    project_id: int = 0
    username: str = ""
    api_url: str = ""
    api_key: str | None = None
    dag_name: str = settings.DISTRO_NAME


PROFILES: Final[Mapping[str, tuple[bool, Limits]]] = {
    "dev": (True, Limits(capture_statistics=True, max_list_length=200, max_dict_length=200)),
    "ci": (False, Limits(capture_statistics=False, max_list_length=5, max_dict_length=10)),
    "prod": (True, Limits(capture_statistics=False, max_list_length=20, max_dict_length=50)),
}
"""Whether the tracker is on and what it may send, by profile; without one it is off, with the limits of ``prod``."""


def resolve_tracker(environ: Mapping[str, str] | None = None) -> TrackerOptions:
    """Return the options that `environ`, the process's environment unless given, asks for."""
    profile = current(settings.HAMILTON_PROFILE, environ)
    enabled, limits = PROFILES[profile] if profile is not None else (False, PROFILES["prod"][1])
    asked = current(settings.HAMILTON_TRACKER_ENABLED, environ)
    capture = current(settings.HAMILTON_CAPTURE_DATA_STATISTICS, environ)
    longest = current(settings.HAMILTON_MAX_LIST_LENGTH, environ)
    largest = current(settings.HAMILTON_MAX_DICT_LENGTH, environ)
    project_id = current(settings.HAMILTON_PROJECT_ID, environ)
    username = current(settings.HAMILTON_USERNAME, environ)
    api_url = current(settings.HAMILTON_API_URL, environ)
    return TrackerOptions(
        enabled=(enabled if asked is None else asked)
        and project_id is not None
        and username is not None
        and api_url is not None,
        limits=Limits(
            limits.capture_statistics if capture is None else capture,
            limits.max_list_length if longest is None else longest,
            limits.max_dict_length if largest is None else largest,
        ),
        governs=any(value is not None for value in (profile, capture, longest, largest)),
        project_id=project_id or 0,
        username=username or "",
        api_url=(api_url or "").rstrip("/"),
        api_key=current(settings.HAMILTON_API_KEY, environ),
        dag_name=current(settings.HAMILTON_DAG_NAME, environ) or settings.DISTRO_NAME,
    )
