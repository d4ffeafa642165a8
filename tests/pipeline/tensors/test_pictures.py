"""Tensors of encoded pictures: decoded side by side, subset, attributes, unreadable ones, memory."""

import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.raw import progress as progress_module
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS, load_datasets
from pipeline.raw.contents import RawSplit, UnreadableImageError
from pipeline.raw.dataset import Dataset, Preparation
from pipeline.raw.details import RawDetails
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import require_artefact
from pipeline.storage.paths import PROJECT, Paths
from pipeline.tensors import BLOCKING
from pipeline.tensors import decode as decode_module
from pipeline.tensors.build import build
from pipeline.tensors.decode import decode_split
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.load import load_split
from pipeline.tensors.prepare import PreparationError, prepare
from tests.celeba_archive import encode, small_attributes, write_small_celeba, write_zip
from tests.pipeline.tensors.current_findings import current_findings

CELEBA = DATASETS["celeba"]


@pytest.fixture
def raw(tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The raw files of the small archive."""
    monkeypatch.setenv("GANFORGE_CELEBA", str(write_small_celeba(tmp_path / "celeba")))
    acquire(CELEBA, paths)
    return paths


def prepared(**fields: object) -> Dataset:
    return replace(CELEBA, preparation=replace(CELEBA.preparation, **fields))  # type: ignore[arg-type]


def own_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> Dataset:
    (tmp_path / "datasets.toml").write_text(f"[own]\n{entry}\n")
    monkeypatch.setenv("GANFORGE_DATASETS", str(tmp_path / "datasets.toml"))
    return load_datasets()["own"]


# ---------------------------------------------------------------------------------------------------------------------
# Pictures that are stored


def test_celeba_is_stored_as_the_blog_prepares_it(raw: Paths) -> None:
    tensors = build(CELEBA, raw)
    train, test = load_split(tensors, "train"), load_split(tensors, "test")
    assert (train.pixels.shape, test.pixels.shape) == ((36, 3, 28, 28), (12, 3, 28, 28))
    assert np.array_equal(train.columns["attributes"], small_attributes(60)[:36])
    assert set(train.columns) == {"attributes"}
    stored = {
        name: train.metadata[name] for name in ("crop", "size", "resampling", "subset", "num_images", "value_range")
    }
    assert stored == {
        "crop": "108",
        "size": "28",
        "resampling": "bicubic, antialiased",
        "subset": "first",
        "num_images": "5000",
        "value_range": "-1,1",
    }
    details = tensors.details
    assert (details["labels"], details["image_shape"], details["unreadable"]) == ("attributes", [3, 28, 28], [])
    assert details["preparation"] == {
        "crop": 108,
        "size": 28,
        "channels": 3,
        "num_images": 5000,
        "subset": "first",
        "seed": 0,
        "resampling": "bicubic, antialiased",
    }
    assert "all 36 training images, fewer than the 5,000 asked for" in details["source"]["note"]
    assert all(finding.passed for finding in current_findings(tensors) if finding.check in BLOCKING)


def test_pixels_are_those_of_one_image_after_the_other(raw: Paths) -> None:
    artefact = require_artefact(raw.raw("celeba"), "raw files", "celeba/raw")
    split = open_raw(artefact)["train"]
    expected = np.stack([prepare(split.read(index), CELEBA.preparation, "x") for index in range(len(split))])
    assert np.array_equal(load_split(build(CELEBA, raw), "train").pixels, expected)


def test_the_other_preparation_is_made_from_the_same_raw_files(raw: Paths) -> None:
    tensors = build(DATASETS["celeba_64"], raw)
    assert tensors.details["image_shape"] == [3, 64, 64]
    assert tensors.folder == raw.tensors("celeba_64")
    assert (build(DATASETS["celeba_64"], raw).cached, build(CELEBA, raw).cached) == (True, False)


def test_an_own_preparation_of_the_same_raw_files_keeps_attributes_and_partition(
    tmp_path: Path, raw: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = 'raw = "celeba_64"\ncrop = 128\nsize = 32\nnum_images = 20\nsubset = "random"\nseed = 1'
    dataset = own_dataset(tmp_path, monkeypatch, entry)
    assert acquire(dataset, raw).cached
    tensors = build(dataset, raw)
    train, places = load_split(tensors, "train"), np.sort(np.random.default_rng(1).choice(36, 20, replace=False))
    assert tensors.folder == raw.tensors("own")
    assert (tensors.details["labels"], tensors.details["images"]) == ("attributes", {"train": 20, "test": 12})
    assert train.pixels.shape == (20, 3, 32, 32)
    assert np.array_equal(train.columns["attributes"], small_attributes(60)[places])


def test_every_part_of_the_preparation_makes_other_tensors(raw: Paths) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"crop": 100},
        {"size": 27},
        {"channels": 1},
        {"num_images": 9},
        {"subset": "random"},
        {"seed": 1},
    ]
    assert len({build(prepared(**change), raw).fingerprint for change in changes}) == len(changes)


def test_a_subset_limits_the_training_images_and_keeps_labels_beside_them(raw: Paths) -> None:
    tensors = build(prepared(num_images=20, subset="random", seed=3), raw)
    places = np.sort(np.random.default_rng(3).choice(36, 20, replace=False))
    assert tensors.details["images"] == {"train": 20, "test": 12}
    assert np.array_equal(load_split(tensors, "train").columns["attributes"], small_attributes(60)[places])
    assert tensors.details["source"]["note"].endswith("20 of 36 training images (random, seed 3)")
    assert current_findings(tensors)[0].passed


def test_pictures_without_labels_have_no_column_of_them(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(tmp_path / "p.zip", {f"{i}.png": encode(np.full((9, 9), 20 * i, np.uint8), "PNG") for i in range(10)})
    dataset = own_dataset(tmp_path, monkeypatch, 'path = "p.zip"')
    acquire(dataset, paths)
    tensors = build(dataset, paths)
    assert (tensors.details["labels"], tensors.details["image_shape"]) == ("none", [1, 9, 9])
    assert load_split(tensors, "train").columns == {}
    assert all(finding.passed for finding in current_findings(tensors) if finding.check in BLOCKING)
    assert (
        current_findings(replace(tensors, details=tensors.details | {"images": {"train": 7, "test": 2}}))[0].passed
        is False
    )


# ---------------------------------------------------------------------------------------------------------------------
# Pictures that cannot be stored


def with_undecodable(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: Paths) -> Dataset:
    """150 images of which some have a sound header and no sound end."""
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    encoded = encode(noise)
    files = {f"{index:03d}.jpg": encoded[:1200] if 3 <= index < 3 + count else encoded for index in range(150)}
    write_zip(tmp_path / "p.zip", files)
    dataset = own_dataset(tmp_path, monkeypatch, 'path = "p.zip"\nsize = 8')
    acquire(dataset, paths)
    return dataset


def test_a_few_images_that_cannot_be_decoded_are_named_and_left_out(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = with_undecodable(1, tmp_path, monkeypatch, paths)
    with caplog.at_level(logging.WARNING):
        tensors = build(dataset, paths)
    assert tensors.details["unreadable"] == ["003.jpg"]
    assert tensors.details["images"] == {"train": 119, "test": 30}
    assert "1 of 120 images cannot be decoded (003.jpg: image file is truncated" in caplog.text
    assert all(finding.passed for finding in current_findings(tensors) if finding.check in BLOCKING)


def test_more_of_them_are_one_error_and_leave_nothing(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = with_undecodable(4, tmp_path, monkeypatch, paths)
    with pytest.raises(
        DamagedFileError, match=r"own: train images: 3 of 120 images cannot be decoded .*at most 1; mater"
    ):
        build(dataset, paths)
    assert list((paths.root / "tensors").iterdir()) == []


def test_labels_stay_with_their_images_where_one_is_left_out(tmp_path: Path) -> None:
    def read(index: int) -> np.ndarray:
        if index == 50:
            raise UnreadableImageError("broken")
        return np.full((2, 2), index, np.uint8)

    split = RawSplit([str(index) for index in range(100)], np.arange(100), read)
    decoded = decode_split(split, Preparation(), tmp_path / "pixels", "x")
    pixels = np.fromfile(tmp_path / "pixels", np.uint8).reshape(99, 4)
    labels = decoded.labels(split)
    assert labels is not None
    assert np.array_equal(pixels[:, 0], labels)
    assert (decoded.unreadable, decoded.image_shape) == ({"50": "broken"}, (1, 2, 2))


def test_an_image_smaller_than_the_crop_stops_with_its_name(raw: Paths) -> None:
    with pytest.raises(PreparationError, match=r"img_align_celeba/000001\.jpg: found an image of 178 x 218 pixels"):
        build(prepared(crop=200), raw)
    assert list((raw.root / "tensors").iterdir()) == []


@pytest.mark.parametrize(("other", "words"), [((9, 8), "8 x 9 grey"), ((9, 9, 3), "9 x 9 RGB")])
def test_images_of_several_shapes_need_a_size(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, other: tuple[int, ...], words: str
) -> None:
    shapes = [(9, 9)] * 5 + [other] * 5
    write_zip(tmp_path / "p.zip", {f"{i}.png": encode(np.zeros(s, np.uint8), "PNG") for i, s in enumerate(shapes)})
    dataset = own_dataset(tmp_path, monkeypatch, 'path = "p.zip"')
    acquire(dataset, paths)
    with pytest.raises(
        PreparationError, match=rf"5\.png is {words}, the images before it 9 x 9 grey; expected one shape"
    ):
        build(dataset, paths)
    acquire(own_dataset(tmp_path, monkeypatch, 'path = "p.zip"\nsize = 8\nchannels = 1'), paths)
    assert build(own_dataset(tmp_path, monkeypatch, 'path = "p.zip"\nsize = 8\nchannels = 1'), paths).details[
        "image_shape"
    ] == [1, 8, 8]


# ---------------------------------------------------------------------------------------------------------------------
# Side by side, in constant memory


def test_many_threads_give_the_same_as_one(tmp_path: Path, raw: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact = require_artefact(raw.raw("celeba"), "raw files", "celeba/raw")
    split = open_raw(artefact)["train"].select(np.arange(720) % 36)
    paths = []
    for workers in (1, 8):
        monkeypatch.setattr(decode_module, "available_cores", lambda workers=workers: workers)
        decode_split(split, CELEBA.preparation, tmp_path / "pixels", "x")
        paths.append((tmp_path / "pixels").read_bytes())
    assert paths[0] == paths[1]


def test_no_more_than_a_few_chunks_are_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "available_cores", lambda: 2)
    taken, most_ahead, lock = 0, 0, threading.Lock()
    started: set[int] = set()

    def work(first: int) -> int:
        nonlocal most_ahead
        with lock:
            started.add(first)
            most_ahead = max(most_ahead, len(started) - taken)
        return first

    for index, result in enumerate(decode_module.in_order(work, range(500), 2)):
        assert result == index
        taken += 1
    assert most_ahead <= 2 * decode_module.CHUNKS_AHEAD + 1


def test_progress_is_logged_with_images_per_second(
    raw: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress_module, "PROGRESS_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        build(CELEBA, raw)
    assert "celeba: train images: 32/36 images, " in caplog.text
    assert " images/s" in caplog.text


MEMORY_PROGRAM = """
from pipeline.memory import peak_memory_mib
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.paths import Paths
from pipeline.tensors import check
from pipeline.tensors.build import build
check.IMAGES_AT_ONCE = 100  # blocks of 1,024 images would be larger than the pixels of the few images here
dataset, paths = DATASETS["celeba_64"], Paths.default()
acquire(dataset, paths)
build(dataset, paths)
print(peak_memory_mib())
"""


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    peaks_mib = []
    for count in (500, 6000):
        pictures = [encode(np.full((160, 160, 3), 20 * index, np.uint8)) for index in range(10)]
        write_zip(tmp_path / f"{count}.zip", {f"{index:06d}.jpg": pictures[index % 10] for index in range(count)})
        environment = os.environ | {
            "GANFORGE_CELEBA": str(tmp_path / f"{count}.zip"),
            "GANFORGE_DATA": str(tmp_path / str(count)),
            "PYTHONPATH": str(PROJECT),
        }
        command = [sys.executable, "-c", MEMORY_PROGRAM]
        peaks_mib.append(float(subprocess.check_output(command, env=environment, cwd=PROJECT)))
    pixels_mib = (6000 - 500) * 3 * 64 * 64 / 2**20
    assert peaks_mib[1] - peaks_mib[0] < pixels_mib / 2  # 15 of 64 MiB measured, for names, places and buffers


def test_nothing_but_the_two_splits_is_left(raw: Paths) -> None:
    tensors = build(CELEBA, raw)
    assert sorted(path.name for path in tensors.folder.iterdir()) == ["manifest.json", "test.arrow", "train.arrow"]
    assert not load_split(tensors, "train").pixels.flags.owndata


# ---------------------------------------------------------------------------------------------------------------------
# The real photographs


def test_the_real_photographs_are_all_stored(real_celeba: Path, paths: Paths) -> None:
    listed = acquire(CELEBA, paths).details_as(RawDetails).images
    tensors = build(CELEBA, paths)
    details = tensors.details_as(TensorsDetails)
    assert details.images == {"train": min(listed["train"], 5000), "test": min(listed["test"], 10_000)}
    assert details.unreadable == ()
    assert all(finding.passed for finding in current_findings(tensors) if finding.check in BLOCKING)
    mean = load_split(tensors, "train").pixels.mean(axis=(0, 2, 3))
    assert mean[0] > mean[1] > mean[2] > 60  # skin is red before green before blue
