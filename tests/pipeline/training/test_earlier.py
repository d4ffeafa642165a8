"""Weights that a training of other settings replaces are kept, and put back when they are requested again."""

from pathlib import Path

import pytest

from pipeline.storage.artefact import Artefact, is_intact
from pipeline.storage.paths import Paths
from pipeline.training.earlier import DEFAULT_COUNT, earlier_in
from pipeline.training.train import train
from tests.pipeline.training.conftest import settings


def trained(tensors: Artefact, paths: Paths, seed: int, *, members: int = 1, keep: int = DEFAULT_COUNT) -> Artefact:
    wanted = settings("adam", steps=2, members=members, seed=seed)
    return train([wanted], tensors, paths, earlier_trainings=keep)["adam"]


def seeds(folder: Path) -> list[int]:
    assert all(map(is_intact, earlier_in(folder)))
    return [artefact.details["seed"] for artefact in earlier_in(folder)]


def test_replaced_weights_are_kept_and_put_back_when_they_are_requested(tensors: Artefact, paths: Paths) -> None:
    first = trained(tensors, paths, 0)
    second = trained(tensors, paths, 1)
    assert seeds(first.folder) == [0]
    again = trained(tensors, paths, 0)
    assert (again.cached, again.fingerprint, again.files) == (True, first.fingerprint, first.files)
    assert is_intact(again)
    assert seeds(first.folder) == [1]
    assert trained(tensors, paths, 1).files == second.files


@pytest.mark.parametrize(("keep", "kept"), [(0, []), (1, [1]), (2, [1, 0])])
def test_the_oldest_go_beyond_the_limit(tensors: Artefact, paths: Paths, keep: int, kept: list[int]) -> None:
    for seed in (0, 1, 2):
        folder = trained(tensors, paths, seed, keep=keep).folder
    assert seeds(folder) == kept


def test_more_members_and_a_forced_training_replace_nothing(tensors: Artefact, paths: Paths) -> None:
    folder = trained(tensors, paths, 0).folder
    trained(tensors, paths, 0, members=2)
    train([settings("adam", steps=2)], tensors, paths, force=True)
    assert seeds(folder) == []


def test_members_are_added_to_an_earlier_training(tensors: Artefact, paths: Paths) -> None:
    trained(tensors, paths, 0)
    trained(tensors, paths, 1)
    both = trained(tensors, paths, 0, members=2)
    assert (both.details["trained_together"], both.details["members"]) == (1, 2)


def test_damaged_earlier_weights_are_trained_again(tensors: Artefact, paths: Paths) -> None:
    folder = trained(tensors, paths, 0).folder
    trained(tensors, paths, 1)
    earlier_in(folder)[0].path("generator.safetensors").write_bytes(b"damaged")
    assert not trained(tensors, paths, 0).cached


def test_a_file_system_without_links_keeps_copies(
    tensors: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_source: Path, _target: Path) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refused)
    trained(tensors, paths, 0)
    assert seeds(trained(tensors, paths, 1).folder) == [0]
