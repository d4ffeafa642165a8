"""On an error the command line prints the whole sentence of the code that found it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from assets import cli
from pipeline.networks import architecture_names
from pipeline.storage.paths import PROJECT, Paths
from tests.celeba_archive import write_small_celeba

RECIPE = """[own_dcgan]
description = "d"
source = "s"
dataset = "own"
network = "{network}"
batch_size = {batch_size}
steps = 2
full_steps = 2
members = 1
samples = 10
history_interval_steps = 1
snapshot_interval_steps = 1
evaluation_images = 2
"""


def printed_by(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    assert cli.main() == 1
    printed = capsys.readouterr().err
    assert printed.startswith("ganforge: ")
    assert printed.count("\n") == 1
    return printed


def break_archive(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "html":
        path.write_bytes(b"<!DOCTYPE html><html><body>Quota exceeded</body></html>")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "beginning lost":
        path.write_bytes(content[20_000:])
    else:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("../outside.jpg", b"x")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("html", "found an HTML page, expected a zip"),
        ("truncated", "found a zip that ends after"),
        ("beginning lost", "its beginning is missing"),
        ("leads out", "entry '../outside.jpg' leads out of the archive"),
    ],
)
def test_a_broken_archive_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    paths: Paths,
    how: str,
    expected: str,
) -> None:
    folder = write_small_celeba(tmp_path / "celeba", 60)
    break_archive(folder / "img_align_celeba.zip", how)
    monkeypatch.setenv("GANFORGE_CELEBA", str(folder))
    printed = printed_by(monkeypatch, capsys, "reproduce", "blog_sgd")
    assert printed.startswith(f"ganforge: celeba/raw failed: {folder / 'img_align_celeba.zip'}: ")
    assert expected in printed
    assert not (paths.raw("celeba") / "manifest.json").exists()


def materialize_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, network: str = "dcgan", batch_size: int = 8
) -> str:
    """Return the output for a data set of 30x30 images, from a new process because tables are read at load."""
    images = np.random.default_rng(0).integers(0, 256, (40, 30, 30), np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(40) % 2)
    (tmp_path / "datasets.toml").write_text('[own]\npath = "own.npz"\n')
    (tmp_path / "recipes.toml").write_text(RECIPE.format(network=network, batch_size=batch_size))
    for name in ("datasets", "recipes"):
        monkeypatch.setenv(f"GANFORGE_{name.upper()}", str(tmp_path / f"{name}.toml"))
    command = [sys.executable, "-m", "assets.cli", "materialize", "own_dcgan", "--optimizer", "adam"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout
    assert "classifier: training" not in done.stdout
    return done.stderr


def test_images_that_a_network_cannot_generate_are_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = materialize_own_data(tmp_path, monkeypatch)
    assert printed.startswith(
        "ganforge: own_dcgan adam: network dcgan: found images of 30 x 30 pixels, expected squares"
    )


@pytest.mark.slow
def test_a_batch_larger_than_the_data_set_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = materialize_own_data(tmp_path, monkeypatch, network="mlp", batch_size=64)
    assert printed == "ganforge: own_dcgan adam: found 32 training images, expected at least batch_size=64\n"


def test_a_recipe_of_an_unknown_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = materialize_own_data(tmp_path, monkeypatch, network="nonet")
    assert printed == (
        "ganforge: recipe 'own_dcgan': network 'nonet' does not exist; "
        f"expected one of: {', '.join(architecture_names())}\n"
    )
