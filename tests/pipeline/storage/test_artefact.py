import json
from pathlib import Path

import pytest

from pipeline.storage.artefact import (
    find_intact,
    is_intact,
    make_artefact,
    read_artefact,
    require_artefact,
)
from pipeline.storage.paths import MANIFEST
from tests.identities import Named


def write_one(folder: Path) -> dict[str, int]:
    (folder / "one.txt").write_text("one")
    (folder / "deep").mkdir()
    (folder / "deep" / "two.txt").write_text("two")
    return {"answer": 42}


def test_an_unchanged_artefact_is_found_and_not_made_again(tmp_path: Path) -> None:
    first = make_artefact(tmp_path / "a", Named("f1"), write_one)
    second = make_artefact(tmp_path / "a", Named("f1"), lambda _: pytest.fail("made again"))
    assert (first.cached, second.cached) == (False, True)
    assert second.details == {"answer": 42}
    assert set(second.files) == {"one.txt", "deep/two.txt"}


def test_force_and_another_fingerprint_make_it_again(tmp_path: Path) -> None:
    make_artefact(tmp_path / "a", Named("f1"), write_one)
    assert not make_artefact(tmp_path / "a", Named("f1"), write_one, force=True).cached
    assert not make_artefact(tmp_path / "a", Named("f2"), write_one).cached


@pytest.mark.parametrize("damage", ["altered", "missing", "shorter"])
def test_a_damaged_file_is_noticed_and_named(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    artefact = make_artefact(tmp_path / "a", Named("f1"), write_one)
    path = artefact.path("one.txt")
    if damage == "missing":
        path.unlink()
    else:
        path.write_text("onf" if damage == "altered" else "o")
    assert not is_intact(artefact)
    assert find_intact(tmp_path / "a", "f1") is None
    assert caplog.messages == [f"{tmp_path / 'a'}: damaged, so it is made again: one.txt"]


def test_a_failure_while_making_leaves_the_old_artefact_whole(tmp_path: Path) -> None:
    make_artefact(tmp_path / "a", Named("f1"), write_one)

    def fail(folder: Path) -> dict[str, int]:
        (folder / "one.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_artefact(tmp_path / "a", Named("f2"), fail)
    kept = find_intact(tmp_path / "a", "f1")
    assert kept is not None
    assert kept.path("one.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_files_of_an_earlier_artefact_do_not_linger(tmp_path: Path) -> None:
    make_artefact(tmp_path / "a", Named("f1"), write_one)

    def write_other(folder: Path) -> dict[str, int]:
        (folder / "other.txt").write_text("x")
        return {}

    make_artefact(tmp_path / "a", Named("f2"), write_other)
    assert {path.name for path in (tmp_path / "a").rglob("*") if path.is_file()} == {"other.txt", MANIFEST}


@pytest.mark.parametrize("manifest", [None, "", "{", "[]", "{}", '{"files": 3}'])
def test_a_folder_without_a_whole_manifest_is_no_artefact(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest)
    assert read_artefact(tmp_path) is None
    with pytest.raises(FileNotFoundError, match="no tensors there; materialize mnist/tensors first"):
        require_artefact(tmp_path, "tensors", "mnist/tensors")


def test_the_manifest_names_fingerprint_and_checksums(tmp_path: Path) -> None:
    make_artefact(tmp_path / "a", Named("f1"), write_one)
    manifest = json.loads((tmp_path / "a" / MANIFEST).read_text())
    assert manifest["fingerprint"] == "f1"
    assert manifest["identity"] == {"stage": "test", "code_version": "1", "decided_by": {"name": "f1"}}
    sha256_of_one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # sha256sum of "one"
    assert manifest["files"]["one.txt"] == {"size_bytes": 3, "sha256": sha256_of_one}
