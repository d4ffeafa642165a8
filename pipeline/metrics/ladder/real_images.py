"""Real images of a ladder, divided into three sets: images to compare with, images to corrupt, and spare images.

In: a data set's splits and its reference features. Out: `RealImages`. Held-out images are divided at random, so level 0
compares real with real images, and no image is on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.metrics.extractors.extractor import joined_features
from pipeline.metrics.features import Features
from pipeline.metrics.ladder.corruptions import (
    COPIES,
    DUPLICATION,
    IMAGE_CORRUPTIONS,
    MODE_DROP,
    SET_CORRUPTIONS,
    Indices,
    copy_training_images,
    drop_modes,
    duplicate,
)
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.reference import Reference, seeded_order
from pipeline.storage.images import ImageFile, Pixels
from pipeline.tensors import LABEL_COLUMNS

IMAGES = 2000  # per side
FEWEST_IMAGES = 20
TRAIN_IMAGES = 10_000  # most training images among which copies are looked for
SEED = 0
ATTRIBUTES_OF_MODES = 3


@dataclass(frozen=True)
class RealImages:
    """The images of a ladder with their features.

    Row numbers count the held-out images first and then the training images, in the reference's order.
    """

    test: Pixels  # (N, C, H, W) held out
    train: Pixels  # (M, C, H, W) training images among which copies are looked for
    features: Features  # (N + M) rows, of both
    modes: Indices | None  # (N,) the mode of each held-out image; None if there are no labels
    images: int  # per side

    def __post_init__(self) -> None:
        if self.images < FEWEST_IMAGES or 3 * self.images > len(self.test) or self.images > len(self.train):
            raise ValueError(
                f"found {len(self.test)} held-out and {len(self.train)} training images for a ladder of {self.images}, "
                f"expected at least {FEWEST_IMAGES}, three times as many held-out and as many training images"
            )

    @cached_property
    def order(self) -> Indices:
        """The rows of the held-out images in a seeded order: to compare with, to corrupt, spare."""
        return np.random.default_rng(SEED).permutation(len(self.test))

    @property
    def to_corrupt(self) -> Indices:
        """The rows of the images that are corrupted."""
        return self.order[self.images : 2 * self.images]

    @property
    def spare(self) -> Indices:
        """The rows of the spare images: at least as many, neither compared with nor corrupted."""
        return self.order[2 * self.images :]

    @cached_property
    def real(self) -> RealFeatures:
        """The features of the images against which scores are computed."""
        train = np.arange(len(self.test), len(self.features))
        return RealFeatures(self.features_of(self.order[: self.images]), self.features_of(train))

    def features_of(self, rows: Indices) -> Features:
        """Return the features of unchanged images."""
        return self.features.take(rows)

    def pixels(self, rows: Indices) -> Pixels:
        """Return the pixels of unchanged images."""
        count = len(self.test)
        return np.stack([self.test[row] if row < count else self.train[row - count] for row in rows])

    @property
    def corruptions(self) -> dict[str, tuple[float, ...]]:
        """The amounts of every corruption that these images allow, one per level."""
        corruptions = IMAGE_CORRUPTIONS | SET_CORRUPTIONS
        return {name: corruptions[name].amounts for name in corruptions if name != MODE_DROP or self.modes is not None}

    def rows_after(self, corruption: str, level: int) -> Indices:
        """Return the rows of the images in the set after a corruption of the set."""
        if corruption == MODE_DROP:
            assert self.modes is not None
            return drop_modes(self.to_corrupt, self.spare, self.modes, level)
        if corruption == DUPLICATION:
            return duplicate(self.to_corrupt, level)
        assert corruption == COPIES
        return copy_training_images(self.to_corrupt, np.arange(len(self.test), len(self.features)), level)


def real_images(test: ImageFile, train: ImageFile, reference: Reference, images: int = IMAGES) -> RealImages:
    """Divide the images of a data set's splits for a ladder, with their reference features."""
    count = min(len(reference.train), TRAIN_IMAGES)
    return RealImages(
        test.pixels,
        train.pixels[seeded_order(len(train), count)],
        joined_features([reference.test, reference.train.first(count)]),
        modes_of(test),
        min(images, len(test) // 3, count),
    )


def modes_of(split: ImageFile) -> Indices | None:
    """Return the mode of each image, which a generator could drop: its class, or its combination of attributes.

    The attributes are those that divide the images most evenly. None without labels.
    """
    attributes = split.columns.get(LABEL_COLUMNS["attributes"])
    if attributes is not None:
        most_even = np.argsort(np.abs(attributes.mean(axis=0) - 0.5), kind="stable")[:ATTRIBUTES_OF_MODES]
        combinations: Indices = attributes[:, most_even].astype(np.int64) @ (1 << np.arange(len(most_even)))
        return combinations
    return split.columns.get(LABEL_COLUMNS["classes"])
