"""The worked example of docs/own-data.md runs as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.storage.paths import PROJECT

PAGE = PROJECT / "docs" / "own-data.md"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
NAME = re.compile(r"# (\w+\.\w+)\n")


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if name == language]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the files of the page, each under the name in its first line."""
    for text in (*blocks("python"), *blocks("toml")):
        name = NAME.match(text)
        assert name is not None, f"{PAGE}: a block without a file name"
        (tmp_path / name[1]).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_worked_example_runs_as_it_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (commands,) = blocks("sh")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-ec", commands], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shapes/tensors: made" in done.stdout
    assert "% of 240 held-out images right" in done.stdout  # every fifth of 1,200
    table = done.stdout[done.stdout.index("shapes_dcgan: mean") :]
    (row,) = [line for line in table.splitlines() if line.startswith("adam ")]
    assert re.match(r"adam +\d", row)


@pytest.mark.slow
def test_images_without_labels_are_trained_on_and_not_scored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all shapes in one folder a classifier has no labels, and a sentence reports that."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GANFORGE_DATASETS", str(folder / "datasets.toml"))
    monkeypatch.setenv("GANFORGE_RECIPES", str(folder / "recipes.toml"))
    subprocess.run([sys.executable, "draw_shapes.py"], cwd=folder, check=True, timeout=60)
    for path in (folder / "shapes" / "square").iterdir():
        path.replace(folder / "shapes" / f"square_{path.name}")
    for path in (folder / "shapes" / "circle").iterdir():
        path.replace(folder / "shapes" / path.name)
    command = [sys.executable, "-m", "assets.cli", "materialize", "shapes_dcgan", "--optimizer", "adam"]
    budget = ["--steps", "2", "--members", "1", "--samples", "20"]
    done = subprocess.run([*command, *budget], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "found images without labels, expected classes or attributes" in done.stdout
    assert "shapes_dcgan/samples adam: made" in done.stdout
    assert "shapes_dcgan/report" not in done.stdout
