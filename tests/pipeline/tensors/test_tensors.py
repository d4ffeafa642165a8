from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact, require_artefact
from pipeline.storage.images import write_images
from pipeline.storage.paths import Paths
from pipeline.tensors import BLOCKING, CHECKS
from pipeline.tensors.build import build
from pipeline.tensors.check import complete, tensor_findings
from pipeline.tensors.load import load_split, network_images, require_tensors
from tests.pipeline.tensors.current_findings import current_findings

MNIST = DATASETS["mnist"]


@pytest.fixture
def tensors(named_small_mnist: Path, paths: Paths) -> Artefact:
    acquire(MNIST, paths)
    return build(MNIST, paths)


def test_pixels_and_labels_are_the_raw_ones_in_their_order(tensors: Artefact, paths: Paths) -> None:
    raw = require_artefact(paths.raw("mnist"), "raw files", "mnist/raw")
    for name, split in open_raw(raw).items():
        loaded = load_split(tensors, name)
        assert np.array_equal(loaded.pixels[:, 0], [split.read(index) for index in range(len(split))])
        assert split.labels is not None and np.array_equal(loaded.columns["label"], split.labels)
        assert (loaded.metadata["split"], loaded.metadata["value_range"]) == (name, "-1,1")


def test_networks_see_float32_from_minus_one_to_one(tensors: Artefact) -> None:
    images = network_images(load_split(tensors, "train"))
    assert images.dtype == torch.float32
    assert images.shape == (300, 1, 28, 28)
    assert (images.min().item(), images.max().item()) == (-1.0, 1.0)


def test_unchanged_raw_files_are_not_converted_again(tensors: Artefact, paths: Paths) -> None:
    assert build(MNIST, paths).cached


def test_other_raw_files_make_other_tensors(
    tensors: Artefact, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named_small_mnist: Path
) -> None:
    swapped = tmp_path / "swapped"
    swapped.mkdir()
    for path in named_small_mnist.iterdir():
        prefix, rest = path.name.split("-", 1)
        (swapped / f"{'t10k' if prefix == 'train' else 'train'}-{rest}").write_bytes(path.read_bytes())
    monkeypatch.setenv("GANFORGE_MNIST", str(swapped))
    acquire(MNIST, paths)
    other = build(MNIST, paths)
    assert other.fingerprint != tensors.fingerprint
    assert other.details["images"] == {"train": 120, "test": 300}


def test_sound_tensors_pass_every_check(tensors: Artefact) -> None:
    findings = current_findings(tensors)
    assert [finding.check for finding in findings] == list(CHECKS)
    assert all(finding.passed for finding in findings if finding.check in BLOCKING)
    assert tensor_findings(tensors) == findings


def test_a_swapped_label_is_noticed(tensors: Artefact) -> None:
    train = load_split(tensors, "train")
    labels = train.columns["label"].copy()
    labels[0] = 9
    write_images(tensors.path("train.arrow"), train.pixels.copy(), {"label": labels}, {})
    assert [finding.passed for finding in current_findings(tensors)] == [False, True, True, False]


def test_a_lost_image_and_a_constant_picture_fail_their_checks(tensors: Artefact) -> None:
    grey = np.full((299, 1, 28, 28), 7, np.uint8)
    for name in ("train", "test"):
        write_images(tensors.path(f"{name}.arrow"), grey, {"label": np.zeros(299, np.int64)}, {})
    passed = {finding.check: finding.passed for finding in current_findings(tensors) if finding.check in BLOCKING}
    assert passed == {"counts_agree": False, "values_in_range": False, "values_finite": True}


@pytest.mark.parametrize(
    ("note", "unreadable", "summary"),
    [
        ("", [], "all images of the published data set"),
        ("5,000-image subset", [], "5,000-image subset"),
        ("", ["a.png", "b.png"], "2 images could not be read"),
    ],
)
def test_a_part_of_a_data_set_is_a_warning_with_advice(note: str, unreadable: list[str], summary: str) -> None:
    finding = complete(note, unreadable)
    assert (finding.summary, finding.severity) == (summary, "warn")
    all_images = summary.startswith("all images")
    assert finding.passed == all_images
    assert bool(finding.advice) != all_images


def test_missing_tensors_say_how_to_make_them(paths: Paths) -> None:
    with pytest.raises(FileNotFoundError, match="no tensors there; materialize mnist/tensors first"):
        require_tensors(paths, "mnist")
    with pytest.raises(FileNotFoundError, match="no raw files there; materialize mnist/raw first"):
        build(MNIST, paths)
