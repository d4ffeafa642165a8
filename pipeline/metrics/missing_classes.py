"""Missing classes: the number of the data set's classes that a set of images does not show. 0 is best.

The images show a class if the classifier gives it to at least a tenth of an equal share of them: with ten classes and
10,000 images, to at least 100.
Source of counting modes with a classifier: Che et al. 2016, arXiv 1612.02136.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import CLASSES, Features, Matrix
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.score import Score

LEAST_SHARE_OF_EQUAL = 0.1


def class_counts(logits: Matrix) -> npt.NDArray[np.int64]:
    """Return the number of images to which logits (N, C) give each class (C,)."""
    return np.bincount(np.argmax(logits, axis=1), minlength=logits.shape[1])


def missing_classes(logits: Matrix) -> int:
    """Return the number of classes with fewer images than a tenth of an equal share, by logits (N, C)."""
    images, classes = logits.shape
    return int((class_counts(logits) < LEAST_SHARE_OF_EQUAL * images / classes).sum())


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:  # noqa: ARG001, needs no real images
    assert generated.logits is not None
    counts = tuple(float(count) for count in class_counts(generated.logits))
    return {"missing_classes": Score(float(missing_classes(generated.logits)), by_class=counts)}


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "missing_classes",
            "missing classes",
            "Classes given to fewer generated images than a tenth of an equal share (Che et al. 2016).",
            "lower",
        ),
    ),
    needs=(Need.PROBABILITIES,),
    from_features=_compute,
    labels=(CLASSES,),
)
