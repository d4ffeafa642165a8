"""Features: what an extractor sees in a set of images, and what a metric is: a function of two such sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]


NEIGHBOURS = 5  # Naeem et al. 2020; Kynkäänniemi et al. 2019 take 3


class NotFiniteError(ValueError):
    """Features or logits hold NaN or infinity: no score can be given, and none is made up."""


@dataclass(frozen=True)
class Features:
    """One set of images as an extractor sees it."""

    features: Matrix  # (N, D) activations of the last hidden layer
    logits: Matrix | None = None  # (N, C) before the softmax; None where an extractor gives features alone

    def __post_init__(self) -> None:
        for name, values in (("features", self.features), ("logits", self.logits)):
            if values is not None:
                expect_finite_rows(name, values)

    def __len__(self) -> int:
        return len(self.features)

    def first(self, count: int) -> Features:
        """The first `count` images."""
        return self.at(slice(count))

    def at(self, places: slice | npt.NDArray[np.int64]) -> Features:
        """The images at these places."""
        return Features(self.features[places], None if self.logits is None else self.logits[places])


def expect_finite_rows(name: str, values: Matrix) -> None:
    """Raise where values are not a finite (N, D) matrix; `name` says whose."""
    if values.ndim != 2:
        raise ValueError(f"{name}: found shape {values.shape}, expected (N, values)")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise NotFiniteError(f"{name}: {int((~finite).sum())} of {len(values)} images have NaN or infinite values")


@dataclass(frozen=True)
class Real:
    """What a set of images is judged against."""

    test: Features  # real images that no network was trained on
    train: Features | None = None  # real images the generator was trained on, to find copies of them
    neighbours: int = NEIGHBOURS  # k of everything that asks for nearest neighbours


@dataclass(frozen=True)
class Score:
    """A number with what it rests on."""

    value: float
    standard_error: float | None = None  # of drawing other images from the same two distributions; None: not known
    by_class: tuple[float, ...] | None = None  # the same score class by class, where it has classes


# What an extractor's logits stand for: one of the data set's classes holds, or any number of its attributes do, or one
# of the classes of other data (ImageNet), or there are none.
CLASSES, ATTRIBUTES, IMAGENET, NO_LOGITS = "classes", "attributes", "imagenet_classes", "none"


@dataclass(frozen=True)
class Metric:
    """A metric: the names of its scores, and how they are computed from a judged set and real images."""

    scores: Mapping[str, str]  # score name → "lower" | "higher" | "neither" is better
    compute: Callable[[Features, Real], dict[str, Score]]  # (judged, real) → score by name
    labels: tuple[str, ...] = (CLASSES, ATTRIBUTES, IMAGENET, NO_LOGITS)  # the kinds of logits it is defined for
    needs_train: bool = False  # whether it is defined only where the training images are known
    notes: Mapping[str, str] = field(default_factory=dict)  # kind of logits → what a reader of the scores must know
