"""Files of artefacts that differ from their manifests."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.storage import verification
from pipeline.storage.artefact import Artefact, make_artefact, require_artefact, verified_file
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError
from pipeline.storage.weights import load_weights
from tests.damage import flip_a_byte
from tests.identities import Named

DETAILS = {"recipe": "mnist_mlp", "optimizer": "adam", "dataset": "mnist"}


@pytest.fixture
def artefact(tmp_path: Path) -> Artefact:
    def fill(folder: Path) -> dict[str, str]:
        (folder / "deep").mkdir()
        (folder / "one.txt").write_text("one")
        (folder / "deep" / "two.txt").write_text("two")
        return DETAILS

    return make_artefact(tmp_path / "made" / "a", Named("f1"), fill)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file may not be opened; the tests may run as a user who may open all."""

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)


def test_the_details_of_the_manifest_are_read(artefact: Artefact) -> None:
    assert artefact.verified_path("one.txt").read_text() == "one"
    assert artefact.verified_path("deep/two.txt").read_text() == "two"
    artefact.verify()


def test_one_flipped_bit_is_noticed(artefact: Artefact) -> None:
    flip_a_byte(artefact.path("deep/two.txt"))
    with pytest.raises(
        ArtefactFileError, match=r"a/deep/two\.txt: damaged: the size is right, but the content differs"
    ):
        artefact.verified_path("deep/two.txt")
    with pytest.raises(ArtefactFileError, match=r"two\.txt"):
        artefact.verify()
    artefact.verified_path("one.txt")


def test_another_size_a_missing_file_a_folder_and_an_unknown_name_have_own_messages(artefact: Artefact) -> None:
    path = artefact.path("one.txt")
    path.write_text("longer")
    with pytest.raises(ArtefactFileError, match=r"damaged: found 6 bytes, and its manifest holds 3"):
        artefact.verified_path("one.txt")
    path.unlink()
    with pytest.raises(ArtefactFileError, match=r"one\.txt: missing, although its manifest names it"):
        artefact.verified_path("one.txt")
    path.mkdir()
    with pytest.raises(ArtefactFileError, match=r"one\.txt: found a folder or a device"):
        artefact.verified_path("one.txt")
    with pytest.raises(ArtefactFileError, match=r"three\.txt: not one of the files that its manifest holds"):
        artefact.verified_path("three.txt")


def test_a_file_that_may_not_be_read_is_not_called_damaged(artefact: Artefact, refused: None) -> None:
    with pytest.raises(ArtefactFileError, match=r"one\.txt: permission denied; ask its owner"):
        artefact.verified_path("one.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_another_user_is_reported_as_denied(artefact: Artefact) -> None:
    artefact.path("one.txt").chmod(0)
    with pytest.raises(ArtefactFileError, match=r"one\.txt: permission denied; ask its owner"):
        artefact.verified_path("one.txt")


@pytest.mark.usefixtures("refused")
def test_a_manifest_that_may_not_be_read_is_not_called_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtefactFileError, match=r"manifest\.json: permission denied"):
        require_artefact(tmp_path, "tensors", "mnist/tensors")


@pytest.mark.usefixtures("refused")
def test_weights_that_may_not_be_read_are_not_called_those_of_another_network(tmp_path: Path) -> None:
    import torch

    (tmp_path / "w.safetensors").touch()
    with pytest.raises(ArtefactFileError, match=r"w\.safetensors: permission denied"):
        load_weights(tmp_path / "w.safetensors", torch.nn.Linear(2, 2))
    with pytest.raises(FileNotFoundError, match=r"v\.safetensors: missing"):
        load_weights(tmp_path / "v.safetensors", torch.nn.Linear(2, 2))


def test_a_file_is_hashed_once_and_again_when_it_was_written_to(
    artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sha256_of_file = artefact.path("one.txt"), verification.sha256_of_file
    hashed: list[Path] = []

    def recording(path: Path) -> str:
        hashed.append(path)
        return sha256_of_file(path)

    monkeypatch.setattr(verification, "sha256_of_file", recording)
    os.utime(path, (1e9, 1e9))
    for _ in range(3):
        artefact.verified_path("one.txt")
    assert hashed == [path]
    flip_a_byte(path)
    for _ in range(2):  # changed a moment ago: an immediate second change could leave the same time
        with pytest.raises(ArtefactFileError, match="damaged"):
            artefact.verified_path("one.txt")
    assert hashed == [path] * 3


def test_a_file_that_changes_as_soon_as_it_is_written_is_noticed(artefact: Artefact) -> None:
    path = artefact.path("one.txt")
    path.write_text("one")
    before = path.stat()
    artefact.verified_path("one.txt")
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as where the file system's clock is coarse
    with pytest.raises(ArtefactFileError, match="damaged"):
        artefact.verified_path("one.txt")


def test_any_path_is_compared_where_a_manifest_names_it(artefact: Artefact, tmp_path: Path) -> None:
    (tmp_path / "made" / "other.txt").write_text("o")
    for path in (tmp_path / "made" / "other.txt", tmp_path / "nowhere.txt", artefact.path("deep/two.txt")):
        assert verified_file(path) == path
    flip_a_byte(artefact.path("deep/two.txt"))
    with pytest.raises(ArtefactFileError, match=r"two\.txt: damaged"):
        verified_file(artefact.path("deep/two.txt"))


@pytest.mark.parametrize(
    ("stage", "how"),
    [
        ("training", "make it again with: ganforge materialize mnist_mlp --optimizer adam"),
        ("samples", "make it again with: ganforge materialize mnist_mlp --optimizer adam"),
        ("comparison", "make it again with: ganforge reports page mnist_mlp"),
        ("champion", "go back to another one with: ganforge champion rollback mnist_mlp"),
        ("raw", "materialize a/raw again"),
        ("tensors", "materialize a/tensors again"),
        ("reference", "materialize mnist/a again"),
    ],
)
def test_the_sentence_names_the_command_that_makes_it_again(artefact: Artefact, stage: str, how: str) -> None:
    made = replace(artefact, identity=Identity(stage, "1", {}))
    made.path("one.txt").unlink()
    with pytest.raises(ArtefactFileError) as caught:
        made.verified_path("one.txt")
    assert str(caught.value).endswith(f"; {how}")


@pytest.mark.parametrize("damaged", ["training", "samples"])
def test_the_command_makes_the_same_training_and_samples_again(paths: Paths, damaged: str) -> None:
    """Without the budget it would replace the training by one of the recipe's budget."""
    partition = {"recipe": "mnist_mlp", "optimizer": "sgd"}
    training = partition | {"steps": 400, "members": 3, "width": 32, "seed": 7}
    samples = partition | {"images_a_member": 500, "seed": 2, "weights": "raw", "instead_of": "average"}
    for stage, details in (("training", training), ("samples", samples)):
        folder = paths.training("mnist_mlp", "sgd") if stage == "training" else paths.samples("mnist_mlp", "sgd")
        make_artefact(folder, Identity(stage, "1", {}), partial(filled, details=details))
    folder = paths.training("mnist_mlp", "sgd") if damaged == "training" else paths.samples("mnist_mlp", "sgd")
    flip_a_byte(folder / "one.txt")
    with pytest.raises(ArtefactFileError) as caught:
        require_artefact(folder, damaged, "").verify()
    assert str(caught.value).endswith(
        "; make it again with: ganforge materialize mnist_mlp --optimizer sgd --steps 400 --members 3 --width 32 "
        "--seed 7 --samples 500 --weights raw"
    )


def filled(folder: Path, details: dict[str, Any]) -> dict[str, Any]:
    (folder / "one.txt").write_text("one")
    return details
