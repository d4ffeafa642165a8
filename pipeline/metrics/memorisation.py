"""Memorisation: two scores that show copies of training images among generated images.

In: features of generated images (M, D) and of training images (N, D). Both scores are higher if images are new.

memorisation_distance: the cosine distance from a generated image to its nearest training image, averaged over the
generated images (Bai et al. 2021, arXiv 2106.03062; the rule of Kaggle's Generative Dog Images contest). 0 means that
every generated image is a copy. An average over training images, which some programs take, would hardly notice a few
copies among many. An image with features of 0 only has no direction: its distance is 0 to a training image of the same
kind, and 1 to every other image.
authenticity (Alaa et al. 2022, arXiv 2102.08921): the share of authentic images among generated ones. An authentic
image is farther from its nearest training image than that one is from its own nearest other training image. Distances
are Euclidean; equal is not farther. If two training images are equal, a generated image nearest to them is authentic
unless it equals them too.

Standard errors are those of other generated images; the training images are held fixed.
"""

from __future__ import annotations

import numpy as np

from pipeline.metrics.features import Features, Matrix
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.nearest_neighbours import Mask, nearest_rows, neighbour_radii
from pipeline.metrics.score import Score
from pipeline.metrics.squared_distances import Indices, Vector


def memorisation_distance(generated: Matrix, train: Matrix) -> Vector:
    """Return (M,) each generated image's least cosine distance to a training image, 0 to 2; features (M, D), (N, D)."""
    _, distances = nearest_rows(_directions(generated), _directions(train))
    return np.square(distances) / 2  # for unit vectors this is 1 - x·y, without its loss of digits if x and y are close


def authentic(generated: Matrix, train: Matrix) -> Mask:
    """Return (M,) True for each authentic image of features (M, D), against (N, D), N at least 2."""
    nearest, distances = nearest_rows(generated, train)
    rows, position = np.unique(nearest, return_inverse=True)
    radii: Vector = neighbour_radii(train, 1, chosen=rows)[position]
    return distances > radii


def nearest_training_images(generated: Matrix, train: Matrix, count: int) -> tuple[Indices, Indices, Vector]:
    """Return the `count` generated images closest to a training image, closest first; all if there are fewer.

    In: features (M, D) and (N, D). Out: indices of generated images, the index of the nearest training image of each,
    and the Euclidean distances between them. Equal distances keep the order of the generated images.
    """
    nearest, distances = nearest_rows(generated, train)
    closest = np.argsort(distances, kind="stable")[:count]
    return closest, nearest[closest], distances[closest]


def _directions(features: Matrix) -> Vector:
    """Return (N, D) as (N, D + 1) float64 of length 1; the added coordinate is 1 if all others are 0, and else 0."""
    rows = np.column_stack([features.astype(np.float64), (features == 0).all(axis=1)])
    rows /= np.abs(rows).max(axis=1, keepdims=True)  # squares neither overflow nor vanish
    rows /= np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return rows


def _mean(values: Vector | Mask) -> Score:
    """Return the mean over generated images, with the standard error over other generated images."""
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
    return Score(float(np.mean(values)), error)


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:
    if real.train is None:
        raise ValueError(
            "found no training images, expected the images on which the generator was trained, to find copies of them"
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
