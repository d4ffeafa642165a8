"""Precision, recall, density and coverage: fidelity and variety apart, from balls around images in feature space.

A ball reaches from an image to its k-th nearest other image in its own set. Higher is better for all four.

- precision: the share of generated images inside some real image's ball (Kynkäänniemi et al. 2019, arXiv 1904.06991)
- recall: the share of real images inside some generated image's ball (same source)
- density: the mean number of real balls that hold a generated image, over k; may exceed 1 (Naeem et al. 2020, arXiv
  2002.09797)
- coverage: the share of real balls that hold a generated image (same source)

Density and coverage do not use generated images' balls, which a few outliers make large. Inside means closer than the
radius, `d < r`. An image with k copies in its own set has radius 0, so its ball does not even hold a further copy. A
generator that gives one image only therefore has recall 0.
All four depend on the number of images: compare at equal counts only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.metrics.features import Features, Matrix
from pipeline.metrics.metric import NEIGHBOURS, Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.nearest_neighbours import count_balls, squared_neighbour_radii
from pipeline.metrics.score import Score


@dataclass(frozen=True)
class PrecisionRecall:
    """The four scores of a set: three shares, and the density, which is at least 0."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(generated: Matrix, real: Matrix, neighbours: int = NEIGHBOURS) -> PrecisionRecall:
    """Compute the four scores from features (M, D) of generated and (N, D) of real images, more than `neighbours` each.

    Raises ValueError for too few images and for features of different widths.
    """
    radii = [squared_neighbour_radii(features, neighbours) for features in (real, generated)]
    balls = count_balls(real, generated, radii[0], radii[1])
    return PrecisionRecall(
        precision=float(np.mean(balls.first_around_second > 0)),
        recall=float(np.mean(balls.first_held)),
        density=float(np.mean(balls.first_around_second)) / neighbours,
        coverage=float(np.mean(balls.first_filled)),
    )


def _compute(generated: Features, real: RealFeatures) -> dict[str, Score]:
    shares = precision_recall(generated.features, real.test.features, real.neighbours)
    # No standard errors. A binomial one holds the balls fixed, although both sets decide their positions. It was 0.3 to
    # 0.9 of the true error in simulations. A jackknife, which moves the balls, gave 1.05 to 2.5 of it.
    return {
        "precision": Score(shares.precision),
        "recall": Score(shares.recall),
        "density": Score(shares.density),
        "coverage": Score(shares.coverage),
    }


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "precision",
            "precision",
            "Share of generated images inside the neighbourhood of some real image (Kynkäänniemi et al. 2019).",
            "higher",
        ),
        ScoreDefinition(
            "recall",
            "recall",
            "Share of real images inside the neighbourhood of some generated image (Kynkäänniemi et al. 2019).",
            "higher",
        ),
        ScoreDefinition(
            "density",
            "density",
            "How many real neighbourhoods hold a generated image, over k; may exceed 1 (Naeem et al. 2020).",
            "higher",
        ),
        ScoreDefinition(
            "coverage",
            "coverage",
            "Share of real neighbourhoods that hold a generated image (Naeem et al. 2020).",
            "higher",
        ),
    ),
    needs=(Need.FEATURES, Need.NEIGHBOURS),
    from_features=_compute,
)
