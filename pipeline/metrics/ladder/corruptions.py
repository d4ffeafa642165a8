"""Corruptions: real images made worse in a graded way, to test which score notices which corruption.

In: images (N, C, H, W) uint8 in 0..255 and a level, 0 to 3. Out: as many images of the same kind. Level 0 leaves the
images unchanged.
Source of the first five and their amounts: Heusel et al. 2017, arXiv 1706.08500, appendix, on faces of 64x64 pixels.
Lengths are shares of the image's side, so that 28x28 digits are disturbed as much as 64x64 faces. Three points differ
from the paper, or are open there:

- its swirl turns a spot of a few pixels only; here the turn falls to 1/e at an eighth of the side
- its noise is scaled by its own extremes; here its mean is mid-grey and six standard deviations fill 0..255
- five rectangles of three quarters of the side would hide everything; here the amount is the area of all five together,
  overlaps counted twice

The last three corruptions change the set and not the images: they choose the real images in it, by index.
All levels share their random numbers, so that a higher level adds to a lower one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from pipeline.storage.images import Pixels

LEVELS = 4
PAPER_SIDE = 64  # pixels
SWIRL_REACH = 1 / 8  # share of the side
RECTANGLES = 5
DEVIATIONS = 6  # standard deviations of noise that fill the range of pixels
BLOCK = 500  # images at a time, so that float copies stay small

Indices = npt.NDArray[np.int64]
Amounts = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageCorruption:
    """A corruption that changes every image by itself."""

    unit: str  # the quantity that the amounts measure
    amounts: Amounts  # by level
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]


@dataclass(frozen=True)
class SetCorruption:
    """A corruption that changes the set: other real images, or some of them more than once."""

    unit: str
    amounts: Amounts


def corrupt(name: str, pixels: Pixels, level: int, seed: int = 0) -> Pixels:
    """Return images (N, C, H, W) uint8 after `IMAGE_CORRUPTIONS[name]` at a level of 0 to 3.

    Raises ValueError for other pixels or levels. Random numbers depend on the seed and an image's index alone.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise ValueError(f"found {pixels.dtype} pixels of shape {pixels.shape}, expected uint8 (N, C, H, W)")
    _expect_level(level)
    if level == 0:
        return pixels.copy()
    corruption, random = IMAGE_CORRUPTIONS[name], np.random.default_rng(seed)
    changed = np.empty_like(pixels)
    for start in range(0, len(pixels), BLOCK):
        block = slice(start, start + BLOCK)
        changed[block] = corruption.apply(pixels[block], corruption.amounts[level], random)
    return changed


def drop_modes(images: Indices, spare: Indices, modes: Indices, level: int) -> Indices:
    """Return as many indices as `images` has, of images with modes that are not dropped.

    `modes` (N,) is the mode of every image, such as its class. The rarest modes are dropped: as many as hold up to
    10 %, 30 % and 50 % of the images, but at least one; of ten classes about 1, 3 and 5. Spare images replace them,
    each once; as many spare images as `images` are always enough. Raises ValueError for too few.
    """
    pool = np.concatenate([images, spare])
    has_kept_mode = ~np.isin(modes[pool], _dropped(modes[pool], level))
    replacements = spare[has_kept_mode[len(images) :]]
    result, gaps = images.copy(), np.flatnonzero(~has_kept_mode[: len(images)])
    if len(gaps) > len(replacements):
        raise ValueError(f"found {len(replacements)} spare images of the modes kept, expected at least {len(gaps)}")
    result[gaps] = replacements[: len(gaps)]
    return result


