"""The README's query section, run as it is printed there, after what `make demo` trains (in the small)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.storage.paths import PROJECT
from tests.end_to_end.conftest import Made

SECTION = re.search(r"## Ask the reports\n(.*?)\n## ", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def blocks(language: str) -> list[str]:
    assert SECTION is not None, "README has no section 'Ask the reports'"
    return re.findall(rf"```{language}\n(.*?)```", SECTION[1], re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line]


def test_the_section_has_commands_and_python() -> None:
    assert len(COMMANDS) >= 8
    assert len(blocks("python")) == 1


@pytest.fixture
def environment(made: Made) -> dict[str, str]:
    """The commands of the environment that runs this test come first."""
    return {**made.environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("command", COMMANDS)
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


def test_a_reader_that_has_seen_enough_is_no_mistake(environment: dict[str, str], tmp_path: Path) -> None:
    command = 'ganforge reports query "from history" | head -n 1; exit ${PIPESTATUS[0]}'
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.startswith("report_id")
    assert done.returncode in (0, 141)


def test_the_python_of_the_section_runs(environment: dict[str, str]) -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rmsprop_adam_tweaked" in done.stdout
