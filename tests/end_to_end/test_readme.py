"""The README's commands over what `make demo` trains, run as they are printed there (in the small)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.storage.paths import PROJECT
from tests.end_to_end.conftest import Made

README = (PROJECT / "README.md").read_text(encoding="utf-8")
REPORTS, OPERATIONS = "Ask the reports", "What is up to date, what is best, and runs by themselves"


def blocks(language: str, heading: str) -> list[str]:
    section = re.search(rf"## {heading}\n(.*?)\n## ", README, re.DOTALL)
    assert section is not None, f"README has no section {heading!r}"
    return re.findall(rf"```{language}\n(.*?)```", section[1], re.DOTALL)


def commands(heading: str) -> list[str]:
    return [line for block in blocks("sh", heading) for line in block.splitlines() if line]


def test_the_sections_have_commands_and_python() -> None:
    assert len(commands(REPORTS)) >= 8
    assert len(commands(OPERATIONS)) >= 5
    assert len(blocks("python", REPORTS)) == 1


@pytest.fixture
def environment(made: Made) -> dict[str, str]:
    """The commands of the environment that runs this test come first."""
    return {**made.environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("command", commands(REPORTS))
def test_a_command_runs_as_printed(command: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    written = re.search(r" -o (\S+)", command)
    if written is None:
        assert "rmsprop" in done.stdout
    else:
        assert (tmp_path / written[1]).stat().st_size > 1000
        assert written[1] in done.stdout


@pytest.fixture
def champion(environment: dict[str, str]) -> None:
    """Two training steps make nobody pass the checks, so somebody is crowned by hand."""
    crown = "ganforge champion promote mnist_mlp --optimizer rmsprop --force"
    subprocess.run(["bash", "-c", crown], env=environment, check=True, capture_output=True, timeout=300)


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("command", commands(OPERATIONS))
def test_a_command_of_operations_runs_as_printed(command: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert re.search("rmsprop|nothing to remove|would be|mode_drop", done.stdout), done.stdout


def test_a_reader_that_has_seen_enough_is_no_mistake(environment: dict[str, str], tmp_path: Path) -> None:
    command = 'ganforge reports query "from history" | head -n 1; exit ${PIPESTATUS[0]}'
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.startswith("report_id")
    assert done.returncode in (0, 141)


def test_the_python_of_the_section_runs(environment: dict[str, str]) -> None:
    (code,) = blocks("python", REPORTS)
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rmsprop_adam_tweaked" in done.stdout
