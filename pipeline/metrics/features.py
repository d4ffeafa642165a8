"""Features: the values that an extractor computes from a set of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]

# The meaning of an extractor's logits. CLASSES: each image has one of the data set's classes. ATTRIBUTES: it has any
# number of the data set's attributes. IMAGENET: it has one class of other data. NO_LOGITS: there are no logits.
CLASSES, ATTRIBUTES, IMAGENET, NO_LOGITS = "classes", "attributes", "imagenet_classes", "none"


class NotFiniteError(ValueError):
    """Features or logits contain NaN or infinity. No score is computed from them, and none is made up."""


@dataclass(frozen=True)
class Features:
    """Features and logits of one set of images, one row per image."""

    features: Matrix  # (N, D) activations of the last hidden layer
    logits: Matrix | None = None  # (N, C) before the softmax; None if the extractor has features only

    def __post_init__(self) -> None:
        for name, values in (("features", self.features), ("logits", self.logits)):
            if values is not None:
                expect_finite_rows(name, values)

    def __len__(self) -> int:
        return len(self.features)

    def first(self, count: int) -> Features:
        """Return the features of the first `count` images."""
        return self.take(slice(count))

    def take(self, rows: slice | npt.NDArray[np.int64]) -> Features:
        """Return the features of the images in these rows, in the order of `rows`."""
        return Features(self.features[rows], None if self.logits is None else self.logits[rows])


def expect_finite_rows(name: str, values: Matrix) -> None:
    """Raise an error that begins with `name` unless `values` is a finite matrix (N, values)."""
    if values.ndim != 2:
        raise ValueError(f"{name}: found shape {values.shape}, expected (N, values)")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise NotFiniteError(f"{name}: {int((~finite).sum())} of {len(values)} images have NaN or infinite values")
