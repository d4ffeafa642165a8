"""Picture: what the levels of every corruption look like. In: the real images. Out: a PNG file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.metrics.ladder.corruptions import IMAGE_CORRUPTIONS, LEVELS, Indices, corrupt
from pipeline.metrics.ladder.real_images import SEED, RealImages
from pipeline.storage.images import Pixels
from pipeline.storage.pictures import write_grid

SHOWN = 5  # images a level


def write_picture(path: Path, found: RealImages) -> None:
    """A row a corruption: the first images at level 0, the same places at level 1, and so on."""
    tiles = [
        _pixels(found, corruption, level, found.judged[:SHOWN])
        for corruption in found.corruptions
        for level in range(LEVELS)
    ]
    write_grid(path, np.concatenate(tiles), SHOWN * LEVELS, scale=2)


def _pixels(found: RealImages, corruption: str, level: int, places: Indices) -> Pixels:
    if corruption in IMAGE_CORRUPTIONS:
        return corrupt(corruption, found.pixels(places), level, SEED)
    return found.pixels(found.chosen(corruption, level)[: len(places)])
