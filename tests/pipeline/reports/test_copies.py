from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.metrics.features import Features
from pipeline.metrics.reference import Reference, seeded_order
from pipeline.reports.copies import PAIRS, SCALE, closest_pairs, read_pairs, write_pairs
from pipeline.storage.images import ImageFile, read_images, write_images
from pipeline.storage.pictures import GAP_PIXELS


@pytest.fixture
def train(tmp_path: Path) -> ImageFile:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), np.uint8)
    write_images(tmp_path / "train.arrow", pixels, {}, {})
    return read_images(tmp_path / "train.arrow")


def seen(pixels: np.ndarray) -> Features:
    return Features(pixels.reshape(len(pixels), -1).astype(np.float32))


def reference(train: ImageFile) -> Reference:
    kept = seen(np.asarray(train.pixels)[seeded_order(60, 50)])
    return Reference(kept, kept, kept, "none")


def test_copies_stand_first_above_the_very_images_they_copy(train: ImageFile) -> None:
    generated = np.random.default_rng(1).integers(0, 256, (40, 1, 8, 8), np.uint8)
    copied = seeded_order(60, 50)[[7, 30]]
    generated[[5, 20]] = np.asarray(train.pixels)[copied]
    pairs = closest_pairs(generated, seen(generated), reference(train), train)
    assert pairs.shape == (2 * PAIRS, 1, 8, 8)
    assert np.array_equal(pairs[:2], generated[[5, 20]])
    assert np.array_equal(pairs[PAIRS : PAIRS + 2], np.asarray(train.pixels)[copied])
    assert not np.array_equal(pairs[2], pairs[PAIRS + 2])


def test_a_set_of_few_images_fills_its_row(train: ImageFile) -> None:
    generated = np.asarray(train.pixels)[:3]
    assert closest_pairs(generated, seen(generated), reference(train), train).shape == (2 * PAIRS, 1, 8, 8)


def test_the_picture_has_two_rows_per_member_and_goes_when_no_member_has_images(
    tmp_path: Path, train: ImageFile
) -> None:
    generated = np.asarray(train.pixels)[:20]
    pairs = closest_pairs(generated, seen(generated), reference(train), train)
    path = tmp_path / "pairs.png"
    write_pairs(path, [pairs, pairs, pairs])
    with Image.open(path) as picture:
        rows, columns = 3 * 2, PAIRS
        gap = GAP_PIXELS
        assert picture.size == (SCALE * (columns * (8 + gap) - gap), SCALE * (rows * (8 + gap) - gap))
    assert np.array_equal(np.stack(read_pairs(path, (1, 8, 8))), np.stack([pairs, pairs, pairs]))
    write_pairs(path, [])
    assert list(tmp_path.glob("*.png")) == []
