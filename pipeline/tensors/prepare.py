"""Prepare: one raw picture → one stored image; and the choice of the training pictures.

In: (H, W) or (H, W, 3) uint8. Out: (C, H, W) uint8, cropped, converted and resized by a `Preparation`.
The filter is Pillow's bicubic one, which widens with the scale and so does not alias. Parmar, Zhang, Zhu 2022 (arXiv
2104.11222) show how much other resizers move FID. Cropping comes before resizing, so that no pixel outside the crop has
an effect. Results agree with `CenterCrop` and `Resize(antialias=True)` of torchvision to one grey level.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.raw.contents import Picture, channels_first
from pipeline.raw.dataset import Preparation

FILTER = Image.Resampling.BICUBIC
MOST_TEST_IMAGES = 10_000  # if the training images are limited: scores compare equal counts

Image3D = npt.NDArray[np.uint8]  # (C, H, W), 0..255


class PreparationError(ValueError):
    """The preparation does not fit the pictures; the message names one of the pictures."""


def prepare(picture: Picture, preparation: Preparation, name: str) -> Image3D:
    """Return the stored image (C, H, W) of a picture (H, W) or (H, W, 3)."""
    if preparation.crop is None and preparation.size is None and preparation.channels in (None, _channels(picture)):
        return channels_first(picture)
    side = preparation.crop or (min(picture.shape[:2]) if preparation.size else None)
    image = Image.fromarray(picture if side is None else _crop_centre(picture, side, name))
    if preparation.channels not in (None, _channels(picture)):
        image = image.convert("L" if preparation.channels == 1 else "RGB")
    if preparation.size is not None:
        image = image.resize((preparation.size, preparation.size), FILTER)
    return channels_first(np.asarray(image))


def _channels(picture: Picture) -> int:
    return 1 if picture.ndim == 2 else picture.shape[2]


def _crop_centre(picture: Picture, side: int, name: str) -> Picture:
    height, width = picture.shape[:2]
    if side > min(height, width):
        raise PreparationError(
            f"{name}: found an image of {width} x {height} pixels, expected at least {side} x {side} to crop; set a "
            "smaller crop or remove the image"
        )
    top, left = round((height - side) / 2), round((width - side) / 2)  # torchvision rounds an odd margin the same way
    return picture[top : top + side, left : left + side]


def chosen_indices(split: str, count: int, preparation: Preparation) -> npt.NDArray[np.int64]:
    """Return the indices of the chosen images of a split ("train" or "test") of `count`, in their order."""
    limit = preparation.num_images
    if limit is None:
        return np.arange(count)
    if split == "test":
        return np.arange(min(count, MOST_TEST_IMAGES))
    if preparation.subset == "random" and limit < count:
        return np.sort(np.random.default_rng(preparation.seed).choice(count, limit, replace=False))
    return np.arange(min(count, limit))


def choice_note(available: int, preparation: Preparation) -> str:
    """Return the fact about the choice of training images that readers of a score need; empty without a choice."""
    limit = preparation.num_images
    if limit is None or limit == available:
        return ""
    if limit > available:
        return f"all {available:,} training images, fewer than the {limit:,} asked for"
    rule = f"random, seed {preparation.seed}" if preparation.subset == "random" else "the first by name"
    return f"{limit:,} of {available:,} training images ({rule})"
