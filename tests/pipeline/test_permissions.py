"""Files and folders get the permissions of the umask, whichever code writes them."""

import os
import stat
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.storage.artefact import make_artefact, staging_folder
from pipeline.storage.atomic import atomic_file
from pipeline.storage.paths import MANIFEST
from pipeline.storage.weights import save_weights
from pipeline.training.checkpoint import Checkpoint, Checkpoints
from tests.identities import Named


@pytest.mark.parametrize(("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_files_and_folders_get_the_permissions_of_the_umask(tmp_path: Path, umask: int, file: int, folder: int) -> None:
    before = os.umask(umask)
    try:
        with staging_folder(tmp_path / "a") as staged:
            save_weights(staged / "w.safetensors", nn.Linear(2, 2).state_dict())
            with atomic_file(staged / "w.txt") as temporary:
                temporary.write_text("x")
            made = make_artefact(tmp_path / "b", Named("f1"), lambda _: {})
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (staged, made.folder)]
            files = [staged / "w.safetensors", staged / "w.txt", made.path(MANIFEST)]
            assert modes == [folder] * 2
            assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [file] * 3
    finally:
        os.umask(before)


def test_a_checkpoint_is_readable_for_its_owner_and_for_other_users(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        Checkpoints(tmp_path, "a" * 16, range(1)).folder.mkdir()
        Checkpoints(tmp_path, "a" * 16, range(1)).save(Checkpoint(1, 1.0, {"w": torch.zeros(2)}, [], []))
    finally:
        os.umask(before)
    (folder,) = tmp_path.glob("*/step_*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
