"""The command line as a whole: its commands, its speed, its manners."""

from __future__ import annotations

import resource
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from codeanatomy_distro.cli import main

COMMAND = str(Path(sysconfig.get_path("scripts")) / "codeanatomy-otel")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` names each command with what it does."""
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("settings", "doctor", "report"))


@pytest.mark.parametrize("command", ["settings", "doctor", "report"])
def test_each_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command explains itself."""
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert "example" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["settings", "--nonsense"], ["settings", "--json", "--markdown"]]
)
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments give the usage and exit code 2."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: codeanatomy-otel" in capsys.readouterr().err


def test_help_is_fast() -> None:
    """`codeanatomy-otel --help` takes less than 150 ms of the processor; a busy machine stretches the rest."""
    times: list[float] = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.150


def test_help_imports_nothing_heavy() -> None:
    """Help needs no OpenTelemetry, no gRPC, no rich and no YAML."""
    program = (
        "import sys\nfrom codeanatomy_distro.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('opentelemetry', 'grpc', 'rich', 'yaml', 'requests') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_a_closed_pipe_is_no_fault() -> None:
    """Output into `head` ends without a traceback."""
    shell = f"{COMMAND} settings | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["settings", "doctor --no-export"])
def test_no_output_at_all_is_no_fault(command: str) -> None:
    """Started without a stdout, as some services are, a command does its work and says what it found by its code."""
    shell = f'exec "{sys.executable}" -m codeanatomy_distro.cli {command} >&-'
    done = subprocess.run(
        ["sh", "-c", shell], env={"OTEL_SDK_DISABLED": "true"}, stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_is_the_command() -> None:
    """`python -m codeanatomy_distro.cli` is the same as the command."""
    done = subprocess.run(
        [sys.executable, "-m", "codeanatomy_distro.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "usage: codeanatomy-otel" in done.stdout
