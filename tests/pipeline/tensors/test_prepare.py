from typing import Literal

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from pipeline.raw.dataset import Preparation
from pipeline.tensors.prepare import PreparationError, choice_note, chosen_indices, prepare

GREY = np.random.default_rng(0).integers(0, 256, (7, 9), np.uint8)
SMOOTH = np.stack(
    [127 + 120 * np.sin(np.add.outer(np.arange(218) / (9 + k), np.arange(178) / (7 + k))) for k in range(3)], axis=2
).astype(np.uint8)
NOISE = np.random.default_rng(1).integers(0, 256, (218, 178, 3), np.uint8)


def test_without_a_preparation_pixels_stay_as_they_are() -> None:
    assert np.array_equal(prepare(GREY, Preparation(), "x"), GREY[None])
    assert np.array_equal(prepare(NOISE, Preparation(channels=3), "x"), NOISE.transpose(2, 0, 1))


def test_the_crop_is_the_centre() -> None:
    assert np.array_equal(prepare(GREY, Preparation(crop=5), "x"), GREY[None, 1:6, 2:7])


@pytest.mark.parametrize("picture", [SMOOTH, NOISE], ids=["smooth", "noise"])
@pytest.mark.parametrize(("crop", "size"), [(108, 28), (160, 64), (None, 64), (101, 28), (50, 64)])
def test_crop_and_resize_agree_with_torchvision_to_one_grey_level(picture: np.ndarray, crop: int, size: int) -> None:
    prepared = prepare(picture, Preparation(crop=crop, size=size), "x")
    resize = v2.Resize((size, size), v2.InterpolationMode.BICUBIC, antialias=True)
    expected = v2.Compose([v2.CenterCrop(crop or 178), resize])(torch.tensor(picture.transpose(2, 0, 1)))
    assert np.abs(prepared.astype(int) - expected.numpy()).max() <= 1


def test_nothing_outside_the_crop_gets_in() -> None:
    framed = np.full((218, 178, 3), 255, np.uint8)
    framed[55:163, 35:143] = 10
    assert (prepare(framed, Preparation(crop=108, size=28), "x") == 10).all()


def test_a_fine_pattern_becomes_grey_and_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (108, 54))
    prepared = prepare(stripes, Preparation(size=28), "x").astype(int)
    assert np.abs(prepared - 127).max() < 12  # an aliasing resize gives bands from 0 to 255


def test_without_a_crop_the_largest_square_is_resized() -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 200
    assert (prepare(wide, Preparation(size=5), "x") == 200).all()


def test_channels_are_converted() -> None:
    assert prepare(GREY, Preparation(channels=3), "x").tolist() == [GREY.tolist()] * 3
    colours = np.array([[[255, 0, 0], [0, 255, 0], [10, 10, 10]]], np.uint8)
    assert prepare(colours, Preparation(channels=1), "x").tolist() == [[[76, 150, 10]]]  # ITU-R 601


def test_an_image_smaller_than_the_crop_is_named() -> None:
    with pytest.raises(
        PreparationError, match=r"a/b\.png: found an image of 9 x 7 pixels, expected at least 8 x 8 to cr"
    ):
        prepare(GREY, Preparation(crop=8), "a/b.png")


def test_the_subset_is_the_first_images_or_random_ones_in_their_order() -> None:
    assert chosen_indices("train", 10, Preparation()).tolist() == list(range(10))
    assert chosen_indices("train", 10, Preparation(num_images=4)).tolist() == [0, 1, 2, 3]
    random = [
        chosen_indices("train", 1000, Preparation(num_images=50, subset="random", seed=seed)).tolist()
        for seed in (0, 0, 1)
    ]
    assert random[0] == random[1] == sorted(set(random[0]))
    assert random[0] != random[2]
    assert (len(random[0]), max(random[0]) > 500) == (50, True)


@pytest.mark.parametrize("subset", ["first", "random"])
def test_more_images_than_there_are_means_all(subset: Literal["first", "random"]) -> None:
    assert chosen_indices("train", 10, Preparation(num_images=50, subset=subset)).tolist() == list(range(10))


def test_test_images_are_limited_only_where_training_images_are() -> None:
    assert len(chosen_indices("test", 19_962, Preparation())) == 19_962
    assert chosen_indices("test", 19_962, Preparation(num_images=5000, subset="random")).tolist() == list(range(10_000))


def test_the_note_names_the_images_taken() -> None:
    assert choice_note(100, Preparation()) == choice_note(100, Preparation(num_images=100)) == ""
    assert choice_note(100, Preparation(num_images=60)) == "60 of 100 training images (the first by name)"
    assert (
        choice_note(100, Preparation(num_images=60, subset="random", seed=4))
        == "60 of 100 training images (random, seed 4)"
    )
    assert (
        choice_note(4000, Preparation(num_images=5000)) == "all 4,000 training images, fewer than the 5,000 asked for"
    )
