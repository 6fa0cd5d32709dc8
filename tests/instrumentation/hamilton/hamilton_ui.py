"""The real Hamilton UI server, in an environment of its own outside the repository, on loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[3]
USER = "tester"
PACKAGES = ["apache-hamilton-ui>=0.0.18", "apache-hamilton-sdk>=0.9"]


class InstallationError(Exception):
    """The packages could not be installed."""


def cache_folder() -> Path:
    """Return the folder of this Python version's environment."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "codeanatomy-distro" / "hamilton-ui" / f"{sys.version_info[0]}.{sys.version_info[1]}"


def install() -> Path:
    """Return the Python of an environment with the UI, its SDK and this project; made once."""
    folder = cache_folder()
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
        make = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        add = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        for command in ([*make, str(folder)], [*add, *PACKAGES, "-e", str(ROOT)]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                raise InstallationError(done.stderr[-2000:])
        ready.touch()
    return python


class HamiltonUi:
    """A running server with one project."""

    def __init__(self, python: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.python = python
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.project_id = 0

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer of the server's HTTP interface."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"x-api-user": USER, "content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def wait(self, seconds: float = 60) -> None:
        """Return when the server answers."""
        end = time.monotonic() + seconds
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                message = "the Hamilton UI server did not start"
                raise TimeoutError(message)
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            self.request("GET", "health")
        except OSError:
            return False
        return True

    def runs(self) -> list[Any]:
        """Return the runs of the project, with their tags and nodes, the newest first."""
        latest = self.request("GET", f"dag_runs/latest/?project_id={self.project_id}&limit=50&offset=0")
        ids = ",".join(str(run["id"]) for run in latest)
        return self.request("GET", f"dag_runs/{ids}") if ids else []

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a program whose runs are to be recorded here."""
        prefixes = ("OTEL_", "CODEANATOMY_", "HAMILTON_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
        return {
            **kept,
            "HAMILTON_TELEMETRY_ENABLED": "false",
            "CODEANATOMY_HAMILTON_PROJECT_ID": str(self.project_id),
            "CODEANATOMY_HAMILTON_USERNAME": USER,
            "CODEANATOMY_HAMILTON_API_URL": self.url,
            **more,
        }


@contextmanager
def serve(python: Path, folder: Path) -> Generator[HamiltonUi]:
    """Run a new server with its data in `folder`."""
    found = subprocess.run(
        [python, "-c", "import hamilton_ui; print(list(hamilton_ui.__path__)[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    app = Path(found.stdout.strip())
    for name in ("blobs", "db"):
        (folder / name).mkdir(parents=True)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CODEANATOMY_", "HAMILTON_"))
    }
    environ = {**kept, "HAMILTON_BASE_DIR": str(folder), "HAMILTON_TELEMETRY_ENABLED": "false"}
    manage = [str(python), "manage.py"]
    settings = "--settings=server.settings_mini"
    subprocess.run([*manage, "migrate", settings], cwd=app, env=environ, check=True, capture_output=True, timeout=120)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [*manage, "runserver", "--noreload", settings, f"127.0.0.1:{port}", "--insecure"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=app, env=environ, stdout=log, stderr=log)
    ui = HamiltonUi(python, port, process)
    try:
        ui.wait()
        visibility: dict[str, list[str]] = {
            "user_ids_visible": [],
            "team_ids_visible": [],
            "team_ids_writable": [],
            "user_ids_writable": [USER],
        }
        project: dict[str, Any] = {
            "name": "test",
            "description": "",
            "tags": {},
            "visibility": visibility,
            "attributes": [],
        }
        ui.project_id = ui.request("POST", "projects", project)["id"]
        yield ui
    finally:
        process.terminate()
        process.wait(10)
