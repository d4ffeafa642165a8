"""Score sheet: the generated images closest to training images, each above the training image it resembles, as a PNG.

In: both sets as stored in their files, with features of the readable images. Out: one picture. Only there all images
become RGB and of one size, the size of the largest generated one in it, at most 256 pixels wide or high.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from pipeline.metrics.memorisation import nearest_training_images
from pipeline.metrics.standalone.extraction import ExtractedSet
from pipeline.raw.contents import Picture
from pipeline.storage.pictures import write_grid

PAIRS = 16
LARGEST_SIDE = 256  # pixels of a tile; 16 photographs beside each other would be no picture to look at
SCALE = 2
SCALED_BELOW = 64  # pixels; smaller images are shown at twice their size


def expect_writable(path: Path) -> None:
    """Raise if a sheet cannot be written there; called before minutes of computing."""
    if path.suffix.lower() != ".png":
        raise ValueError(f"--sheet is {path}, expected the name of a .png to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")


def write_sheet(path: Path, generated: ExtractedSet, train: ExtractedSet) -> None:
    """Write two rows of at most 16 images: generated ones, closest first, above their nearest training images."""
    chosen, nearest, _ = nearest_training_images(generated.features.features, train.features.features, PAIRS)
    above, below = [_rgb(generated.picture(row)) for row in chosen], [_rgb(train.picture(row)) for row in nearest]
    widths, heights = [image.width for image in above], [image.height for image in above]
    size = min(max(widths), LARGEST_SIDE), min(max(heights), LARGEST_SIDE)
    pixels = np.stack([_tile(image, size) for image in (*above, *below)])
    write_grid(path, pixels, columns=len(above), scale=SCALE if max(size) < SCALED_BELOW else 1)


def _rgb(picture: Picture) -> Image.Image:
    return Image.fromarray(picture).convert("RGB")


def _tile(picture: Image.Image, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the picture as (3, H, W) uint8 at its own proportions, with black bars where these differ from `size`."""
    return np.moveaxis(np.asarray(ImageOps.pad(picture, size)), -1, 0)
