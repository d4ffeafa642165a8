"""Features: what an extractor sees in a set of images, and what a metric is: a function of two such sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]


class NotFiniteError(ValueError):
    """Features or logits hold NaN or infinity: no score can be given, and none is made up."""


@dataclass(frozen=True)
class Features:
    """One set of images as an extractor sees it."""

    features: Matrix  # (N, D) activations of the last hidden layer
    logits: Matrix  # (N, C) before the softmax

    def __post_init__(self) -> None:
        for name, values in (("features", self.features), ("logits", self.logits)):
            if values.ndim != 2:
                raise ValueError(f"{name}: found shape {values.shape}, expected (N, values)")
            if not np.isfinite(values).all():
                images = int((~np.isfinite(values)).any(axis=1).sum())
                raise NotFiniteError(f"{name}: {images} of {len(values)} images have NaN or infinite values")

    def __len__(self) -> int:
        return len(self.features)

    def first(self, count: int) -> Features:
        """The first `count` images."""
        return Features(self.features[:count], self.logits[:count])


CLASSES, ATTRIBUTES = "classes", "attributes"  # what an extractor's logits stand for: one holds, or any number do


@dataclass(frozen=True)
class Metric:
    """A metric: the names of its scores, and how they are computed from a judged set and the real test images."""

    scores: Mapping[str, str]  # score name → "lower" | "higher" | "neither" is better
    compute: Callable[[Features, Features], dict[str, float]]  # (judged, real) → value by score name
    labels: tuple[str, ...] = (CLASSES, ATTRIBUTES)  # the kinds of logits it is defined for
    notes: Mapping[str, str] = field(default_factory=dict)  # kind of logits → what a reader of the scores must know
