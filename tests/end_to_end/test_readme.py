"""The commands of README and docs/using.md, run as printed over a small copy of the data of `make demo`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import load_optimizers
from pipeline.storage.paths import PROJECT
from tests.end_to_end.conftest import DEMO, Made

README, USING = PROJECT / "README.md", PROJECT / "docs" / "using.md"
START, ANSWER = (README, "First sweep"), (README, "Read the answer")
REPORTS, OPERATIONS = (USING, "Ask the reports"), (USING, "Status, champion, checks and retraining")
Section = tuple[Path, str]


def blocks(language: str, section: Section) -> list[str]:
    """Return the code blocks of a language below a heading."""
    page, heading = section
    text = re.search(rf"\n##+ {heading}\n(.*?)(?:\n##|\Z)", page.read_text(encoding="utf-8"), re.DOTALL)
    assert text is not None, f"{page} has no section {heading!r}"
    return re.findall(rf"```{language}\n(.*?)```", text[1], re.DOTALL)


def commands(section: Section) -> list[str]:
    return [line for block in blocks("sh", section) for line in block.splitlines() if line]


def test_the_sections_have_commands_and_python() -> None:
    assert len(commands(ANSWER)) >= 4
    assert len(commands(REPORTS)) >= 8
    assert len(commands(OPERATIONS)) >= 4
    assert len(blocks("python", REPORTS)) == 1


def test_the_first_sweep_is_the_demo_that_these_tests_make() -> None:
    (block,) = blocks("", START)
    assert block.splitlines()[0] == f"ganforge materialize mnist_mlp --optimizer {' '.join(DEMO)}"


@pytest.mark.parametrize("page", [README, USING], ids=lambda page: page.name)
def test_the_configurations_shown_can_be_used(page: Path, tmp_path: Path) -> None:
    (entries,) = blocks("toml", (page, "Your own configuration"))
    file = tmp_path / "optimizers.toml"
    file.write_text(entries, encoding="utf-8")
    assert "adam_slow" in load_optimizers((file,))


@pytest.fixture(scope="module")
def environment(made: Made) -> dict[str, str]:
    """Put the commands of the environment that runs this test first."""
    return {**made.environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("command", list(dict.fromkeys([*commands(REPORTS), *commands(ANSWER)])))
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


@pytest.fixture(scope="module")
def champion(environment: dict[str, str]) -> None:
    """Promote a configuration by hand, because no configuration passes the checks after two training steps."""
    promotion = "ganforge champion promote mnist_mlp --optimizer rmsprop --force"
    subprocess.run(["bash", "-c", promotion], env=environment, check=True, capture_output=True, timeout=300)


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("command", commands(OPERATIONS))
def test_a_command_of_operations_runs_as_printed(command: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert re.search("rmsprop|nothing to remove|would be", done.stdout), done.stdout


def test_a_pipe_that_closes_early_is_no_mistake(environment: dict[str, str], tmp_path: Path) -> None:
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
