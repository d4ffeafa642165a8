"""Real images of a ladder: those that are judged against, those that are corrupted and judged, and spare ones.

In: a data set's splits and its reference features. Out: `RealImages`. Held-out images are divided at random, so level 0
is real against real with no image on both sides, and no score is judged on images it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.metrics.extractors.extractor import joined
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

IMAGES = 2000  # on either side
FEWEST_IMAGES = 20
TRAIN_IMAGES = 10_000  # that copies are looked for among
SEED = 0
ATTRIBUTES_OF_MODES = 3


@dataclass(frozen=True)
class RealImages:
    """The images a ladder stands on, with what the extractor sees in them.

    Places count the held-out images first and then the training images, in the reference's order.
    """

    test: Pixels  # (N, C, H, W) held out
    train: Pixels  # (M, C, H, W) those that copies are looked for among
    features: Features  # (N + M) of both
    modes: Indices | None  # (N,) the mode of each held-out image; None where nothing tells
    images: int  # on either side

    def __post_init__(self) -> None:
        if self.images < FEWEST_IMAGES or 3 * self.images > len(self.test) or self.images > len(self.train):
            raise ValueError(
                f"found {len(self.test)} held-out and {len(self.train)} training images for a ladder of {self.images}, "
                f"expected at least {FEWEST_IMAGES}, three times as many held-out and as many training images"
            )

    @cached_property
    def order(self) -> Indices:
        """The held-out images in a seeded order: against, judged, spare."""
        return np.random.default_rng(SEED).permutation(len(self.test))

    @property
    def judged(self) -> Indices:
        """The places of the images that are corrupted."""
        return self.order[self.images : 2 * self.images]

    @property
    def spare(self) -> Indices:
        """The places of at least as many images, on neither side."""
        return self.order[2 * self.images :]

    @cached_property
    def real(self) -> RealFeatures:
        """What is judged against."""
        train = np.arange(len(self.test), len(self.features))
        return RealFeatures(self.seen(self.order[: self.images]), self.seen(train))

    def seen(self, places: Indices) -> Features:
        """What the extractor sees in unchanged images."""
        return self.features.take(places)

    def pixels(self, places: Indices) -> Pixels:
        """The unchanged images."""
        count = len(self.test)
        return np.stack([self.test[place] if place < count else self.train[place - count] for place in places])

    @property
    def corruptions(self) -> dict[str, tuple[float, ...]]:
        """The amounts of every corruption that these images allow."""
        every = {name: each.amounts for name, each in (IMAGE_CORRUPTIONS | SET_CORRUPTIONS).items()}
        return {name: amounts for name, amounts in every.items() if name != MODE_DROP or self.modes is not None}

    def chosen(self, corruption: str, level: int) -> Indices:
        """The places of the images that a corruption of the set leaves."""
        if corruption == MODE_DROP:
            assert self.modes is not None
            return drop_modes(self.judged, self.spare, self.modes, level)
        if corruption == DUPLICATION:
            return duplicate(self.judged, level)
        assert corruption == COPIES
        return copy_training_images(self.judged, np.arange(len(self.test), len(self.features)), level)


def real_images(test: ImageFile, train: ImageFile, reference: Reference, images: int = IMAGES) -> RealImages:
    """The images of a data set's splits with their reference features, divided for a ladder."""
    known = min(len(reference.train), TRAIN_IMAGES)
    return RealImages(
        test.pixels,
        train.pixels[seeded_order(len(train), known)],
        joined([reference.test, reference.train.first(known)]),
        modes_of(test),
        min(images, len(test) // 3, known),
    )


def modes_of(split: ImageFile) -> Indices | None:
    """What a generator could leave out: classes, or combinations of the attributes that divide images most evenly."""
    attributes = split.columns.get(LABEL_COLUMNS["attributes"])
    if attributes is not None:
        most_even = np.argsort(np.abs(attributes.mean(axis=0) - 0.5), kind="stable")[:ATTRIBUTES_OF_MODES]
        combinations: Indices = attributes[:, most_even].astype(np.int64) @ (1 << np.arange(len(most_even)))
        return combinations
    return split.columns.get(LABEL_COLUMNS["classes"])