def duplicate(images: Indices, level: int) -> Indices:
    """Return as many indices as `images` has, of its first 1/2, 1/5 or 1/20, each 2, 5 or 20 times."""
    _expect_level(level)
    times = int(SET_CORRUPTIONS[DUPLICATION].amounts[level])
    return np.repeat(images[: -(-len(images) // times)], times)[: len(images)]


def copy_training_images(images: Indices, train: Indices, level: int) -> Indices:
    """Replace a share of the indices, from the first on, by those of different training images."""
    _expect_level(level)
    count = round(SET_CORRUPTIONS[COPIES].amounts[level] * len(images))
    if count > len(train):
        raise ValueError(f"found {len(train)} training images, expected at least {count} to copy")
    return np.concatenate([train[:count], images[count:]])


def _dropped(modes: Indices, level: int) -> Indices:
    _expect_level(level)
    labels, counts = np.unique(modes, return_counts=True)
    if level == 0 or len(labels) < 2:
        return labels[:0]
    rarest_first = np.argsort(counts, kind="stable")
    most = SET_CORRUPTIONS[MODE_DROP].amounts[level] * len(modes)
    fitting = int((np.cumsum(counts[rarest_first]) <= most).sum())
    dropped: Indices = labels[rarest_first[: max(1, fitting)]]
    return dropped


def _expect_level(level: int) -> None:
    if level not in range(LEVELS):
        raise ValueError(f"found level {level}, expected 0 (unchanged) to {LEVELS - 1}")


def _noise(pixels: Pixels, share: float, random: np.random.Generator) -> Pixels:
    noise = random.standard_normal(pixels.shape, np.float32) * (255 / DEVIATIONS) + 127.5
    return _rounded((1 - share) * pixels + share * noise)


def _blur(pixels: Pixels, deviation: float, random: np.random.Generator) -> Pixels:  # noqa: ARG001, uses no random numbers
    scale = deviation / PAPER_SIDE
    sigma = (0, 0, scale * pixels.shape[2], scale * pixels.shape[3])
    return _rounded(scipy.ndimage.gaussian_filter(pixels.astype(np.float32), sigma, mode="nearest"))


def _rectangles(pixels: Pixels, share: float, random: np.random.Generator) -> Pixels:
    changed, (height, width) = pixels.copy(), pixels.shape[2:]
    side = (share / RECTANGLES) ** 0.5
    size = max(1, round(side * height)), max(1, round(side * width))
    positions = random.random((len(pixels), RECTANGLES, 2)) * (height - size[0] + 1, width - size[1] + 1)
    for image, corners in zip(changed, positions.astype(np.int64), strict=True):
        for top, left in corners:
            image[:, top : top + size[0], left : left + size[1]] = 0
    return changed


def _swirl(pixels: Pixels, turn: float, random: np.random.Generator) -> Pixels:  # noqa: ARG001, uses no random numbers
    """Turn every image around its centre by `turn` radians, less with distance; bilinear between pixels."""
    height, width = pixels.shape[2:]
    y, x = np.mgrid[:height, :width]
    down, right = y - (height - 1) / 2, x - (width - 1) / 2
    distance, angle = np.hypot(down, right), np.arctan2(down, right)
    angle += turn * np.exp(-distance / (SWIRL_REACH * min(height, width)))
    from_y = np.clip((height - 1) / 2 + distance * np.sin(angle), 0, height - 1)
    from_x = np.clip((width - 1) / 2 + distance * np.cos(angle), 0, width - 1)
    top, left = from_y.astype(np.int64), from_x.astype(np.int64)
    lower, right_of = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    part_y, part_x = (from_y - top).astype(np.float32), (from_x - left).astype(np.float32)
    above = (1 - part_x) * pixels[..., top, left] + part_x * pixels[..., top, right_of]
    below = (1 - part_x) * pixels[..., lower, left] + part_x * pixels[..., lower, right_of]
    return _rounded((1 - part_y) * above + part_y * below)


def _salt_and_pepper(pixels: Pixels, share: float, random: np.random.Generator) -> Pixels:
    numbers = random.random((len(pixels), 1, *pixels.shape[2:]), np.float32)  # one number for all channels of a pixel
    peppered = np.where(numbers < share / 2, np.uint8(0), pixels)
    salted: Pixels = np.where(numbers >= 1 - share / 2, np.uint8(255), peppered)
    return salted


def _rounded(values: npt.NDArray[np.floating]) -> Pixels:
    pixels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels


IMAGE_CORRUPTIONS: dict[str, ImageCorruption] = {
    "noise": ImageCorruption("share of Gaussian noise in each pixel", (0, 0.25, 0.5, 0.75), _noise),
    "blur": ImageCorruption("standard deviation in 64ths of the side", (0, 1, 2, 4), _blur),
    "rectangles": ImageCorruption(
        "area of 5 black rectangles together, share of the image's", (0, 0.25, 0.5, 0.75), _rectangles
    ),
    "swirl": ImageCorruption("turn of the centre in radians", (0, 1, 2, 4), _swirl),
    "salt_pepper": ImageCorruption("share of pixels made black or white", (0, 0.1, 0.2, 0.3), _salt_and_pepper),
}
MODE_DROP, DUPLICATION, COPIES = "mode_drop", "duplication", "copies"
SET_CORRUPTIONS: dict[str, SetCorruption] = {
    MODE_DROP: SetCorruption("share of the images whose modes are dropped, at most", (0, 0.1, 0.3, 0.5)),
    DUPLICATION: SetCorruption("times that each image is in the set", (1, 2, 5, 20)),
    COPIES: SetCorruption("share of training images", (0, 0.1, 0.5, 1)),
}
