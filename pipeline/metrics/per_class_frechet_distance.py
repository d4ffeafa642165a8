"""Fréchet distance class by class (intra-FID): does each class look right, not only all of them together?

Source: Miyato & Koyama 2018, arXiv 1802.05637. The score is the mean of the classes' distances. Generators here are
unconditional, so the extractor names the class of every image, real and generated alike. A class that is not shown has
no distance, and then the mean has no value either: leaving it out would reward its absence.
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.features import CLASSES, Features, Matrix, Metric, Real, Score
from pipeline.metrics.frechet_distance import frechet_distance

FEWEST_IMAGES = 2  # a covariance needs them


def per_class_frechet_distance(judged: Features, real: Features) -> tuple[float, ...]:
    """The distance of each class (C,); NaN for a class that one of the sets does not show."""
    assert judged.logits is not None
    assert real.logits is not None
    return tuple(_distance(_of_class(judged, label), _of_class(real, label)) for label in range(judged.logits.shape[1]))


def _of_class(images: Features, label: int) -> Matrix:
    assert images.logits is not None
    chosen: Matrix = images.features[images.logits.argmax(axis=1) == label]
    return chosen


def _distance(judged: Matrix, real: Matrix) -> float:
    if min(len(judged), len(real)) < FEWEST_IMAGES:
        return float("nan")
    return frechet_distance(judged, real).value


def _compute(judged: Features, real: Real) -> dict[str, Score]:
    by_class = per_class_frechet_distance(judged, real.test)
    return {"per_class_fid": Score(float(np.mean(by_class)), by_class=by_class)}


METRIC = Metric({"per_class_fid": "lower"}, _compute, labels=(CLASSES,))
