"""In a shared data folder every file and folder of a chain has the permissions of the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets import cli
from pipeline.storage.paths import Paths
from tests.end_to_end.conftest import BUDGET, FEW_ANCHORS

SQLITE = 0o644  # at most: only the user who made a database writes to it


@pytest.fixture(params=[0o022, 0o027, 0o002], ids=["022", "027", "002"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def narrower(root: Path, umask: int) -> dict[str, str]:
    """Return the paths with fewer permissions than a new file or folder."""
    modes = {}
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        usual = (0o777 if path.is_dir() else SQLITE if ".db" in path.name else 0o666) & ~umask
        if mode & usual != usual:
            modes[str(path.relative_to(root))] = f"{mode:o}, not {usual:o}"
    return modes


@pytest.mark.slow
def test_files_of_a_chain_have_the_permissions_that_the_umask_allows(
    umask: int, paths: Paths, named_small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", FEW_ANCHORS)
    for words in (
        "materialize mnist_mlp --optimizer sgd adam",
        "champion promote mnist_mlp --optimizer sgd --force",
        "clean",
    ):
        arguments = words.split() + (list(BUDGET) if words.startswith("materialize") else [])
        monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
        assert cli.main() == 0
    names = {path.name for path in paths.root.rglob("*")}
    assert {"generator.safetensors", "classifier.safetensors", "features.safetensors", "0001"} <= names
    assert narrower(paths.root, umask) == {}
