"""Copies: a picture of the generated images that look most like training images, each above the one it resembles.

In: a member's images and features, and the data set's training images. Out: rows of pictures, a pair of rows a member,
the closest pair first; a generator that copies shows the same image twice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.metrics.features import Features
from pipeline.metrics.memorisation import nearest_training_images
from pipeline.metrics.reference import Reference, seeded_order
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.pictures import write_grid
from pipeline.storage.whole import whole_file

PAIRS = 16  # a member
SCALE = 2


def closest_pairs(pixels: Pixels, seen: Features, reference: Reference, train: ImageFile) -> Pixels:
    """A member's images (N, C, H, W) → (2 · PAIRS, C, H, W): generated ones, then the training images nearest."""
    generated, nearest, _ = nearest_training_images(seen.features, reference.train.features, PAIRS)
    places = seeded_order(len(train), len(reference.train))[nearest]
    columns = np.arange(PAIRS) % len(generated)  # a short row is filled up with its beginning
    return np.concatenate([pixels[generated[columns]], np.stack([train.pixels[place] for place in places[columns]])])


def write_pairs(path: Path, pairs: list[Pixels]) -> None:
    """All members' pairs as one picture, by rename; none where no member drew anything."""
    if not pairs:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as temporary:
        write_grid(temporary, np.concatenate(pairs), PAIRS, SCALE)
