"""Memorisation: whether generated images are new, or copies of the images that the generator was trained on.

In: features of generated images (M, D) and of training images (N, D). Both scores are higher where images are new.

memorisation_distance: the cosine distance from a generated image to the training image nearest to it, averaged over the
generated images (Bai et al. 2021, arXiv 2106.03062; the rule of Kaggle's Generative Dog Images contest). 0 means that
every generated image is a copy. Averaged over training images instead, as some programs do, it would hardly notice a
few copies among many. An image whose features are all 0 has no direction: its distance is 1 to every other image, and
0 to a training image of which the same is true.
authenticity: the share of generated images that are farther from their nearest training image than that one is from
its own nearest other training image (Alaa et al. 2022, arXiv 2102.08921), by Euclidean distance; equal is not farther.
Where two training images are equal, a generated image nearest to them is authentic unless it equals them too.

Standard errors are those of drawing other generated images; the training images are held fixed.
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.features import Features, Matrix
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.nearest_neighbours import Mask, nearest_rows, neighbour_radii
from pipeline.metrics.score import Score
from pipeline.metrics.squared_distances import Indices, Vector


def memorisation_distance(generated: Matrix, train: Matrix) -> Vector:
    """Features (M, D) and (N, D) → (M,) each generated image's least cosine distance to a training image, 0 to 2."""
    _, distances = nearest_rows(_directions(generated), _directions(train))
    return np.square(distances) / 2  # of unit vectors: 1 - x·y, without its loss of digits where x and y are close


def authentic(generated: Matrix, train: Matrix) -> Mask:
    """Features (M, D) and (N, D), N at least 2 → (M,) whether each generated image is authentic."""
    nearest, distances = nearest_rows(generated, train)
    chosen, place = np.unique(nearest, return_inverse=True)
    own: Vector = neighbour_radii(train, 1, of=chosen)[place]
    return distances > own


def nearest_training_images(generated: Matrix, train: Matrix, count: int) -> tuple[Indices, Indices, Vector]:
    """The `count` generated images closest to a training image, closest first; all of them where there are fewer.

    Features (M, D) and (N, D) → indices of generated images, of the training image nearest to each, and the Euclidean
    distances between them. Of equal distances the generated image that comes first comes first.
    """
    nearest, distances = nearest_rows(generated, train)
    closest = np.argsort(distances, kind="stable")[:count]
    return closest, nearest[closest], distances[closest]


def _directions(features: Matrix) -> Vector:
    """(N, D) → (N, D + 1) float64 of length 1: one more coordinate is 1 where all others are 0, and 0 elsewhere."""
    rows = np.column_stack([features.astype(np.float64), (features == 0).all(axis=1)])
    rows /= np.abs(rows).max(axis=1, keepdims=True)  # squares neither overflow nor vanish
    rows /= np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return rows


def _mean(values: Vector | Mask) -> Score:
    """The mean over generated images, and the standard error of drawing others."""
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
    return Score(float(np.mean(values)), error)


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:
    if real.train is None:
        raise ValueError(
            "found no training images, expected those the generator was trained on, to find copies of them"
        )
    return {
        "memorisation_distance": _mean(memorisation_distance(generated.features, real.train.features)),
        "authenticity": _mean(authentic(generated.features, real.train.features)),
    }


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "memorisation_distance",
            "memorisation distance",
            "Mean cosine distance of a generated image to its nearest training image; 0 means copies "
            "(Bai et al. 2021).",
            "higher",
            has_error=True,
        ),
        ScoreDefinition(
            "authenticity",
            "authenticity",
            "Share of generated images farther from their nearest training image than that one is from its own nearest "
            "(Alaa et al. 2022).",
            "higher",
            has_error=True,
        ),
    ),
    needs=(Need.FEATURES, Need.TRAINING_IMAGES),
    from_features=_compute,
)
