"""Fréchet distance class by class (intra-FID), which shows if each class looks right and not only the whole set.

Source: Miyato & Koyama 2018, arXiv 1802.05637. The score is the mean of the classes' distances. Generators here are
unconditional, so the extractor names the class of every image, real or generated. A missing class has no distance, and
then the mean has no value either: leaving the class out would reward its absence.
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.features import CLASSES, Features, Matrix
from pipeline.metrics.frechet_distance import frechet_distance
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.score import Score

FEWEST_IMAGES = 2  # a covariance divides by N - 1


def per_class_frechet_distance(generated: Features, real: Features) -> tuple[float, ...]:
    """Return the distance of each class (C,); NaN for a class with fewer than 2 images in one of the sets."""
    assert generated.logits is not None
    classes = range(generated.logits.shape[1])
    return tuple(_distance(_features_of_class(generated, label), _features_of_class(real, label)) for label in classes)


def _features_of_class(images: Features, label: int) -> Matrix:
    assert images.logits is not None
    features: Matrix = images.features[images.logits.argmax(axis=1) == label]
    return features


def _distance(generated: Matrix, real: Matrix) -> float:
    if min(len(generated), len(real)) < FEWEST_IMAGES:
        return float("nan")
    return frechet_distance(generated, real).value


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:
    by_class = per_class_frechet_distance(generated, real.test)
    return {"per_class_fid": Score(float(np.mean(by_class)), by_class=by_class)}


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "per_class_fid",
            "FID by class",
            "Mean over classes of the FID within each class; none where a class is missing (Miyato and Koyama 2018).",
            "lower",
            scale="log",
        ),
    ),
    needs=(Need.FEATURES, Need.PROBABILITIES),
    from_features=_compute,
    labels=(CLASSES,),
)
