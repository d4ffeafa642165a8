"""The data folder of a command, and of the processes that it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.storage import paths
from pipeline.storage.paths import (
    PROJECT,
    Paths,
    child_environment,
    data_root,
    make_variables_absolute,
    unused_checkout_data,
)

WHERE = "import pipeline, assets; from pipeline.storage.paths import data_root; print(pipeline.__file__, data_root())"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no variable that names the data."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.delenv("GANFORGE_DATA")
    monkeypatch.chdir(folder)
    return folder


def test_the_data_lie_in_the_working_folder(work: Path) -> None:
    assert data_root() == work / "data"
    assert Paths.default().dagster() == work / "data" / "dagster"


def test_the_variable_names_another_folder(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_DATA", "elsewhere")
    assert data_root() == work / "elsewhere"


def test_a_command_keeps_its_data_folder_when_the_working_folder_changes(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_variables_absolute()
    monkeypatch.chdir(tmp_path)
    assert data_root() == work / "data"


def test_data_of_the_checkout_that_a_command_elsewhere_does_not_use_are_named(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PROJECT", tmp_path / "checkout")
    assert unused_checkout_data() is None
    kept = tmp_path / "checkout" / "data"
    (kept / "training").mkdir(parents=True)
    assert unused_checkout_data() == kept
    monkeypatch.setenv("GANFORGE_DATA", str(work / "chosen"))
    assert unused_checkout_data() is None
    monkeypatch.delenv("GANFORGE_DATA")
    (work / "data").mkdir()
    assert unused_checkout_data() is None


def test_a_child_in_another_folder_uses_the_same_data_and_the_same_package(work: Path, tmp_path: Path) -> None:
    (work / "assets").mkdir()
    command = [sys.executable, "-c", WHERE]
    done = subprocess.run(command, cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(PROJECT / "pipeline" / "__init__.py"), str(work / "data")]


def test_relative_folders_in_which_python_looks_stay_the_same_for_children(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "own", str(PROJECT)]))
    assert child_environment()["PYTHONPATH"].split(os.pathsep) == [str(PROJECT), str(work / "own")]


def test_an_installed_package_is_found_without_a_variable(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(paths, "PROJECT", tmp_path / "lib" / "site-packages")
    assert "PYTHONPATH" not in child_environment()
