"""Copies: a picture of the generated images that are closest to training images, each above its nearest neighbour.

In: a member's images and features, and the data set's training images. Out: rows of pictures, two rows per member, the
closest pair first. A generator that copies training images shows the same image twice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.metrics.features import Features
from pipeline.metrics.memorisation import nearest_training_images
from pipeline.metrics.reference import Reference, seeded_order
from pipeline.storage.atomic import atomic_file
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.pictures import read_grid, write_grid

PAIRS = 16  # pairs per member
SCALE = 2  # pixels of the picture per pixel of an image, in each direction


def closest_pairs(pixels: Pixels, features: Features, reference: Reference, train: ImageFile) -> Pixels:
    """Return (2 · PAIRS, C, H, W): a member's generated images, then their nearest training images.

    `pixels` are all images of the member, (N, C, H, W) uint8.
    """
    generated, nearest, _ = nearest_training_images(features.features, reference.train.features, PAIRS)
    # The reference holds features of training images in a seeded order; this order gives their row in `train`.
    rows = seeded_order(len(train), len(reference.train))[nearest]
    columns = np.arange(PAIRS) % len(generated)  # with fewer images than pairs, the row repeats from its start
    return np.concatenate([pixels[generated[columns]], np.stack([train.pixels[row] for row in rows[columns]])])


def read_pairs(path: Path, image_shape: tuple[int, int, int]) -> list[Pixels]:
    """Return the pairs of each member that `write_pairs` wrote."""
    pixels = read_grid(path, image_shape, PAIRS, SCALE)
    return np.split(pixels, len(pixels) // (2 * PAIRS))


def write_pairs(path: Path, pairs: list[Pixels]) -> None:
    """Write all members' pairs as one picture, by rename; remove the picture if there are no pairs."""
    if not pairs:
        path.unlink(missing_ok=True)
        return
    with atomic_file(path) as temporary:
        write_grid(temporary, np.concatenate(pairs), PAIRS, SCALE)
