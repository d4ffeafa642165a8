"""Picture: example images of every level of every corruption. In: the real images. Out: a PNG file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.metrics.ladder.corruptions import IMAGE_CORRUPTIONS, LEVELS, Indices, corrupt
from pipeline.metrics.ladder.real_images import SEED, RealImages
from pipeline.storage.images import Pixels
from pipeline.storage.pictures import write_grid

SHOWN = 5  # images per level


def write_picture(path: Path, images: RealImages) -> None:
    """Write one row per corruption: the first images at level 0, the same images at level 1, and so on."""
    tiles = [
        _pixels(images, corruption, level, images.to_corrupt[:SHOWN])
        for corruption in images.corruptions
        for level in range(LEVELS)
    ]
    write_grid(path, np.concatenate(tiles), SHOWN * LEVELS, scale=2)


def _pixels(images: RealImages, corruption: str, level: int, rows: Indices) -> Pixels:
    if corruption in IMAGE_CORRUPTIONS:
        return corrupt(corruption, images.pixels(rows), level, SEED)
    return images.pixels(images.rows_after(corruption, level)[: len(rows)])
