from pathlib import Path

import pytest

from pipeline.storage.atomic import atomic_file


def test_a_file_appears_whole_in_a_folder_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "grid.png"
    with atomic_file(path) as temporary:
        temporary.write_bytes(b"all of it")
        assert not path.exists()
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [("grid.png", b"all of it")]


def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    path.write_bytes(b"an earlier one")
    with pytest.raises(RuntimeError, match="full"), atomic_file(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("the disk is full")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("grid.png", b"an earlier one")]


def test_a_folder_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="found a folder, expected a file"), atomic_file(tmp_path):
        pass
